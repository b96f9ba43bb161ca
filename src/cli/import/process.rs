//! What is known of a process that runs.

use crate::host::{Root, threads};
use crate::import::{Import, Running, Thread, of_running};
use crate::plan::{Class, Problem};
use crate::unit::CpuSet;

/// Makes a profile of the guest of process `pid`.
pub(super) fn import(pid: u32) -> Result<Import, Problem> {
    let root = Root::default();
    let folder = format!("/proc/{pid}");
    let Some(line) = root.bytes(format!("{folder}/cmdline")).filter(|line| !line.is_empty()) else {
        let what = match root.text(format!("{folder}/comm")) {
            Some(name) => {
                format!("process {pid}, `{}`, has no command line that may be read", name.trim().escape_debug())
            }
            None => format!("there is no process {pid}"),
        };
        return Err(Problem::new(Class::Missing, "", what).fix("pgrep -a qemu   # tells which is"));
    };
    let env = root.bytes(format!("{folder}/environ")).unwrap_or_default();
    let env = words(&env).into_iter().filter_map(|word| {
        let (name, value) = word.split_once('=')?;
        name.starts_with("QEMU_").then(|| (name.to_owned(), value.to_owned()))
    });
    let found = threads(&root, pid).into_iter();
    let online = root.text("/sys/devices/system/cpu/online").unwrap_or_default();
    of_running(&Running {
        pid,
        words: words(&line),
        env: env.collect(),
        dir: root.link(format!("{folder}/cwd")).map_or_else(|| "/".to_owned(), |dir| dir.display().to_string()),
        threads: found
            .map(|thread| Thread { name: thread.name, cpus: thread.cpus, priority: thread.priority })
            .collect(),
        online: online.trim().parse::<CpuSet>().unwrap_or_default(),
    })
}

/// The words of what the kernel shows with a zero byte after each.
fn words(bytes: &[u8]) -> Vec<String> {
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    bytes.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}
