//! The size of the program, and how many instructions a plan takes: a figure that no load of the machine moves.

use super::figures::table;
use super::ground::{Ground, VMRUN};
use std::fs;
use std::process::{Command, Stdio};

/// What `plan` took when somebody last looked; a change of some per cent deserves a reason.
const KNOWN: &str = include_str!("instructions");

pub(crate) fn run(_: usize) {
    let bytes = fs::metadata(VMRUN).map_or(0, |meta| meta.len());
    let shared =
        Command::new("ldd").arg(VMRUN).output().map_or(0, |said| said.stdout.split(|b| *b == b'\n').count() - 1);
    let rows = [vec![
        format!("{} KiB", bytes / 1024),
        shared.to_string(),
        instructions().map_or("valgrind is not there".into(), |count| count.to_string()),
        KNOWN.trim().to_owned(),
    ]];
    table("Size", &["binary", "shared objects", "instructions of a plan", "known"], &rows);
}

/// Of a plan for a dumped host, so that this machine has no part in it.
fn instructions() -> Option<u64> {
    let ground = Ground::new("7.2");
    let out = ground.path("callgrind");
    let root = env!("CARGO_MANIFEST_DIR");
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", &format!("--callgrind-out-file={}", out.display()), VMRUN, "plan"]);
    command.args(["--host", &format!("{root}/tests/hosts/quad-ht.json"), &format!("{root}/profiles/windows.toml")]);
    command.env("XDG_CACHE_HOME", ground.path("cache"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().ok()?;
    let text = fs::read_to_string(out).ok()?;
    text.lines().find_map(|line| line.strip_prefix("summary:")?.trim().parse().ok())
}
