//! `vmrun status`, `vmrun stop`, `vmrun recover`: what is asked of, and done for, a guest by its name.

use super::args::{Recover, Status, Stop};
use super::output::{Output, Weight};
use super::{Exit, place};
use crate::apply::{ApplyError, Instance, Standing, recover as put_back, standing};
use crate::host::{Caller, Root};
use crate::supervise::{Ask, ask};
use crate::unit::GuestName;
use serde_json::json;
use std::convert::identity;
use std::fs;
use std::future::Future;
use std::io;
use std::path::Path;

/// Says how a guest is, by a line and by the exit code.
pub(super) fn status(Status { name }: &Status, output: Output) -> Exit {
    let dir = place::run_dir(name, &Caller::current());
    let answer = on_the_loop(ask(&dir, Ask::Status, false)).and_then(identity).ok();
    let (exit, word) = match (standing(&dir), &answer) {
        (Standing::Stopped, _) => (Exit::Stopped, "stopped"),
        (Standing::Owed, _) => (Exit::NeedsRecover, "cut short"),
        (Standing::Orphan, _) => (Exit::Orphan, "orphan"),
        (Standing::Running, Some(status)) if status.state == "running" => (Exit::Good, "running"),
        (Standing::Running, Some(status)) => (Exit::InTransition, status.state.as_str()),
        (Standing::Running, None) => (Exit::InTransition, "being started or ended"),
    };
    if output.json {
        return output
            .answer_json(&json!({ "v": 1, "name": name, "state": word, "vmrun": answer, "exit": exit.code() }), exit);
    }
    let more = match (exit, &answer) {
        (Exit::Orphan, _) => format!("; its vmrun was killed. When it has ended: vmrun recover {name}"),
        (Exit::NeedsRecover, _) => format!("; the host is not put back yet: vmrun recover {name}"),
        (_, Some(status)) => {
            let qemu = status.qemu.map(|pid| format!(", qemu {pid}")).unwrap_or_default();
            format!(" (vmrun {}{qemu}, since {})", status.supervisor, since(status.since))
        }
        (_, None) => String::new(),
    };
    output.answer(&format!("{name}: {word}{more}\n"), exit)
}

fn since(seconds: u64) -> String {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
    humantime::format_rfc3339_seconds(time).to_string()
}

/// Ends a guest and waits until the host is put back.
pub(super) fn stop(Stop { name, force }: &Stop, output: Output) -> Exit {
    let dir = place::run_dir(name, &Caller::current());
    match on_the_loop(ask(&dir, Ask::Stop { force: *force }, true)).and_then(identity) {
        Ok(_) => Exit::Good,
        Err(_) if standing(&dir) == Standing::Orphan => {
            let text = format!(
                "{name}: it runs without its vmrun, which was killed; press its power button in the guest itself"
            );
            output.say(Weight::Error, &text);
            Exit::Orphan
        }
        Err(_) => {
            output.say(Weight::Error, &format!("{name}: it does not run"));
            Exit::Stopped
        }
    }
}

/// Puts the host back after runs that died.
pub(super) fn recover(Recover { name }: &Recover, output: Output) -> Exit {
    let caller = Caller::current();
    let names = name.clone().map_or_else(|| owed(&place::runs(&caller)), |name| vec![name]);
    let exits = names.iter().map(|name| recover_one(name, &place::run_dir(name, &caller), output));
    // The worst code is the highest: nothing done, busy, not restored.
    exits.max_by_key(|exit| exit.code()).unwrap_or_else(|| {
        if !output.quiet {
            output.say(Weight::Info, "nothing is owed: no run was cut short");
        }
        Exit::Good
    })
}

fn owed(runs: &Path) -> Vec<GuestName> {
    let entries = fs::read_dir(runs).into_iter().flatten().flatten();
    let names = entries.filter(|entry| standing(&entry.path()) == Standing::Owed);
    names.filter_map(|entry| GuestName::try_from(entry.file_name().into_string().ok()?).ok()).collect()
}

fn recover_one(name: &GuestName, dir: &Path, output: Output) -> Exit {
    if standing(dir) == Standing::Stopped {
        if !output.quiet {
            output.say(Weight::Info, &format!("{name}: nothing is owed"));
        }
        return Exit::Good;
    }
    let done = on_the_loop(recovered(dir))
        .unwrap_or_else(|error| Err(ApplyError::Refused(format!("there is no event loop: {error}"))));
    match done {
        Ok(left) if left.is_empty() => {
            output.say(Weight::Info, &format!("{name}: the host is put back"));
            Exit::Good
        }
        Ok(left) => {
            output.say(Weight::Error, &format!("{name}: not fully put back:\n  {}", left.join("\n  ")));
            Exit::NotRestored
        }
        Err(error @ ApplyError::Busy(_)) => {
            output.say(Weight::Error, &format!("{name}: {error}; nothing is undone under a living guest"));
            Exit::Busy
        }
        Err(error) => {
            output.say(Weight::Error, &format!("{name}: {error}"));
            Exit::NotRestored
        }
    }
}

async fn recovered(dir: &Path) -> Result<Vec<String>, ApplyError> {
    let instance = Instance::claim(dir)?;
    let boot_id = Root::default().text("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let left = match put_back(Root::default(), dir, &boot_id).await? {
        Some((_, left)) => left,
        None => Vec::new(),
    };
    if left.is_empty() {
        instance.release()?;
    }
    Ok(left.into_iter().map(|left| format!("{}: {}", left.step, left.why)).collect())
}

fn on_the_loop<T>(work: impl Future<Output = T>) -> io::Result<T> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work))
}
