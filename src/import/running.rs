//! A QEMU that runs: its command line, its environment, and where its threads may run.

use super::argv::{self, Place, Word};
use super::page::{Page, guest_name};
use super::report::{Fate, Report};
use super::{Import, Kind, script};
use crate::plan::{Class, Problem};
use crate::unit::CpuSet;
use toml::{Table, Value};

/// A thread of the process.
#[derive(Clone, Debug)]
pub struct Thread {
    /// Its name: `CPU 3/KVM` and `IO iothread1` when QEMU was started with `debug-threads=on`.
    pub name: String,
    /// Host CPUs that it may run on.
    pub cpus: CpuSet,
    /// Its real-time priority; 0 for the normal class.
    pub priority: u8,
}

/// What is known of a process that runs.
#[derive(Clone, Debug, Default)]
pub struct Running {
    /// Its id.
    pub pid: u32,
    /// Its command line.
    pub words: Vec<String>,
    /// Variables that QEMU reads, with their values.
    pub env: Vec<(String, String)>,
    /// The folder that it runs in.
    pub dir: String,
    /// Its threads; the first is the main one.
    pub threads: Vec<Thread>,
    /// Host CPUs that are there.
    pub online: CpuSet,
}

/// Makes a profile of the guest that `running` has.
///
/// # Errors
/// When it is no QEMU for a PC.
pub fn of_running(running: &Running) -> Result<Import, Problem> {
    let Running { pid, words, env, dir, threads: _, online: _ } = running;
    let Some((program, rest)) = words.split_first().filter(|(program, _)| script::is_qemu(program)) else {
        let what = format!("process {pid} is no qemu-system-x86_64");
        return Err(Problem::new(Class::Invalid, "", what).fix("pgrep -a qemu   # tells which is"));
    };
    let (mut page, mut report) = (Page::default(), Report::default());
    page.head(format!("Made by `vmrun import` of process {pid}. `vmrun check` says whether it can run here."));
    page.top().set("name", guest_name("guest"));
    report.note(0, program.clone(), Fate::Kept);
    let words: Vec<_> = rest.iter().map(|word| Word::plain(word, 0)).collect();
    let env: Vec<_> = env.iter().map(|(name, value)| (name.clone(), value.clone(), 0)).collect();
    argv::import(&words, &env, Place::Whole { kvm: program.contains("kvm") }, &mut page, &mut report);
    pins(running, &mut page, &mut report);
    if dir != "/" {
        let fate = Fate::Translated("relative paths of a profile start at its own folder: put it there".into());
        report.note(0, format!("working folder {dir}"), fate);
    }
    Ok(Import { kind: Kind::Running, profile: page.render(), report })
}

/// Where the threads may run is where they are kept.
fn pins(running: &Running, page: &mut Page, report: &mut Report) {
    let Running { threads, online, .. } = running;
    let mut vcpus: Vec<(u32, &Thread)> = threads
        .iter()
        .filter_map(|thread| {
            let number = thread.name.strip_prefix("CPU ")?.split('/').next()?;
            Some((number.parse().ok()?, thread))
        })
        .collect();
    vcpus.sort_by_key(|(number, _)| *number);
    let mut told = 0;
    if vcpus.iter().any(|(_, thread)| thread.cpus != *online) {
        let pins: Vec<_> = vcpus.iter().map(|(_, thread)| set(&thread.cpus)).collect();
        page.table("cpu.pinning").set("vcpus", pins);
        told += vcpus.len();
    }
    let priority = vcpus.iter().map(|(_, thread)| thread.priority).max().filter(|priority| *priority > 0);
    if let Some(priority) = priority {
        page.table("cpu.pinning").set("sched", format!("fifo:{priority}"));
    }
    if let Some(main) = threads.first().filter(|main| main.cpus != *online) {
        page.table("cpu.pinning").set("emulator", set(&main.cpus));
        told += 1;
    }
    let iothreads: Table = threads
        .iter()
        .filter(|thread| thread.cpus != *online)
        .filter_map(|thread| Some((thread.name.strip_prefix("IO ")?.to_owned(), set(&thread.cpus))))
        .filter(|(id, _)| page.list("disk").iter().any(|disk| disk.text("iothread") == Some(id)))
        .collect();
    if !iothreads.is_empty() {
        told += iothreads.len();
        page.table("cpu.pinning").set("iothreads", iothreads);
    }
    if told > 0 {
        report.note(0, format!("where {told} threads may run"), Fate::Translated("cpu.pinning".into()));
    } else if vcpus.is_empty() {
        let fate = Fate::Asked("QEMU names its threads only with -name …,debug-threads=on".into());
        report.note(0, "where its threads may run", fate);
    }
}

/// One by its number.
fn set(cpus: &CpuSet) -> Value {
    match cpus.iter().next().filter(|_| cpus.len() == 1) {
        Some(cpu) => Value::from(i64::from(cpu)),
        None => Value::from(cpus.to_string()),
    }
}
