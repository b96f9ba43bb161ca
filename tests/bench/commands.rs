//! Commands that answer and end, against `true`.

use super::figures::{Series, short, table};
use super::ground::{Ground, VMRUN, beside};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// A domain of libvirt, as people have them.
const DOMAIN: &str = include_str!("../import/seed-libvirt.xml");

pub(crate) fn run(rounds: usize) {
    let ground = Ground::new("7.2");
    let small = ground.profile(&ground.stand_in(), 8, "");
    fs::rename(&small, ground.path("small.toml")).expect("a profile");
    let disks: String = (0..16).map(|at| disk(&ground, at)).collect();
    let big = ground.profile(&ground.stand_in(), 64, &disks);
    fs::rename(&big, ground.path("big.toml")).expect("a profile");
    let hooks: String =
        (0..2000).map(|at| format!("[[hook]]\nat = \"pre\"\nrun = [\n  \"true\",\n  \"{at}\"\n]\n")).collect();
    let long = ground.profile(&ground.stand_in(), 8, &hooks[..]);
    fs::rename(&long, ground.path("long.toml")).expect("a profile");
    fs::write(ground.path("domain.xml"), DOMAIN).expect("a domain");
    let on = |words: &[&str], file: &str| {
        let mut command = ground.vmrun(words);
        command.arg(ground.path(file));
        command
    };
    let contestants = vec![
        ("true", quiet(Command::new("true"))),
        ("vmrun --help", ground.vmrun(&["--help"])),
        ("vmrun plan", on(&["plan"], "small.toml")),
        ("vmrun check PROFILE", on(&["check"], "small.toml")),
        ("vmrun plan, 64 vCPUs and 16 disks", on(&["plan"], "big.toml")),
        ("vmrun check, 64 vCPUs and 16 disks", on(&["check"], "big.toml")),
        ("vmrun check, 10 000 lines", on(&["check"], "long.toml")),
        ("vmrun check", ground.vmrun(&["check"])),
        ("vmrun host groups", ground.vmrun(&["host", "groups"])),
        ("vmrun host cpus", ground.vmrun(&["host", "cpus"])),
        ("vmrun import domain.xml", on(&["import"], "domain.xml")),
        ("completion of `vmrun `", completion(&ground)),
        ("virsh domxml-to-native", virsh(&ground.path("domain.xml"))),
    ];
    let mut contestants: Vec<_> = contestants.into_iter().map(|(name, command)| (name.to_owned(), command)).collect();
    for (own, program) in beside() {
        for word in ["plan", "check"] {
            let mut command = ground.program(&program, &own, &[word]);
            command.arg(ground.path("small.toml"));
            contestants.push((format!("{} {word} PROFILE", program.display()), command));
        }
    }
    let mut series = vec![Series::default(); contestants.len()];
    for _ in 0..rounds {
        for ((_, command), series) in contestants.iter_mut().zip(&mut series) {
            let began = Instant::now();
            if command.status().is_ok() {
                series.push(began.elapsed());
            }
        }
    }
    let there = contestants.iter().zip(&series).filter(|(_, series)| !series.median().is_nan());
    let rows =
        there.map(|((name, _), own)| vec![name.clone(), own.spread(), format!("×{}", short(own.ratio(&series[0])))]);
    table(&format!("Commands, {rounds} rounds"), &["", "time", "to `true`"], &rows.collect::<Vec<_>>());
}

fn disk(ground: &Ground, at: usize) -> String {
    let path = ground.path(&format!("disk{at}.raw"));
    fs::write(&path, [0; 4096]).expect("an image");
    format!("[[disk]]\nfile = \"{}\"\nformat = \"raw\"\n", path.display())
}

fn quiet(mut command: Command) -> Command {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// What a shell asks when the tabulator is pressed after the program's name.
fn completion(ground: &Ground) -> Command {
    let mut command = ground.vmrun(&["--", VMRUN, ""]);
    command.env("COMPLETE", "bash").env("_CLAP_COMPLETE_INDEX", "1").env("_CLAP_IFS", "\n");
    command
}

fn virsh(domain: &Path) -> Command {
    let mut command = Command::new("virsh");
    command.args(["domxml-to-native", "qemu-argv"]).arg(domain);
    quiet(command)
}
