//! `vmrun demo`: a tiny guest of our own on a profile's machine, and what it saw beside what the profile says.

use super::args::{Demo, Then};
use super::load::{Loaded, Rejected};
use super::output::Output;
use super::progress::{Progress, millis};
use super::refuse::refuse_with;
use super::render::table;
use super::run::{accepted, carry_out};
use super::{Exit, ending};
use crate::demo::{self, Compared, Report};
use crate::demo_image::GUEST_ELF;
use crate::host::{Cpu, Host};
use crate::profile::Profile;
use crate::supervise::{Ended, Notice, Placed};
use crate::unit::CpuSet;
use rustix::fs::{MemfdFlags, memfd_create};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::time::Duration;

/// Most cores of the guest without a profile.
const CORES: u32 = 2;

/// What was heard while the guest ran.
#[derive(Default)]
struct Heard {
    report: Report,
    threads: Vec<Placed>,
    times: Vec<(String, Duration)>,
}

/// Runs the demo guest on a profile, or on a machine of our own.
pub(super) fn run(args: &Demo, output: Output) -> Exit {
    let (image, path) = match in_memory() {
        Ok(made) => made,
        Err(error) => {
            let what = format!("there is no memory for the demo guest: {error}");
            return refuse_with(Exit::Internal, what, "free -m   # end what takes the memory", output);
        }
    };
    let exit = match loaded(args, path) {
        Ok(loaded) => shown(args, &loaded, output),
        Err(rejected) => rejected.tell(output),
    };
    // QEMU has read it.
    drop(image);
    exit
}

/// The guest as a file that needs no name: QEMU finds it below this process in `/proc`, and nothing is left behind.
fn in_memory() -> io::Result<(File, PathBuf)> {
    let mut file = File::from(memfd_create("vmrun-demo-guest", MemfdFlags::CLOEXEC)?);
    file.write_all(GUEST_ELF)?;
    let path = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
    Ok((file, path.into()))
}

fn loaded(args: &Demo, image: PathBuf) -> Result<Loaded, Rejected> {
    let mut loaded = match &args.profile {
        Some(path) => Loaded::read(path, &args.layers)?,
        None => Loaded::embedded("demo.toml", demo::PROFILE, &args.layers)?,
    };
    let then = word(args.then);
    loaded.change(|profile| profile.into_demo(image, then));
    if args.then == Then::Crash {
        loaded.change(Profile::ending_at_a_reboot);
    }
    if args.profile.is_none() && args.layers.sets.is_empty() {
        let host = loaded.plan_here().host;
        loaded.change(|profile| spread(profile, &host));
    }
    Ok(loaded)
}

fn word(then: Then) -> &'static str {
    match then {
        Then::Poweroff => "poweroff",
        Then::Wait => "wait",
        Then::Ignore => "ignore",
        Then::Reset => "reset",
        Then::Panic => "panic",
        Then::Hang => "hang",
        Then::Spin => "spin",
        Then::Crash => "crash",
    }
}

/// The guest's cores on the host's last cores, sibling threads on sibling threads where the host has them.
fn spread(profile: Profile, host: &Host) -> Profile {
    let mut cores: BTreeMap<CpuSet, Vec<u32>> = BTreeMap::new();
    for Cpu { id, siblings, .. } in &host.cpus {
        cores.entry(siblings.clone()).or_default().push(*id);
    }
    let paired = cores.values().any(|threads| threads.len() > 1);
    let threads = if paired { 2 } else { 1 };
    let most = usize::try_from(CORES).unwrap_or(1);
    let chosen: Vec<_> = cores.into_values().rev().filter(|core| core.len() >= threads).take(most).collect();
    let cpus = chosen.iter().rev().flat_map(|core| core.iter().take(threads));
    let (cores, threads) = (u32::try_from(chosen.len()).unwrap_or(1).max(1), if paired { 2 } else { 1 });
    profile.with_topology(cores, threads).with_pins(cpus.map(|cpu| CpuSet::of(*cpu)).collect(), None)
}

