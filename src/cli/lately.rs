//! What a guest had to do with when it last worked, kept in its state folder, and what changed since.

use super::firmware;
use super::output::{Output, Weight};
use crate::doctor::change::{Change, Surroundings};
use crate::host::{Host, Root};
use crate::plan::Contents;
use crate::supervise::{Ended, Outcome, Stage};
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;
use std::time::SystemTime;

/// Name of the record in the guest's state folder.
const RECORD: &str = "last-good.json";

/// Most lines of changes that are told; a profile that was written anew differs in everything.
const MOST: usize = 12;

/// Whether a run that ended so had a guest that worked; `None` when that cannot be told.
pub(super) fn worked(outcome: &Outcome) -> Option<bool> {
    match &outcome.ended {
        Ended::PoweredOff | Ended::Hibernated | Ended::Rebooted => Some(true),
        Ended::Died { .. } | Ended::Panicked | Ended::Lifeless => Some(false),
        Ended::Failed(failure) => match failure.stage {
            Stage::Host | Stage::Qemu => Some(false),
            Stage::Busy | Stage::Folder | Stage::Hook | Stage::Companion => None,
        },
        Ended::Forced | Ended::Cancelled | Ended::CompanionLost { .. } | Ended::Left { .. } => None,
    }
}

/// What a run of `contents` on this machine has to do with.
pub(super) fn surroundings(contents: &Contents, host: &Host, root: &Root) -> Surroundings {
    let mut facts = std::collections::BTreeMap::new();
    let mut note = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            facts.insert(name.to_owned(), value);
        }
    };
    note("kernel", root.text("/proc/sys/kernel/osrelease"));
    note("kernel arguments", root.text("/proc/cmdline"));
    note("QEMU", host.qemu.as_ref().map(|qemu| format!("{} {}", qemu.path.display(), qemu.version)));
    note("BIOS", Some(Host::own_firmware(root)));
    if let Some(code) = firmware::code(contents) {
        note(&format!("firmware {}", code.display()), image(root, &code));
    }
    for bdf in contents.argv.host_functions() {
        let driver = host.function(bdf).and_then(|function| function.driver.clone());
        let version = driver.as_ref().and_then(|driver| root.text(format!("/sys/module/{driver}/version")));
        let driver = driver.map(|driver| format!("{driver} {}", version.unwrap_or_default()).trim().to_owned());
        note(&format!("driver of {bdf}"), driver);
    }
    Surroundings { when: rfc3339(SystemTime::now()), facts, argv: contents.argv.words(), firmware: None }
}

fn rfc3339(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

/// A firmware image has no version that could be asked for; one that was replaced has another time.
fn image(root: &Root, path: &Path) -> Option<String> {
    let meta = root.metadata(path).ok()?;
    let modified = meta.modified().ok().map(rfc3339);
    Some(format!("{} bytes of {}", meta.len(), modified.unwrap_or_default()))
}

/// Keeps them in the guest's state folder `dir`, with a checksum of the firmware's `code`; `good` are those of the last
/// good run before.
pub(super) fn keep(dir: &Path, good: Option<&Surroundings>, now: Surroundings, code: Option<&Path>) {
    let good = good.filter(|good| good.facts == now.facts);
    // The usual run has to do with what the last one had: of that only the time is new. To read an image takes longer
    // than all else at the end of a guest.
    if good.is_some_and(|good| good.argv == now.argv) && touched(&dir.join(RECORD)).is_ok() {
        return;
    }
    let firmware = good.and_then(|good| good.firmware.clone()).or_else(|| code.and_then(firmware::checksum));
    let text = serde_json::to_string_pretty(&Surroundings { firmware, ..now }).unwrap_or_default();
    if let Err(error) = Root::at(dir).replace(format!("/{RECORD}"), text.as_bytes()) {
        tracing::warn!(%error, "what this run had to do with could not be recorded");
    }
}

fn touched(record: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).open(record)?.set_modified(SystemTime::now())
}

/// Those of the last good run of the guest with the state folder `dir`; `None` when there was none.
pub(super) fn last_good(dir: &Path) -> Option<Surroundings> {
    let path = dir.join(RECORD);
    let good: Surroundings = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
    let when = fs::metadata(&path).and_then(|meta| meta.modified()).map_or(good.when, rfc3339);
    Some(Surroundings { when, ..good })
}

/// Tells what changed since `good`; nothing when nothing has.
pub(super) fn tell(good: &Surroundings, changes: &[Change], output: Output) {
    if changes.is_empty() || output.json {
        return;
    }
    let mut text = format!("changed since it last worked ({}):", good.when);
    for Change { what, was, is } in changes.iter().take(MOST) {
        _ = match (was.is_empty(), is.is_empty()) {
            (true, _) => write!(text, "\n  {what}: {is} is new"),
            (_, true) => write!(text, "\n  {what}: {was} is gone"),
            _ => write!(text, "\n  {what}: {was} -> {is}"),
        };
    }
    if changes.len() > MOST {
        _ = write!(text, "\n  and {} more", changes.len() - MOST);
    }
    output.say(Weight::Info, &text);
}
