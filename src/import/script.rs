//! A script, or a bare command line, that starts QEMU.

use super::argv::{self, Place, Word};
use super::page::{Page, guest_name};
use super::report::{Fate, Report};
use super::shell::{self, Command};
use crate::plan::{Class, Problem};
use crate::unit::CpuSet;

/// Programs that are QEMU for a PC.
fn is_qemu(word: &str) -> bool {
    let name = word.rsplit('/').next().unwrap_or(word);
    matches!(
        name,
        "qemu-system-x86_64" | "qemu-kvm" | "kvm" | "qemu-system-x86" | "qemu-system-x86_64-spice" | "kvm-spice"
    )
}

/// Whether `text` starts QEMU, or is arguments of it alone.
pub(super) fn is_one(text: &str) -> bool {
    text.contains("qemu-system-") || text.contains("qemu-kvm") || text.split_whitespace().any(is_qemu)
}

/// The profile's text, and what became of each command.
pub(super) fn import(name: &str, text: &str) -> Result<(String, Report), Problem> {
    let commands = shell::commands(text);
    let starts = |command: &Command| command.words.iter().position(|word| is_qemu(&word.text) && !talks(command));
    let Some((place, at)) = commands.iter().enumerate().find_map(|(place, command)| Some((place, starts(command)?)))
    else {
        let what = format!("{name} starts no qemu-system-x86_64 that can be seen");
        let problem = Problem::new(Class::Invalid, "", what);
        return Err(problem
            .why("its name may be computed, or it may stand in a file that the script reads")
            .fix("start the guest, and give what `tr '\\0' ' ' < /proc/PID/cmdline` prints"));
    };
    let mut page = Page::default();
    let mut report = Report::default();
    page.head(format!("Made by `vmrun import` of {name}. `vmrun check` says whether it can run here."));
    let stem = name.rsplit('/').next().unwrap_or(name);
    page.top().set("name", guest_name(stem.split('.').next().unwrap_or(stem)));
    let mut env = Vec::new();
    for (i, command) in commands.iter().enumerate() {
        let first = command.words.first().map_or("", |word| &word.text);
        match i {
            i if i == place => {
                wrapped(&command.words[..at], &mut env, &mut page, &mut report);
                let kvm = command.words[at].text.contains("kvm");
                report.note(command.words[at].line, command.words[at].text.clone(), Fate::Kept);
                argv::import(&command.words[at + 1..], &env, Place::Whole { kvm }, &mut page, &mut report);
            }
            _ if first == "export" || is_assignment(first) => {
                for word in &command.words {
                    if let Some((key, value)) = word.text.split_once('=').filter(|(key, _)| key.starts_with("QEMU_")) {
                        env.push((key.to_owned(), value.to_owned(), word.line));
                    }
                }
                let fate = Fate::Translated("its value stands where it is used".into());
                note(command, fate, &mut report);
            }
            _ => around(command, i < place, &mut page, &mut report),
        }
    }
    Ok((page.render(), report.sorted()))
}

/// Whether a command only speaks of QEMU, or looks for it.
fn talks(command: &Command) -> bool {
    let first = command.words.first().map_or("", |word| word.text.as_str());
    let first = first.trim_start_matches("$(");
    matches!(
        first,
        "echo"
            | "printf"
            | "pgrep"
            | "pkill"
            | "killall"
            | "pidof"
            | "["
            | "[["
            | "which"
            | "command"
            | "test"
            | "cat"
            | "grep"
            | "while"
            | "if"
            | "until"
            | "type"
            | "alias"
    ) || is_assignment(first)
}