fn shown(args: &Demo, loaded: &Loaded, output: Output) -> Exit {
    let quiet = Output { quiet: output.quiet || args.report, ..output };
    let (plan, host) = match accepted(loaded, loaded.plan_here(), quiet) {
        Ok(accepted) => accepted,
        Err(exit) => return exit,
    };
    let contents = (*plan).clone();
    let name = contents.name.to_string();
    let progress = Progress::new(&name, quiet);
    let heard = RefCell::new(Heard::default());
    let outcome = carry_out(plan, &host, loaded, &|notice| {
        heard.borrow_mut().hear(notice);
        if !matches!(notice, Notice::Guest { .. }) || output.json {
            progress.tell(notice);
        }
    });
    progress.finish();
    let heard = heard.into_inner();
    // Of a guest that did not start there is nothing to compare.
    if !output.json && heard.anything() {
        let answer = if args.report {
            report(&heard.report)
        } else {
            page(&contents.emulator, &demo::compare(&contents, &heard.report), &heard, output.width)
        };
        _ = output.answer(&answer, Exit::Good);
    }
    let ended = matches!(outcome.ended, Ended::PoweredOff) && !heard.report.is_whole();
    let exit = ending::tell(&name, &outcome, quiet);
    let differs = demo::compare(&contents, &heard.report).iter().any(|fact| !fact.is_equal());
    match exit {
        Exit::Good if ended || differs => Exit::Internal,
        exit => exit,
    }
}

impl Heard {
    /// Whether the guest got so far that it could run.
    fn anything(&self) -> bool {
        !self.threads.is_empty() || self.report.lines().next().is_some()
    }

    fn hear(&mut self, notice: &Notice) {
        match notice {
            Notice::Guest { line } => self.report.hear(line),
            Notice::Pinned { threads, took } => {
                self.threads.clone_from(threads);
                self.times.push((format!("{} threads placed and read back", threads.len()), *took));
            }
            Notice::Stage { what, took } => self.times.push((what.clone(), *took)),
            Notice::Waiting { .. }
            | Notice::Output { .. }
            | Notice::Service { .. }
            | Notice::Event { .. }
            | Notice::State(_)
            | Notice::Ended(_)
            | Notice::Note(_)
            | Notice::Warning(_) => {}
        }
    }
}

fn report(report: &Report) -> String {
    report.lines().flat_map(|line| [line, "\n"]).collect()
}

/// Everything for a person: pins, times, the report, the comparison.
fn page(emulator: &crate::plan::Emulator, facts: &[Compared], heard: &Heard, width: usize) -> String {
    let version = emulator.version.map(|version| version.to_string()).unwrap_or_default();
    let mut page = format!("QEMU {version} ({})\n\n", emulator.path.display());
    page.push_str("Threads, as the kernel had them before the guest's first instruction\n");
    let rows: Vec<_> = heard.threads.iter().map(thread).collect();
    table(&mut page, width, ["thread", "id", "host CPUs"], &rows);
    page.push_str("\nTimes\n");
    let rows: Vec<_> = heard.times.iter().map(|(what, took)| [what.clone(), millis(*took)]).collect();
    table(&mut page, width, ["what", "took"], &rows);
    page.push_str("\nThe guest's own report\n");
    for line in heard.report.lines() {
        page.push_str("  ");
        page.push_str(line);
        page.push('\n');
    }
    page.push_str("\nPlanned, and seen by the guest\n");
    let rows: Vec<_> = facts.iter().map(fact).collect();
    table(&mut page, width, ["fact", "", "planned", "seen instead"], &rows);
    page
}

fn thread(Placed { tid, what, cpus, sched: _ }: &Placed) -> [String; 3] {
    [what.clone(), tid.to_string(), cpus.to_string()]
}

/// What is equal is shown once, so that a row fits a small terminal.
fn fact(fact: &Compared) -> [String; 4] {
    let (verdict, instead) = match fact.is_equal() {
        true => ("equal", String::new()),
        false => ("DIFFERENT", fact.seen.clone().unwrap_or_else(|| "nothing".to_owned())),
    };
    [fact.what.to_owned(), verdict.to_owned(), fact.planned.clone(), instead]
}
