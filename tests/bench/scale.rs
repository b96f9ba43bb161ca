//! How vmrun's own time grows with vCPUs, devices and services, and what the real QEMU makes of many vCPUs.

use super::figures::{short, table};
use super::ground::{Ground, real_qemu};
use super::monitor::supervised;
use super::real::{HEAD, Life, ending, fork_exec};
use super::start::Sections;
use std::fs;
use std::os::unix::net::UnixListener;
use std::time::SystemTime;

pub(crate) fn run(rounds: usize) {
    let ground = Ground::new("10.0");
    ground.live("off");
    let many = |what: &str, count: usize, vcpus: usize, more: &str| {
        let profile = ground.profile(&ground.stand_in(), vcpus, more);
        let argv = (what == "vCPUs").then(|| ground.argv(&profile));
        let (mut sections, mut reference) = <(Sections, Sections)>::default();
        for _ in 0..rounds {
            if let Some(argv) = &argv {
                let began = SystemTime::now();
                supervised(argv, &ground.path("reference.sock")).wait().expect("its end");
                reference.add(&ground, began);
            }
            let began = SystemTime::now();
            let status = ground.vmrun(&["run"]).arg(&profile).status().expect("vmrun");
            assert!(status.success(), "vmrun run fails with {count} {what}; run it by hand");
            sections.add(&ground, began);
        }
        let each = |of: &Sections| {
            let each = of.bound.median() * 1e3 / f64::from(u32::try_from(count).unwrap_or(1));
            if argv.is_some() { format!("{} µs", short(each)) } else { String::new() }
        };
        let (each, least) = (each(&sections), each(&reference));
        let Sections { exec, bound, cont, gone } = sections;
        vec![format!("{count} {what}"), exec.spread(), bound.spread(), each, least, cont.spread(), gone.spread_p90()]
    };
    let vcpus = [1, 8, 64, 255, 1024, 4096].map(|count| many("vCPUs", count, count, ""));
    let disks = [1, 16, 64].map(|count| many("disks", count, 8, &disks(&ground, count)));
    let services = [1, 10, 100].map(|count| many("services", count, 8, &services(count)));
    let head =
        ["", "command → exec", "greeting → cont", "a vCPU", "by the least", "command → cont", "QEMU's end → gone"];
    let rows: Vec<_> = vcpus.into_iter().chain(disks).chain(services).collect();
    table(&format!("Scale: the stand-in, {rounds} rounds"), &head, &rows);
    real(rounds.min(7));
}

fn real(rounds: usize) {
    for (version, vcpus) in [("7.2", 1), ("7.2", 64), ("7.2", 255), ("10.0", 255)] {
        let ground = Ground::new(version);
        let profile = ground.profile(&real_qemu(version), vcpus, "");
        let argv = ground.argv(&profile);
        let listener = UnixListener::bind(ground.first()).expect("a socket");
        let (mut bare, mut vmrun) = <(Life, Life)>::default();
        for _ in 0..rounds {
            bare.add(&listener, || ending(fork_exec(&argv)));
            vmrun.add(&listener, || ending(ground.vmrun(&["run"]).arg(&profile).spawn().expect("vmrun")));
        }
        let rows = [bare.row("bare QEMU", &bare), vmrun.row("vmrun", &bare)];
        table(&format!("First instruction: QEMU {version}, TCG, {vcpus} vCPUs"), &HEAD, &rows);
    }
}

fn disks(ground: &Ground, count: usize) -> String {
    let disk = |at: usize| {
        let path = ground.path(&format!("scale{at}.raw"));
        fs::write(&path, [0; 4096]).expect("an image");
        format!("[[disk]]\nfile = \"{}\"\nformat = \"raw\"\n", path.display())
    };
    (0..count).map(disk).collect()
}

fn services(count: usize) -> String {
    (0..count).map(|at| format!("[[service]]\nname = \"s{at}\"\nrun = [\"sleep\", \"1000\"]\n")).collect()
}
