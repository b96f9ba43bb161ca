//! The machine as a guest finds it: with what its plan changes of it while it runs.

use crate::host::{Cpu, Host, Use};
use crate::plan::{Change, Contents, Presence};

/// `host` once the changes in `contents` are made, as far as the doctor looks at what they change.
#[must_use]
pub fn as_planned(host: &Host, contents: &Contents) -> Host {
    let mut host = host.clone();
    for change in &contents.changes {
        match change {
            Change::Shared { path, from: _, to } => set(&mut host, path, to),
            // Its memory lies in the pool, whatever the policy for other memory is.
            Change::HugePages { .. } => host.transparent_huge = None,
            Change::Framebuffer { to: Presence::Absent, .. } => {
                for function in host.pci.iter_mut().filter(|function| contents.devices.contains(&function.bdf)) {
                    function.uses.retain(|used| !matches!(used, Use::Framebuffer { .. }));
                }
            }
            _ => {}
        }
    }
    host
}

/// The file at `path` holds `value`.
fn set(host: &mut Host, path: &str, value: &str) {
    if let Some(name) = path.strip_prefix("/sys/module/kvm/parameters/") {
        host.system.kvm.insert(format!("kvm.{name}"), value.to_owned());
    } else if path == "/sys/kernel/mm/transparent_hugepage/enabled" {
        host.transparent_huge.iter_mut().for_each(|huge| value.clone_into(&mut huge.enabled));
    } else if let Some((folder, file)) =
        path.strip_prefix("/sys/devices/system/cpu/").and_then(|rest| rest.rsplit_once('/'))
    {
        for cpu in host.cpus.iter_mut().filter(|cpu| is_of(folder, cpu)) {
            match file {
                "scaling_governor" => cpu.governor = Some(value.to_owned()),
                "energy_performance_preference" => cpu.preference = Some(value.to_owned()),
                _ => {}
            }
        }
    }
}

/// Whether `folder` is that of the frequency of `cpu`: its own, or its policy's.
fn is_of(folder: &str, cpu: &Cpu) -> bool {
    let number = folder.strip_prefix("cpu").and_then(|rest| rest.strip_suffix("/cpufreq"));
    let policy = folder.strip_prefix("cpufreq/policy").and_then(|policy| policy.parse::<u32>().ok());
    number.is_some_and(|number| number.parse() == Ok(cpu.id)) || policy.is_some() && policy == cpu.policy
}
