//! Processes that are known by what stands in their environment.

use super::{ProcessId, stat};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

/// The leaders of process groups that were started with `variable` set to `value`, each with what it was told as `name`.
/// Only those whose environment we may read are found: `/proc/PID/environ`, `proc_pid_environ(5)`.
#[must_use]
pub fn bearing(variable: &str, value: &OsStr, name: &str) -> Vec<(String, ProcessId)> {
    let line = [variable.as_bytes(), b"=", value.as_bytes()].concat();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let mut found: Vec<(String, ProcessId)> = pids
        .filter_map(|pid| {
            let process = ProcessId::of(pid)?;
            let leads = stat::read(&stat::path(pid)).is_some_and(|stat| u32::try_from(stat.group) == Ok(pid));
            let environment = fs::read(format!("/proc/{pid}/environ")).ok().filter(|_| leads)?;
            let lines: Vec<&[u8]> = environment.split(|byte| *byte == 0).collect();
            let told = lines.iter().find_map(|line| line.strip_prefix(name.as_bytes())?.strip_prefix(b"="))?;
            lines.contains(&&line[..]).then(|| (String::from_utf8_lossy(told).into_owned(), process))
        })
        .collect();
    found.sort_by_key(|(_, process)| process.start_ticks);
    found
}

#[cfg(test)]
mod test {
    use super::bearing;
    use crate::process::ProcessId;
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    #[test]
    fn a_leader_is_found_by_what_it_was_told_and_its_children_are_not() {
        let mark = format!("bearing-{}", std::process::id());
        let mut child = Command::new("sleep")
            .arg("600")
            .envs([("VMRUN_MARK", mark.as_str()), ("VMRUN_SERVICE", "synergy")])
            .process_group(0)
            .spawn()
            .unwrap();
        let mut follower = Command::new("sleep")
            .arg("600")
            .envs([("VMRUN_MARK", mark.as_str()), ("VMRUN_SERVICE", "other")])
            .process_group(i32::try_from(child.id()).unwrap())
            .spawn()
            .unwrap();
        let expected = vec![("synergy".to_owned(), ProcessId::of(child.id()).unwrap())];
        let found = bearing("VMRUN_MARK", mark.as_ref(), "VMRUN_SERVICE");
        let other = bearing("VMRUN_MARK", "no such mark".as_ref(), "VMRUN_SERVICE");
        for process in [&mut child, &mut follower] {
            process.kill().unwrap();
            process.wait().unwrap();
        }
        assert_eq!((found, other), (expected, Vec::new()));
    }
}