fn is_assignment(word: &str) -> bool {
    let name = word.split_once('=').map(|(name, _)| name.trim_end_matches('+'));
    name.is_some_and(|name| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
}

fn note(command: &Command, fate: Fate, report: &mut Report) {
    let line = command.words.first().map_or(0, |word| word.line);
    let text: Vec<_> = command.words.iter().map(|word| word.text.replace('\u{1f}', " ")).collect();
    report.note(line, text.join(" "), fate);
}

/// What stands before QEMU in its command: programs that set something and then start it.
fn wrapped(words: &[Word], env: &mut Vec<(String, String, usize)>, page: &mut Page, report: &mut Report) {
    let text: Vec<_> = words.iter().map(|word| word.text.as_str()).collect();
    let after = |names: &[&str]| text.windows(2).find(|pair| names.contains(&pair[0])).map(|pair| pair[1]);
    for word in words {
        let name = word.text.rsplit('/').next().unwrap_or_default();
        let fate = match name {
            "exec" | "time" | "nohup" | "setsid" | "do" | "then" | "else" | "{" | "!" => {
                Fate::Needless("vmrun starts QEMU itself".into())
            }
            "sudo" | "doas" | "pkexec" => Fate::Translated("start vmrun as that user: sudo vmrun …".into()),
            "env" => Fate::Translated("see the variables".into()),
            "taskset" => match after(&["-c", "-ac", "--cpu-list", "-ca"]).filter(|set| set.parse::<CpuSet>().is_ok()) {
                Some(set) => {
                    page.table("cpu.pinning").set("emulator", set);
                    Fate::Translated("cpu.pinning.emulator; vCPUs are pinned one by one by cpu.pinning.vcpus".into())
                }
                None => Fate::Lost("a mask instead of a list; cpu.pinning takes lists".into()),
            },
            "chrt" => {
                let priority = text.iter().find_map(|word| word.parse::<u8>().ok());
                match priority.filter(|_| text.iter().any(|word| matches!(*word, "-f" | "--fifo" | "-r" | "--rr"))) {
                    Some(priority) => {
                        page.table("cpu.pinning").set("sched", format!("fifo:{}", priority.max(1)));
                        Fate::Translated("cpu.pinning.sched".into())
                    }
                    None => Fate::Lost("vmrun knows normal and fifo".into()),
                }
            }
            "numactl" => {
                let nodes = text
                    .iter()
                    .find_map(|word| word.strip_prefix("--membind="))
                    .or_else(|| after(&["-m", "--membind"]));
                match nodes.and_then(|nodes| nodes.parse::<CpuSet>().ok()) {
                    Some(nodes) => {
                        let nodes: Vec<i64> = nodes.iter().map(i64::from).collect();
                        page.table("memory").set("host_nodes", nodes);
                        Fate::Translated("memory.host_nodes".into())
                    }
                    None => Fate::Lost("cpu.pinning and memory.host_nodes say where it runs".into()),
                }
            }
            "nice" | "ionice" => Fate::Lost("cpu.pinning.nice sets the priority of vCPUs".into()),
            _ if is_assignment(&word.text) => {
                if let Some((key, value)) = word.text.split_once('=') {
                    env.push((key.to_owned(), value.to_owned(), word.line));
                }
                continue;
            }
            // An argument of one of these.
            _ => continue,
        };
        report.note(word.line, word.text.clone(), fate);
    }
}

/// A command beside QEMU's.
fn around(command: &Command, before: bool, page: &mut Page, report: &mut Report) {
    let text: Vec<&str> = command.words.iter().map(|word| word.text.as_str()).collect();
    let fate = match &text[..] {
        [
            "echo" | "printf" | "sleep" | "exit" | "wait" | "set" | "clear" | "[" | "[[" | "if" | "then" | "else"
            | "fi" | "while" | "do" | "done" | "until" | "cd" | "}" | "{" | "trap" | "function" | "shift" | "true"
            | "break" | "return",
            ..,
        ] => Fate::Needless("vmrun tells, waits and checks itself".into()),
        ["pkill" | "kill" | "killall" | "pgrep", ..] => Fate::Needless("what vmrun started it also ends".into()),
        ["systemctl", "start", units @ ..] if before => {
            for unit in units.iter().filter(|unit| !unit.starts_with('-')) {
                let whole = if unit.contains('.') { (*unit).to_owned() } else { format!("{unit}.service") };
                page.push("service").set("unit", whole);
            }
            Fate::Translated("a [[service]], stopped with the guest".into())
        }
        ["systemctl", "stop", ..] if !before => Fate::Translated("the [[service]] is stopped with the guest".into()),
        ["modprobe", module, ..] if module.starts_with("vfio") || module.starts_with("kvm") => {
            Fate::Needless("vmrun loads vfio-pci itself".into())
        }
        ["sudo", "-u", user, run @ ..] if command.background => companion(Some(user), run, before, page),
        run if command.background => companion(None, run, before, page),
        _ => {
            let at = if before { "pre" } else { "post" };
            let run = toml::Value::from(text.iter().map(|word| toml::Value::from(*word)).collect::<Vec<_>>());
            page.tail(format!(
                "To decide: the script runs this {} the guest. As a hook:",
                if before { "before" } else { "after" }
            ));
            page.tail("[[hook]]");
            page.tail(format!("at = \"{at}\""));
            page.tail(format!("run = {run}"));
            Fate::Asked("whether the guest needs it; it is written as a hook that is commented out".into())
        }
    };
    note(command, fate, report);
}

/// A program that runs beside the guest.
fn companion(user: Option<&str>, run: &[&str], before: bool, page: &mut Page) -> Fate {
    let known = page
        .list("service")
        .iter()
        .any(|service| service.get("run").is_some_and(|known| known.to_string().contains(run.first().unwrap_or(&""))));
    if known {
        return Fate::Needless("it is a [[service]] already".into());
    }
    let table = page.push("service");
    table.set("run", run.iter().map(|word| toml::Value::from(*word)).collect::<Vec<_>>());
    table.maybe("user", user);
    if !before {
        table.set("start", "after");
    }
    Fate::Translated("a [[service]] that vmrun watches".into())
}
