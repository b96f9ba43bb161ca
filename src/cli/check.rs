//! `vmrun check`: is the machine well, and can this profile run here?

use super::args::{Check, HostFile};
use super::load::{Loaded, Rejected, dumped};
use super::output::{Output, Weight};
use super::render::{doctor as page, finding};
use super::{Exit, firmware, guest, lately, refuse};
use crate::doctor::{self, Finding, Subject, Verdict};
use crate::host::{Area, Boot, Host, Root, Wants};
use crate::plan::{Class, Contents, Problem};
use crate::unit::{Bdf, CpuSet};
use serde_json::json;
use std::io::{IsTerminal, stderr};
use std::path::Path;

/// Examines the machine, or tells all that is wrong with a profile.
pub(super) fn run(args: &Check, output: Output) -> Exit {
    match &args.profile {
        Some(profile) => of_profile(profile, args, output),
        None if !args.layers.is_empty() => {
            let what = "--set and --variant change a profile, and none is named";
            let problem = Problem::new(Class::Invalid, "", what).fix("vmrun check PROFILE --set …");
            refuse::refuse(&[problem], output);
            Exit::Usage
        }
        None => of_machine(args, output),
    }
}

/// The findings on the machine are the answer.
fn of_machine(args: &Check, output: Output) -> Exit {
    let seen = match Seen::of(&args.host) {
        Ok(seen) => seen,
        Err(rejected) => return rejected.tell(output),
    };
    let findings = seen.examine(None, None);
    let exit = exit(&findings);
    if output.json {
        return output.answer_json(&json!({ "v": 1, "findings": findings, "exit": exit.code() }), exit);
    }
    output.answer(&page::page(&findings, args.all, output.width), exit)
}

/// Tells all refusals and warnings; silent when there are none, but for a line on a terminal.
fn of_profile(profile: &Path, args: &Check, output: Output) -> Exit {
    let loaded = match Loaded::read(profile, &args.layers) {
        Ok(loaded) => loaded,
        Err(rejected) => return rejected.and_on(&args.host).tell(output),
    };
    let planned = match loaded.plan(&args.host) {
        Ok(planned) => planned,
        Err(rejected) => return rejected.tell(output),
    };
    let findings = match of_guest(planned.contents(), &args.host) {
        Ok(findings) => findings,
        Err(rejected) => return rejected.tell(output),
    };
    // A machine that a file describes is not the one that the guest ran on.
    let good = args
        .host
        .host
        .is_none()
        .then(|| lately::last_good(&loaded.setting.state_dir.join(planned.contents().name.as_str())));
    let good = good.flatten();
    let now = good.as_ref().map(|_| lately::surroundings(planned.contents(), &planned.host, &Root::default()));
    let lately = good.as_ref().zip(now.as_ref());
    let changes = lately.map(|(good, now)| good.changes(now)).unwrap_or_default();
    let exit = match planned.exit() {
        Exit::Good => exit(&findings),
        refused => refused,
    };
    if output.json {
        let mut record = finding::json(&loaded.sheets, &planned.findings, exit);
        record["host"] = json!(findings);
        record["changed"] = json!(changes);
        return output.answer_json(&record, exit);
    }
    let bad = findings.iter().any(|finding| finding.verdict != Verdict::Ok);
    if !planned.findings.is_empty() {
        let weight = if planned.exit() == Exit::Good { Weight::Warning } else { Weight::Error };
        output.say(weight, &finding::text(&loaded.sheets, &planned.findings, output.width));
    }
    if bad || args.all && !findings.is_empty() {
        let weight = if exit == Exit::Good { Weight::Warning } else { Weight::Error };
        let told: Vec<_> = findings.iter().filter(|it| args.all || it.verdict != Verdict::Ok).cloned().collect();
        output.say(weight, &page::page(&told, args.all, output.width));
    }
    if let Some((good, now)) = lately.filter(|_| !output.quiet) {
        lately::tell(good, &changes, output);
        firmware::tell(good, now, planned.contents(), output);
    }
    if planned.findings.is_empty() && !bad && !output.quiet && stderr().is_terminal() {
        output.say(Weight::Info, &format!("{}: good, it can run here", loaded.sheets.name()));
    }
    exit
}

/// What may hurt the guest that is planned, for the sake of the functions and the host CPUs that it gets. The machine is
/// looked at anew and more closely: what is planned must not depend on who asks. What the plan itself sets right is no
/// finding.
fn of_guest(contents: &Contents, host: &HostFile) -> Result<Vec<Finding>, Rejected> {
    let passed = contents.argv.host_functions();
    let pinned = contents.pins.guest();
    if passed.is_empty() && pinned.is_empty() {
        return Ok(Vec::new());
    }
    let seen = if passed.is_empty() { Seen::its_cpus(host)? } else { Seen::of(host)? };
    let seen = Seen { host: doctor::as_planned(&seen.host, contents), ..seen };
    Ok(seen.examine(Some(&passed), Some(&pinned).filter(|cpus| !cpus.is_empty())))
}

fn exit(findings: &[Finding]) -> Exit {
    let failed = findings.iter().any(|finding| finding.verdict == Verdict::Fail);
    if failed { Exit::FAULT } else { Exit::Good }
}

/// What is examined.
struct Seen {
    host: Host,
    boot: Boot,
    owed: Vec<String>,
}

impl Seen {
    /// This machine, or the one that a file describes, of which neither boot loader nor runs are known.
    fn of(host: &HostFile) -> Result<Self, Rejected> {
        if let Some(path) = &host.host {
            return dumped(path).map(Self::alone);
        }
        let root = Root::default();
        let owed = guest::owed_names().iter().map(ToString::to_string).collect();
        Ok(Self { host: Host::read(&root, &Wants::of(Area::ALL)), boot: Boot::configuration(&root), owed })
    }

    /// Of it only what makes host CPUs fast; all of it takes several times as long.
    fn its_cpus(host: &HostFile) -> Result<Self, Rejected> {
        match &host.host {
            Some(path) => dumped(path).map(Self::alone),
            None => {
                let wants = Wants::of([Area::Cpus, Area::Frequency, Area::System]);
                Ok(Self::alone(Host::read(&Root::default(), &wants)))
            }
        }
    }

    fn alone(host: Host) -> Self {
        Self { host, boot: Boot::default(), owed: Vec::new() }
    }

    fn examine(&self, passed: Option<&[Bdf]>, pinned: Option<&CpuSet>) -> Vec<Finding> {
        let Self { host, boot, owed } = self;
        doctor::examine(&Subject { host, boot, owed, passed, pinned })
    }
}
