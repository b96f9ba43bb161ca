//! `vmrun recover`: the host is put back after runs that died.

use super::foreign::{ask_as_root, belongs};
use super::{boot_id, on_the_loop, run_dir};
use crate::apply::{ApplyError, Owed, Standing, owed as owed_in, standing};
use crate::cli::args::Recover;
use crate::cli::output::{Output, Weight};
use crate::cli::progress::Progress;
use crate::cli::{Exit, place};
use crate::host::{Caller, Root};
use crate::supervise::{Notice, Zeal, owed, recover as put_back, sweep};
use crate::unit::GuestName;
use serde_json::{Value, json};
use std::path::Path;

/// What became of one guest.
struct Report {
    name: GuestName,
    exit: Exit,
    /// For a person.
    text: String,
    /// For a program.
    more: Value,
}

/// Puts the host back after runs that died.
pub(in crate::cli) fn recover(args: &Recover, output: Output) -> Exit {
    if args.name.is_none() && !args.dry_run {
        sweep(&place::runs(&Caller::current()));
    }
    let names = args.name.clone().map_or_else(owed_names, |name| vec![name]);
    let zeal = if args.force { Zeal::Forced } else { Zeal::Careful };
    let reports: Vec<Report> = names
        .into_iter()
        .map(|name| if args.dry_run { foretold(name, zeal) } else { recovered(name, zeal, output) })
        .collect();
    // The worst code is the highest: nothing done, busy, not restored.
    let exit = reports.iter().map(|report| report.exit).max_by_key(|exit| exit.code()).unwrap_or(Exit::Good);
    if output.json {
        let guests: Vec<Value> = reports.iter().map(Report::json).collect();
        return output.answer_json(&json!({ "v": 1, "guests": guests, "exit": exit.code() }), exit);
    }
    for Report { name, exit, text, .. } in &reports {
        match exit {
            Exit::Good if output.quiet => {}
            Exit::Good => output.say(Weight::Info, &format!("{name}: {text}")),
            _ => output.say(Weight::Error, &format!("{name}: {text}")),
        }
    }
    if reports.is_empty() && !output.quiet {
        output.say(Weight::Info, "nothing is owed: no run was cut short");
    }
    exit
}

impl Report {
    fn new(name: GuestName, exit: Exit, text: impl Into<String>) -> Self {
        Self { name, exit, text: text.into(), more: json!({}) }
    }

    fn json(&self) -> Value {
        let mut report = json!({ "name": self.name, "exit": self.exit.code(), "text": self.text });
        if let (Some(report), Some(more)) = (report.as_object_mut(), self.more.as_object()) {
            report.extend(more.clone());
        }
        report
    }
}

/// The guests whose run was cut short.
pub(in crate::cli) fn owed_names() -> Vec<GuestName> {
    let dirs = owed(&place::runs(&Caller::current()));
    dirs.iter().filter_map(|dir| GuestName::try_from(dir.file_name()?.to_str()?.to_owned()).ok()).collect()
}

/// What would be done for `name`.
fn foretold(name: GuestName, zeal: Zeal) -> Report {
    let dir = run_dir(&name);
    match standing(&dir) {
        Standing::Stopped => Report::new(name, Exit::Good, "nothing is owed"),
        Standing::Running => refused(name, &ApplyError::Busy("it is running, or being started or ended".into())),
        Standing::Orphan => refused(name, &ApplyError::Orphan),
        Standing::Foreign => foreign(name, &dir),
        Standing::Owed => match owed_in(&dir, &boot_id(), zeal.damage()) {
            Ok(Some(owed)) => Report { more: owed_json(&owed), ..Report::new(name, Exit::Good, owed_text(&owed)) },
            Ok(None) => Report::new(name, Exit::Good, "nothing is owed"),
            Err(error) => refused(name, &error),
        },
    }
}

fn owed_text(owed: &Owed) -> String {
    if owed.void {
        return "its changes went with the last boot of the machine; only its journal would be removed".into();
    }
    let end = |kind: &str, (name, pid): &(String, u32)| format!("\n  kill {pid}   # {kind} {name}");
    let hooks = owed.hooks.iter().map(|hook| end("hook", hook));
    let services = owed.companions.iter().map(|service| end("service", service));
    let lines: Vec<String> = hooks.chain(services).chain(owed.steps.iter().map(|step| format!("\n  {step}"))).collect();
    match lines.is_empty() {
        true => "nothing of the host would be changed; only its journal would be removed".into(),
        false => format!("would be done:{}", lines.concat()),
    }
}

fn owed_json(Owed { void, hooks, companions, steps }: &Owed) -> Value {
    let named = |processes: &[(String, u32)]| -> Vec<Value> {
        processes.iter().map(|(name, pid)| json!({ "name": name, "pid": pid })).collect()
    };
    json!({ "void": void, "hooks": named(hooks), "services": named(companions), "steps": steps })
}

fn recovered(name: GuestName, zeal: Zeal, output: Output) -> Report {
    let dir = run_dir(&name);
    if !dir.exists() {
        return Report::new(name, Exit::Good, "nothing is owed");
    }
    if standing(&dir) == Standing::Foreign {
        return foreign(name, &dir);
    }
    let progress = Progress::new(name.as_str(), output);
    // For a program there is one answer, at the end.
    let tell = |notice: &Notice| {
        if !output.json {
            progress.tell(notice);
        }
    };
    let done = on_the_loop(put_back(Root::default(), &dir, &boot_id(), zeal, &tell))
        .unwrap_or_else(|error| Err(ApplyError::Refused(format!("there is no event loop: {error}"))));
    progress.finish();
    match done {
        Ok(left) if left.is_empty() => Report::new(name, Exit::Good, "the host is put back"),
        Ok(left) => {
            let lines: Vec<String> = left.iter().map(|left| format!("\n  {}: {}", left.step, left.why)).collect();
            let text = match zeal {
                Zeal::Careful => format!("not fully put back:{}", lines.concat()),
                Zeal::Forced => format!("not fully put back, and given up:{}", lines.concat()),
            };
            Report { more: json!({ "unrestored": left }), ..Report::new(name, Exit::NotRestored, text) }
        }
        Err(error) => refused(name, &error),
    }
}

fn refused(name: GuestName, error: &ApplyError) -> Report {
    let (exit, text) = match error {
        ApplyError::Busy(_) => (Exit::Busy, format!("{error}; nothing is undone under a living guest")),
        ApplyError::Orphan => (
            Exit::Busy,
            format!(
                "{error}; nothing is undone under a living guest. `vmrun attach {name}` is with it again, and puts the host back at its end"
            ),
        ),
        ApplyError::Untrusted { .. } => (Exit::Denied, chain(error)),
        error => (Exit::NotRestored, chain(error)),
    };
    Report::new(name, exit, text)
}

/// The guest `name` of another user, in the run folder `dir`.
fn foreign(name: GuestName, dir: &Path) -> Report {
    let text = format!("it {}; `{}` tells more", belongs(dir), ask_as_root(&name));
    Report::new(name, Exit::Denied, text)
}

fn chain(error: &ApplyError) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("{error}{cause}")
}
