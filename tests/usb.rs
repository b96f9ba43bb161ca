//! USB devices that may come: what waiting for them costs.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::fs;
use std::thread::sleep;
use std::time::Duration;
use support::setup;
use support::vmrun::Bench;

#[test]
fn waiting_for_a_device_wakes_nobody() {
    for qemu in setup::qemus() {
        let bench = Bench::new(&qemu.binary);
        let wheel = "[[usb]]\nid = \"046d:c29b\"\n[[usb]]\nserial = \"123\"\n";
        let profile = bench.profile("then=wait", wheel);
        let mut run = bench.start(&["run", &profile.display().to_string()]);
        run.until("usb[0] (046d:c29b) is not plugged in");
        run.until("usb[1] (serial 123) is not plugged in");
        sleep(Duration::from_secs(2));
        let before = switches(run.pid());
        sleep(Duration::from_secs(5));
        assert_eq!(switches(run.pid()), before, "QEMU {}", qemu.version);
        run.signal("QUIT");
    }
}

/// How often the threads of process `pid` have gone to sleep: once for each time that they were woken.
fn switches(pid: u32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let of = |task: fs::DirEntry| {
        let status = fs::read_to_string(task.path().join("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")).unwrap();
        line.trim().parse::<u64>().unwrap()
    };
    tasks.map(|task| of(task.unwrap())).sum()
}
