//! Changes of the host as lines of a shell. What a function of the library does is said there.

use super::quote::{word, words};
use crate::plan::{Bus, Command, Presence, Step, resize_bit};
use std::fmt::Write as _;

/// A line that ends with a status other than 0 when the step fails.
pub(super) fn line(step: &Step) -> String {
    match step {
        Step::Add { path, delta } => format!("add_pages {path} {delta}"),
        Step::Run(run) => command(run),
        Step::RunIf { there, run } => format!("[ ! -e {} ] || {}", word(there), command(run)),
        Step::RunUnless { there, run } => format!("[ -e {} ] || {}", word(there), command(run)),
        Step::RemoveBridge { name, mac: _ } => {
            format!("[ -n \"$(ls /sys/class/net/{0}/brif 2>/dev/null)\" ] || ip link del dev {0}", word(name))
        }
        Step::Write { path, was, value } => format!("set_file {}", words([path, was, value])),
        Step::Tell { path, value, at, to } => {
            let to = if *to == Presence::Present { "yes" } else { "no" };
            format!("tell_kernel {}", words([path, value, at, to]))
        }
        Step::Unbind { bus, device, driver } => format!("unbind_device {} {}", name(*bus), words([device, driver])),
        Step::Bind { bus, device, driver } => format!("bind_device {} {}", name(*bus), words([device, driver])),
        Step::Own { path, was, uid } => format!("own_node {} {was} {uid}", word(path)),
        Step::AwaitClosed(bdf) => format!("await_closed {bdf}"),
        Step::Revive(bdf) => format!("revive_function {bdf}"),
        Step::Resize { bdf, bar, was: _, size } => {
            format!("echo {} >/sys/bus/pci/devices/{bdf}/resource{bar}_resize", resize_bit(*size))
        }
        Step::Mask { path, was, value, cpus: _ } => format!("set_mask {}", words([path, was, value])),
        Step::Confine { unit, was: _, value, all, .. } if unit.starts_with('/') => {
            let value = if value.is_empty() { all.to_string() } else { value.clone() };
            format!("echo {value} >{}", word(&format!("{unit}/cpuset.cpus")))
        }
        Step::Confine { unit, was: _, value, .. } => {
            format!("systemctl set-property --runtime {} AllowedCPUs={value}", word(unit))
        }
        Step::Gather { into } => format!("gather_host {}", word(into)),
        Step::Disperse { from, all: _, controller } => {
            format!("disperse_host {} {}", word(from), if *controller { "yes" } else { "no" })
        }
        Step::Allot { group, resource, domain, was: _, value, part: _ } => {
            format!("echo {resource}:{domain}={value} >{}", word(&format!("{group}/schemata")))
        }
        Step::Group { path, there: true } => format!("mkdir -p {}", word(path)),
        Step::Group { path, there: false } => format!("[ ! -d {0} ] || rmdir {0}", word(path)),
    }
}

fn name(bus: Bus) -> &'static str {
    match bus {
        Bus::Pci => "pci",
        Bus::Platform => "platform",
    }
}

/// A command to its end, as its user, within its time.
pub(super) fn command(run: &Command) -> String {
    let line = program(run);
    match run.user {
        Some(_) => format!("( {line} )"),
        None => line,
    }
}

/// The same without a shell of its own for another user, who takes the place of the one it stands in.
pub(super) fn program(Command { argv, user, env, folder: _, timeout }: &Command) -> String {
    let mut line = String::new();
    if let Some(user) = user {
        _ = write!(line, "become_user {} ", word(user));
    }
    if let Some(limit) = timeout {
        _ = write!(line, "timeout {} ", limit.get().as_secs_f64());
    }
    if !env.is_empty() {
        let pairs = env.iter().map(|(name, value)| format!("{name}={value}"));
        _ = write!(line, "env {} ", words(pairs));
    }
    line + &words(argv)
}
