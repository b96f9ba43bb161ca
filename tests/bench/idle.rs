//! A vmrun with nothing to do: memory, threads, and whether it ever wakes up.

use super::figures::table;
use super::ground::Ground;
use std::fs;
use std::path::Path;
use std::process::Child;
use std::thread::sleep;
use std::time::Duration;

/// Longer than any timer that only pretends to be none.
const WATCHED: Duration = Duration::from_secs(60);
/// Until the start and what follows it is over.
const SETTLED: Duration = Duration::from_secs(3);
/// After which vmrun has given back what the reboots took.
const QUIET: Duration = Duration::from_secs(12);
/// Resets of the guest that are sent to vmrun; the stand-in sends one a millisecond.
const REBOOTS: u32 = 1000;

/// What `/proc` tells of a process; `proc_pid_status(5)`, `proc_pid_smaps(5)`.
struct Look {
    rss: u64,
    pss: u64,
    peak: u64,
    threads: u64,
    wakeups: u64,
    descriptors: usize,
    /// Clock ticks of user and system.
    ticks: u64,
}

impl Look {
    fn at(pid: u32) -> Self {
        let text = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
        let (status, smaps, stat) = (text("status"), text("smaps_rollup"), text("stat"));
        let after = stat.rsplit(')').next().unwrap_or_default();
        let ticks = after.split_ascii_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok());
        Self {
            rss: number(&status, "VmRSS:"),
            pss: number(&smaps, "Pss:"),
            peak: number(&status, "VmHWM:"),
            threads: number(&status, "Threads:"),
            wakeups: number(&status, "voluntary_ctxt_switches:"),
            descriptors: fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count),
            ticks: ticks.sum(),
        }
    }
}

fn number(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_ascii_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// Two services and a USB device that is not there are watched meanwhile.
pub(crate) fn run(_: usize) {
    let ground = Ground::new("7.2");
    ground.live("stay");
    let more = "[[service]]\nname = \"one\"\nrun = [\"sleep\", \"1000\"]\n[[service]]\nname = \"two\"\n\
                run = [\"sleep\", \"1000\"]\n[[usb]]\nid = \"dead:beef\"\n";
    let profile = ground.profile(&ground.stand_in(), 8, more);
    let child = ground.vmrun(&["run"]).arg(&profile).spawn().expect("vmrun");
    sleep(SETTLED);
    let before = Look::at(child.id());
    sleep(WATCHED);
    let after = Look::at(child.id());
    end(&ground, child);
    let rows = [vec![
        after.rss.to_string(),
        after.pss.to_string(),
        after.peak.to_string(),
        after.threads.to_string(),
        after.descriptors.to_string(),
        (after.wakeups - before.wakeups).to_string(),
        (after.ticks - before.ticks).to_string(),
        execs(&ground, &profile),
    ]];
    let head = [
        "RSS, KiB",
        "PSS, KiB",
        "peak RSS, KiB",
        "threads",
        "descriptors",
        "wakeups",
        "CPU ticks",
        "programs from start to exit",
    ];
    table(&format!("Idle for {} s: two services, a USB device awaited", WATCHED.as_secs()), &head, &rows);
}

/// Memory before and after many reboots of a guest.
pub(crate) fn reboots(_: usize) {
    let ground = Ground::new("7.2");
    let rows = [0, REBOOTS, 3 * REBOOTS].map(|count| {
        ground.live(&format!("stay {count}"));
        let profile = ground.profile(&ground.stand_in(), 8, "");
        let child = ground.vmrun(&["run"]).arg(&profile).spawn().expect("vmrun");
        sleep(SETTLED + Duration::from_millis(3 * u64::from(count)) + QUIET);
        let look = Look::at(child.id());
        end(&ground, child);
        vec![count.to_string(), look.rss.to_string(), look.pss.to_string(), look.descriptors.to_string()]
    });
    table("Reboots of the guest", &["reboots", "RSS, KiB", "PSS, KiB", "descriptors"], &rows);
}

fn end(ground: &Ground, mut child: Child) {
    let stopped = ground.vmrun(&["stop", "bench"]).status().expect("vmrun");
    assert!(stopped.success(), "vmrun stop fails");
    child.wait().expect("vmrun's end");
}

/// Programs that were executed in a run whose guest ends at once, vmrun itself not counted.
fn execs(ground: &Ground, profile: &Path) -> String {
    ground.live("off");
    let trace = ground.path("execs");
    let vmrun = ground.vmrun(&["run"]);
    let mut strace = std::process::Command::new("strace");
    strace.args(["-f", "-qq", "-e", "trace=execve", "-e", "status=successful", "-o"]).arg(&trace);
    strace.arg(vmrun.get_program()).args(vmrun.get_args()).arg(profile);
    strace.envs(vmrun.get_envs().filter_map(|(name, value)| Some((name, value?))));
    strace.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    match strace.status() {
        Ok(status) if status.success() => {
            let text = fs::read_to_string(&trace).unwrap_or_default();
            let programs = text.lines().filter_map(|line| line.split("execve(\"").nth(1)?.split('"').next());
            let names: Vec<_> = programs.skip(1).filter_map(|path| path.rsplit('/').next()).collect();
            format!("{}: {}", names.len(), names.join(", "))
        }
        _ => "strace is not there".into(),
    }
}
