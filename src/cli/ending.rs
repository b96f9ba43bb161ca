//! How the end of a run is told: one line, an exit code, a record.

use super::Exit;
use super::output::{Output, Weight};
use crate::supervise::{Ended, Outcome, Stage};
use serde_json::json;
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;

/// Name of the record in the guest's state folder.
const RECORD: &str = "last-exit.json";

/// The exit code of a run.
pub(super) fn exit(outcome: &Outcome) -> Exit {
    let Outcome { ended, unrestored, failed_hooks, raise: _ } = outcome;
    let own = match ended {
        Ended::PoweredOff | Ended::Hibernated => Exit::Good,
        Ended::Rebooted => Exit::Rebooted,
        Ended::Panicked => Exit::Panicked,
        Ended::Forced => Exit::Forced,
        Ended::Lifeless => Exit::Lifeless,
        Ended::Cancelled => Exit::Terminated,
        Ended::Died { .. } => Exit::Died,
        Ended::CompanionLost { .. } => Exit::Companion,
        Ended::Left { .. } => Exit::Quit,
        Ended::Failed(failure) => match failure.stage {
            Stage::Busy => Exit::Busy,
            Stage::Folder => Exit::Denied,
            Stage::Hook => Exit::Hook,
            Stage::Companion => Exit::Companion,
            Stage::Host => Exit::Preparation,
            Stage::Qemu => Exit::NoStart,
        },
    };
    match own {
        _ if !unrestored.is_empty() => Exit::NotRestored,
        Exit::Good if !failed_hooks.is_empty() => Exit::PostHook,
        own => own,
    }
}

/// Tells how the run of guest `name` ended. After an end that Ctrl-C asked for, the process ends by that signal, so
/// that the shell sees it, unless something worse has to be said by the code.
pub(super) fn tell(name: &str, outcome: &Outcome, output: Output) -> Exit {
    let exit = exit(outcome);
    if output.json {
        let answer = json!({ "end": outcome, "exit": exit.code() });
        _ = output.answer(&format!("{answer}\n"), exit);
    } else {
        say(name, outcome, exit, output);
    }
    if let Some(signal) = outcome.raise
        && !matches!(exit, Exit::NotRestored | Exit::PostHook | Exit::Died)
    {
        // Does not come back for a signal whose default is the end.
        _ = signal_hook::low_level::emulate_default_handler(signal);
    }
    exit
}

fn say(name: &str, outcome: &Outcome, exit: Exit, output: Output) {
    let good =
        matches!(exit, Exit::Good) || (matches!(outcome.ended, Ended::Cancelled) && outcome.unrestored.is_empty());
    if good {
        if !output.quiet {
            output.say(Weight::Info, &format!("{name}: {}", outcome.ended.line()));
        }
        return;
    }
    output.say(Weight::Error, &text(name, outcome));
}

fn text(name: &str, outcome: &Outcome) -> String {
    let mut text = format!("{name}: {}", outcome.ended.line());
    for line in log(&outcome.ended) {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n    | {line}");
    }
    let _ = write!(text, "\n    = {}", host_state(name, outcome));
    text
}

fn log(ended: &Ended) -> &[String] {
    match ended {
        Ended::Died { log, .. } => log,
        Ended::Failed(failure) => &failure.log,
        _ => &[],
    }
}

/// What state the host is in.
fn host_state(name: &str, outcome: &Outcome) -> String {
    let Outcome { ended, unrestored, failed_hooks, .. } = outcome;
    if !unrestored.is_empty() {
        let steps: Vec<_> = unrestored.iter().map(|left| format!("\n      {}: {}", left.step, left.why)).collect();
        return format!("the host is not fully put back; `vmrun recover {name}` tries again:{}", steps.concat());
    }
    match ended {
        Ended::Failed(failure) if matches!(failure.stage, Stage::Busy | Stage::Folder) => {
            "nothing was started, nothing on the host was changed".into()
        }
        Ended::Left { qemu: Some(_) } => format!(
            "`vmrun attach {name}` takes it over again; what vmrun changed is put back after its end, then or by \
             `vmrun recover {name}`"
        ),
        Ended::Left { qemu: None } => {
            format!("what vmrun changed is not put back yet; `vmrun recover {name}` does it")
        }
        _ if !failed_hooks.is_empty() => format!("the host is put back, but hooks failed: {}", failed_hooks.join(", ")),
        _ => "the host is put back".into(),
    }
}

/// Keeps the end in the guest's state folder, for a desktop entry to show. Without that folder nothing is kept.
pub(super) fn keep(dir: &Path, outcome: &Outcome) {
    let record = json!({ "v": 1, "end": outcome, "exit": exit(outcome).code() });
    if dir.is_dir()
        && let Err(error) = write_over(&dir.join(RECORD), format!("{record:#}\n").as_bytes())
    {
        tracing::warn!(%error, "the end could not be recorded");
    }
}

/// Not cut to nothing first: that ext4 takes for a replacement, which is written to the disk before the file is closed
/// (`Documentation/admin-guide/ext4.rst`, `auto_da_alloc`).
fn write_over(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
    file.write_all(text)?;
    file.set_len(text.len() as u64)
}

#[cfg(test)]
mod test {
    use super::{exit, text};
    use crate::apply::Unrestored;
    use crate::cli::Exit;
    use crate::supervise::{Ended, Outcome};

    fn outcome(ended: Ended) -> Outcome {
        Outcome { ended, unrestored: Vec::new(), failed_hooks: Vec::new(), raise: None }
    }

    #[test]
    fn a_host_that_is_not_put_back_wins_over_every_other_code() {
        let left = Unrestored { step: "echo 3 > x".into(), why: "no".into() };
        let outcome = Outcome { unrestored: vec![left], ..outcome(Ended::Panicked) };
        assert_eq!(exit(&outcome), Exit::NotRestored);
        assert!(text("w", &outcome).contains("vmrun recover w"), "{}", text("w", &outcome));
    }

    #[test]
    fn a_failed_hook_after_a_good_end_has_its_own_code() {
        let outcome = Outcome { failed_hooks: vec!["sync".into()], ..outcome(Ended::PoweredOff) };
        assert_eq!(exit(&outcome), Exit::PostHook);
    }

    #[test]
    fn the_last_words_of_qemu_are_quoted() {
        let died = Ended::Died { how: "killed by SIGSEGV".into(), log: vec!["out of luck".into()] };
        assert!(text("w", &outcome(died)).contains("| out of luck"));
    }
}
