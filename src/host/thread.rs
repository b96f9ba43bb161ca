//! Threads of a process: where they may run, where they do, and how they are scheduled. Source: `proc_pid_stat(5)`,
//! `proc_pid_status(5)`.

use super::Root;
use super::cpu::list;
use crate::unit::CpuSet;

/// A thread, as it is at this moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ThreadFact {
    /// Its id.
    pub tid: u32,
    /// Its name.
    pub name: String,
    /// Host CPUs that it may run on.
    pub cpus: CpuSet,
    /// Host CPU that it ran on last.
    pub last: u32,
    /// Nice value.
    pub nice: i8,
    /// Its real-time priority; 0 for a thread of the normal class.
    pub priority: u8,
    /// How often it was moved to another host CPU; `None` for a kernel without the file `sched`.
    pub migrations: Option<u64>,
}

/// The threads of process `pid`, by id; none when it is gone.
#[must_use]
pub fn threads(root: &Root, pid: u32) -> Vec<ThreadFact> {
    let mut tids: Vec<u32> =
        root.names(format!("/proc/{pid}/task")).iter().filter_map(|name| name.parse().ok()).collect();
    tids.sort_unstable();
    tids.into_iter().filter_map(|tid| thread(root, pid, tid)).collect()
}

/// One thread of process `pid`; `None` when it is gone.
#[must_use]
pub fn thread(root: &Root, pid: u32, tid: u32) -> Option<ThreadFact> {
    let folder = format!("/proc/{pid}/task/{tid}");
    let stat = root.text(format!("{folder}/stat"))?;
    // The name may hold spaces and brackets, so the fields after it are counted from its end; the first of them is field 3.
    let (head, rest) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let field = |number: usize| fields.get(number - 3).copied().unwrap_or_default();
    let allowed = root.line(format!("{folder}/status"), "Cpus_allowed_list:")?;
    Some(ThreadFact {
        tid,
        name: head.split_once('(')?.1.to_owned(),
        cpus: list(allowed.split_once(':')?.1.trim()),
        last: field(39).parse().ok()?,
        nice: field(19).parse().unwrap_or_default(),
        priority: field(40).parse().unwrap_or_default(),
        migrations: root.line(format!("{folder}/sched"), "se.nr_migrations").and_then(|line| number(&line)),
    })
}

/// `se.nr_migrations                            :                   12`
fn number(line: &str) -> Option<u64> {
    line.split_once(':')?.1.trim().parse().ok()
}

#[cfg(test)]
mod test {
    use super::{ThreadFact, threads};
    use crate::host::tree::lay_out;

    #[test]
    fn a_thread_is_read_with_brackets_in_its_name() {
        let fields: Vec<String> = (3..=41)
            .map(|field| match field {
                3 => "S".to_owned(),
                19 => "-5".to_owned(),
                39 => "6".to_owned(),
                40 => "1".to_owned(),
                other => other.to_string(),
            })
            .collect();
        let tree = lay_out(&[
            ("/proc/7/task/8/stat", &format!("8 (CPU 0) (x) {}\n", fields.join(" "))),
            ("/proc/7/task/8/status", "Name:\tCPU 0\nCpus_allowed:\t40\nCpus_allowed_list:\t6\n"),
            ("/proc/7/task/8/sched", "CPU 0 (8, #threads: 2)\n-----\nse.nr_migrations      :     12\n"),
        ]);
        let expected = ThreadFact {
            tid: 8,
            name: "CPU 0) (x".into(),
            cpus: "6".parse().unwrap(),
            last: 6,
            nice: -5,
            priority: 1,
            migrations: Some(12),
        };
        assert_eq!(threads(&tree.root, 7), [expected]);
        assert!(threads(&tree.root, 9).is_empty());
    }
}
