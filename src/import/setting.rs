//! What a script writes to `/sys` and `/proc/sys`, which vmrun sets itself and puts back.

use super::page::Page;
use super::report::Fate;
use super::shell::{self, Command};

/// A value that is written to a file of the kernel's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Write {
    pub(super) path: String,
    pub(super) value: String,
}

/// What `line`, commands that feed each other, writes to files of the kernel's; `None` when it does something else.
pub(super) fn writes(line: &[Command]) -> Option<Vec<Write>> {
    let words: Vec<Vec<&str>> = line
        .iter()
        .map(|command| command.words.iter().map(|word| word.text.as_str()).skip_while(|word| *word == "sudo").collect())
        .collect();
    let write = |path: &str, value: &str| Write { path: path.trim_matches('"').to_owned(), value: value.to_owned() };
    let all = match (line, &words.iter().map(Vec::as_slice).collect::<Vec<_>>()[..]) {
        ([command], [["echo" | "printf", value @ ..]]) => {
            let to = command.redirects.iter().find_map(|to| to.strip_prefix('>'))?;
            vec![write(to.trim_start_matches('>'), &said(value))]
        }
        ([_, _], [["echo" | "printf", value @ ..], ["tee", paths @ ..]]) => {
            paths.iter().filter(|path| !path.starts_with('-')).map(|path| write(path, &said(value))).collect()
        }
        ([_], [["sh" | "bash", "-c", inner]]) => {
            let commands = shell::read(inner).commands;
            let lines = commands.chunk_by(|command, _| command.end == shell::End::Pipe);
            lines.map(writes).collect::<Option<Vec<_>>>()?.concat()
        }
        ([_], [["sysctl", pairs @ ..]]) => {
            let pairs = pairs.iter().filter_map(|pair| pair.split_once('='));
            pairs.map(|(key, value)| write(&format!("/proc/sys/{}", key.replace('.', "/")), value)).collect()
        }
        ([_], [["cpupower" | "cpufreq-set", rest @ ..]]) => {
            let at = rest.iter().position(|word| matches!(*word, "-g" | "--governor"))?;
            vec![write("/sys/devices/system/cpu/cpufreq/scaling_governor", rest.get(at + 1)?)]
        }
        _ => return None,
    };
    (!all.is_empty() && all.iter().all(|write| is_kernels(&write.path))).then_some(all)
}

/// Whether `path` is a file of the kernel's.
pub(super) fn is_kernels(path: &str) -> bool {
    path.starts_with("/sys/") || path.starts_with("/proc/")
}

/// What `echo` prints.
fn said(words: &[&str]) -> String {
    words.iter().filter(|word| !matches!(**word, "-n" | "-e" | "-ne" | "%s")).copied().collect::<Vec<_>>().join(" ")
}

/// Gives the profile what is written to `path`, `before` the guest or after it; `None` when it has nothing for that.
pub(super) fn apply(path: &str, value: &str, before: bool, page: &mut Page) -> Option<Fate> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let back = || Fate::Needless("vmrun puts back what it set".into());
    if path.starts_with("/sys/bus/pci/") {
        let bound = matches!(name, "bind" | "unbind" | "new_id" | "remove_id" | "driver_override" | "drivers_probe");
        let why = "vmrun takes the functions of [[pci]] from their drivers, and gives them back";
        return (bound && page.count("pci") > 0).then(|| Fate::Needless(why.into()));
    }
    if name == "nr_hugepages" || name == "nr_overcommit_hugepages" {
        page.get("memory", "hugepages")?;
        let why = "memory.hugepages: vmrun makes the pages, and gives them back";
        return Some(if before { Fate::Translated(why.into()) } else { back() });
    }
    let yes = || matches!(value, "1" | "Y" | "y");
    let (key, value): (_, toml::Value) = match name {
        "scaling_governor" => ("governor", value.into()),
        "energy_performance_preference" => ("preference", value.into()),
        "ignore_msrs" if path.contains("/kvm/") => ("ignore_msrs", yes().into()),
        "report_ignored_msrs" => ("report_ignored_msrs", yes().into()),
        "halt_poll_ns" => ("halt_poll_ns", value.parse::<i64>().ok()?.into()),
        "run" if path.contains("/ksm/") => ("ksm", yes().into()),
        "enabled" if path.contains("/transparent_hugepage/") => ("transparent_hugepage", value.into()),
        "defrag" if path.contains("/transparent_hugepage/") => ("transparent_hugepage_defrag", value.into()),
        "smp_affinity" | "smp_affinity_list" if path.contains("/irq/") => ("irqs_away", true.into()),
        "cpumask" if path.contains("workqueue") => ("kernel_work_away", true.into()),
        _ => return None,
    };
    if !before {
        return Some(back());
    }
    if value.as_str().is_some_and(|value| value.contains('$')) {
        return None;
    }
    let pinned = page.get("cpu.pinning", "vcpus").is_some();
    if !pinned && matches!(key, "governor" | "preference" | "irqs_away" | "kernel_work_away") {
        page.tail(
            "To decide: this is set for the host CPUs that vCPUs are pinned to, so it needs vcpus in [cpu.pinning]:",
        );
        page.tail("[tune]");
        page.tail(format!("{key} = {value}"));
        return Some(Fate::Asked(format!(
            "on which host CPUs the guest runs; it is written as tune.{key}, commented out"
        )));
    }
    page.table("tune").set(key, value);
    Some(Fate::Translated(format!("tune.{key}, put back at the end")))
}
