//! `vmrun verify`: whether a guest that runs has what its profile says, read from the kernel now.

mod cookies;
mod devices;
mod memory;
mod room;
mod share;
mod threads;

use super::{Refused, for_guest, run_dir};
use crate::cli::Exit;
use crate::cli::args::Named;
use crate::cli::output::Output;
use crate::host::{self, Root};
use crate::supervise::{Ask, Client, plan_of};
use crate::unit::GuestName;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::time::Duration;
pub(super) use threads::{Role, Roles};

/// How long threads are watched for moves.
const WATCHED: Duration = Duration::from_secs(1);

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Mark {
    /// As planned.
    Ok,
    /// Worth a look, and perhaps the guest's own affair.
    Warn,
    /// Not as planned.
    Wrong,
}

/// Something that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Finding {
    mark: Mark,
    /// What it is about, like `vCPU 0`.
    about: String,
    /// How it is.
    what: String,
    /// What mends it; empty when nothing has to be mended.
    #[serde(skip_serializing_if = "String::is_empty")]
    fix: String,
}

impl Finding {
    fn new(mark: Mark, about: impl Into<String>, what: impl Into<String>) -> Self {
        Self { mark, about: about.into(), what: what.into(), fix: String::new() }
    }

    fn fix(self, fix: impl Into<String>) -> Self {
        Self { fix: fix.into(), ..self }
    }
}

/// Looks, for a second, and says by the exit code whether all is as planned.
pub(in crate::cli) fn verify(Named { name }: &Named, output: Output) -> Exit {
    for_guest(name, output, async {
        let findings = look(name).await?;
        let exit = match findings.iter().any(|finding| finding.mark == Mark::Wrong) {
            true => Exit::NotAsPlanned,
            false => Exit::Good,
        };
        if output.json {
            let answer = json!({ "v": 1, "name": name, "findings": findings, "exit": exit.code() });
            return Ok(output.answer_json(&answer, exit));
        }
        Ok(output.answer(&page(name, &findings), exit))
    })
}

async fn look(name: &GuestName) -> Result<Vec<Finding>, Refused> {
    let (root, dir) = (Root::default(), run_dir(name));
    let mut client = Client::connect(&dir).await?;
    let status = client.ask(&Ask::Status {}).await?;
    let starting = || Refused::Said("its QEMU does not run yet, or no more".into());
    let pid = status["qemu"].as_u64().and_then(|pid| u32::try_from(pid).ok()).ok_or_else(starting)?;
    let plan = plan_of(&dir).map_err(|error| Refused::Said(error.to_string()))?.ok_or_else(starting)?;
    let mut qmp =
        async |execute: &str| client.ask(&Ask::Qmp { execute: execute.to_owned(), arguments: Map::new() }).await;
    let (vcpus, iothreads): (Value, Value) = (qmp("query-cpus-fast").await?, qmp("query-iothreads").await?);
    let roles = Roles::of(&vcpus, &iothreads);
    let before = host::threads(&root, pid);
    tokio::time::sleep(WATCHED).await;
    let after = host::threads(&root, pid);
    let mut findings = threads::judge(&plan.pins, &roles, &before, &after);
    findings.extend(cookies::judge(&plan.pins, &after, host::core_cookie));
    findings.extend(room::judge(&root, pid, &plan, &roles));
    findings.extend(share::judge(&root, plan.share.as_deref(), &after));
    findings.extend(memory::judge(&root, pid, &plan));
    findings.extend(devices::judge(&root, &plan.devices, &plan.interrupts));
    findings.extend(clock(&root));
    Ok(findings)
}

/// A host that does not keep time by the TSC leaves a guest without a cheap clock. Linux:
/// `Documentation/virt/kvm/x86/timekeeping.rst`.
fn clock(root: &Root) -> Option<Finding> {
    let clock = root.text("/sys/devices/system/clocksource/clocksource0/current_clocksource")?;
    Some(match clock.as_str() {
        "tsc" => Finding::new(Mark::Ok, "clock", "the host keeps time by the TSC"),
        other => Finding::new(
            Mark::Warn,
            "clock",
            format!("the host keeps time by {other}, which is slow to read for a guest too"),
        )
        .fix("dmesg | grep -i tsc   # tells why; often the firmware's setup"),
    })
}

fn page(name: &GuestName, findings: &[Finding]) -> String {
    let count = |mark: Mark| findings.iter().filter(|finding| finding.mark == mark).count();
    let mut page = match (count(Mark::Wrong), count(Mark::Warn)) {
        (0, 0) => format!("{name}: all as planned\n"),
        (0, warnings) => format!("{name}: as planned; {warnings} worth a look\n"),
        (wrong, _) => format!("{name}: {wrong} not as planned\n"),
    };
    let width = findings.iter().map(|finding| finding.about.chars().count()).max().unwrap_or_default();
    for Finding { mark, about, what, fix } in findings {
        let mark = match mark {
            Mark::Ok => "ok   ",
            Mark::Warn => "warn ",
            Mark::Wrong => "WRONG",
        };
        _ = writeln!(page, "  {mark}  {about:width$}  {what}");
        for line in fix.lines() {
            _ = writeln!(page, "         {:width$}  fix: {line}", "");
        }
    }
    page
}
