//! A plan for a QEMU without a disk, and a place for its files.

use std::fs::File;
use std::path::PathBuf;
use std::process::ExitStatus;
use tempfile::TempDir;
use vmrun::plan::{Descriptor, Draft, Emulator, Origin, Pins, Placement, Plan, Sched};
use vmrun::qemu::{Booting, Event, Guest, News, Paused, QemuError, spawn};
use vmrun::unit::CpuSet;

/// The versions that every test runs with: variable that names one, and where it is otherwise.
pub(super) const QEMU_7_2: (&str, &str) = ("VMRUN_TEST_QEMU_7_2", "/usr/bin/qemu-system-x86_64");
pub(super) const QEMU_10_0: (&str, &str) = ("VMRUN_TEST_QEMU_10_0", "/opt/qemu-10.0/qemu-system-x86_64");

/// Runs each test with both versions, on a runtime of one thread as vmrun's own.
macro_rules! for_each_qemu {
    ($($name:ident)*) => {
        mod qemu_7_2 { $(#[tokio::test] async fn $name() { super::$name(super::super::harness::QEMU_7_2).await; })* }
        mod qemu_10_0 { $(#[tokio::test] async fn $name() { super::$name(super::super::harness::QEMU_10_0).await; })* }
    };
}
pub(super) use for_each_qemu;

/// A run of QEMU under construction.
pub(super) struct Run {
    pub(super) draft: Draft,
    pub(super) folder: TempDir,
}

impl Run {
    pub(super) fn new(qemu: (&str, &str)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = std::env::var_os(qemu.0).map_or_else(|| PathBuf::from(qemu.1), PathBuf::from);
        let emulator = Emulator { path, version: None };
        let draft = Draft::new("test".to_owned().try_into().unwrap(), emulator, folder.path().to_owned());
        let mut run = Self { draft, folder };
        for flag in ["-S", "-nodefaults", "-no-user-config"] {
            run.draft.contents.argv.flag(flag, origin());
        }
        let fd = run.draft.pass(Descriptor::Qmp);
        run.with("-machine", "q35")
            .with("-m", "64")
            .with("-display", "none")
            .with("-chardev", &format!("socket,id=qmp,fd={fd},server=on,wait=off"))
            .with("-mon", "chardev=qmp,mode=control")
    }

    pub(super) fn with(mut self, option: &str, value: &str) -> Self {
        self.draft.contents.argv.setting(option, value, origin());
        self
    }

    pub(super) fn tcg(self) -> Self {
        self.with("-accel", "tcg,thread=multi")
    }

    pub(super) fn pins(mut self, pins: Pins) -> Self {
        self.draft.contents.pins = pins;
        self
    }

    pub(super) fn plan(&self) -> Plan {
        self.draft.clone().finish().unwrap()
    }

    pub(super) fn log(&self) -> File {
        File::options().append(true).create(true).open(self.folder.path().join("qemu.log")).unwrap()
    }

    pub(super) fn spawn(&self) -> Result<Booting, QemuError> {
        spawn(&self.plan(), self.log(), Vec::new())
    }

    /// The run with its threads in place.
    pub(super) async fn paused(&self) -> Result<Paused, QemuError> {
        let mut booting = self.spawn()?;
        let told = booting.told().await?;
        booting.pin(&self.plan().pins, &told, CpuSet::default()).await
    }

    pub(super) async fn guest(&self) -> Guest {
        self.paused().await.unwrap().cont().await.unwrap()
    }
}

pub(super) fn origin() -> Origin {
    Origin::always("test")
}

pub(super) fn on(cpus: &str) -> Placement {
    Placement { cpus: Some(cpus.parse().unwrap()), sched: Sched::Normal }
}

/// All that comes until the process has ended.
pub(super) async fn to_the_end(guest: &mut Guest) -> (Vec<Event>, bool, ExitStatus) {
    let (mut events, mut disconnected) = (Vec::new(), false);
    loop {
        match guest.next().await.unwrap() {
            News::Event(event) => events.push(event),
            News::Disconnected => disconnected = true,
            News::Exited(Some(status)) => return (events, disconnected, status),
            News::Exited(None) => panic!("a child has a status"),
        }
    }
}

/// The value at `key` of a file like `/proc/PID/status`.
pub(super) fn status(pid: u32, tid: i32, key: &str) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{tid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).unwrap();
    line.trim().to_owned()
}

pub(super) fn tasks(pid: u32) -> Vec<i32> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().to_str().unwrap().parse().unwrap()).collect()
}
