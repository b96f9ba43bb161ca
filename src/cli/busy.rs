//! Services that hold a device of the guest: whoever starts it is asked on the terminal what becomes of them.

use super::load::{Loaded, Planned};
use super::output::{Output, Weight};
use super::render::finding;
use crate::plan::{Change, Class, Plan};
use crate::profile::Profile;
use std::io::{self, BufRead, IsTerminal, Write};

/// The plan of `loaded` for this host; where devices are busy and the profile says `busy = "ask"`, after the question.
pub(super) fn plan(loaded: &mut Loaded, output: Output) -> Planned {
    let mut planned = loaded.plan_here();
    let asked =
        loaded.profile.asks_when_busy() && !output.json && io::stdin().is_terminal() && io::stderr().is_terminal();
    while asked && is_busy(&planned) {
        output.say(Weight::Warning, &finding::text(&loaded.sheets, &planned.findings, output.width));
        let units = would_stop(loaded);
        match ask(&units) {
            Answer::Stop => {
                loaded.change(Profile::stopping_units);
                return loaded.plan_here();
            }
            Answer::Again => planned = loaded.plan_here(),
            Answer::Leave => return planned,
        }
    }
    planned
}

/// Whether nothing else stands against it.
fn is_busy(planned: &Planned) -> bool {
    planned.plan.as_ref().is_err_and(|refusal| refusal.problems.iter().all(|problem| problem.class == Class::Busy))
}

/// The units that would be stopped if the answer were yes; none when that would not help.
fn would_stop(loaded: &Loaded) -> Vec<String> {
    let stopping = loaded.with(Profile::stopping_units);
    let unit = |change: &Change| match change {
        Change::Unit { unit, .. } => Some(unit.clone()),
        _ => None,
    };
    let units = |plan: &Plan| plan.changes.iter().filter_map(unit).collect();
    stopping.plan_here().plan.as_ref().map(units).unwrap_or_default()
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Stop,
    Again,
    Leave,
}

impl Answer {
    fn of(line: &str, may_stop: bool) -> Self {
        match line.trim().to_lowercase().as_str() {
            "y" | "yes" if may_stop => Self::Stop,
            "r" => Self::Again,
            _ => Self::Leave,
        }
    }
}

fn question(units: &[String]) -> String {
    // Nobody can start again what is in a scope.
    let (ended, stopped): (Vec<_>, Vec<_>) =
        units.iter().map(String::as_str).partition(|unit| unit.rsplit('.').next() == Some("scope"));
    let (ended, stopped) = (ended.join(" and "), stopped.join(" and "));
    let what = match (stopped.is_empty(), ended.is_empty()) {
        (true, true) => return "end them yourself, then press r to look again [r/N] ".to_owned(),
        (false, true) => format!("stop {stopped} for the guest, and start it again after it?"),
        (true, false) => format!("end {ended} for the guest?"),
        (false, false) => format!("end {ended} for the guest, and stop {stopped} until after it?"),
    };
    format!("{what} r looks again [y/r/N] ")
}

/// The answer of whoever sits at the terminal; who hangs up leaves.
fn ask(units: &[String]) -> Answer {
    let question = question(units);
    let mut line = String::new();
    let asked = write!(io::stderr(), "{question}").and_then(|()| io::stderr().flush());
    let heard = asked.and_then(|()| io::stdin().lock().read_line(&mut line));
    heard.map_or(Answer::Leave, |_| Answer::of(&line, !units.is_empty()))
}

#[cfg(test)]
mod test {
    use super::{Answer, question};

    #[test]
    fn what_cannot_be_started_again_is_not_promised_back() {
        let asked = |units: &[&str]| question(&units.iter().map(|unit| (*unit).to_owned()).collect::<Vec<_>>());
        assert!(
            asked(&["a.service", "b.service"]).starts_with("stop a.service and b.service for the guest, and start")
        );
        assert_eq!(asked(&["app-x.scope"]), "end app-x.scope for the guest? r looks again [y/r/N] ");
        let both = asked(&["app-x.scope", "a.service"]);
        assert!(both.starts_with("end app-x.scope for the guest, and stop a.service until after it?"), "{both}");
        assert_eq!(asked(&[]), "end them yourself, then press r to look again [r/N] ");
    }

    #[test]
    fn only_a_clear_yes_stops_and_only_where_that_helps() {
        assert_eq!(
            ["y\n", "Yes", "r\n", "", "no\n", "\n"].map(|line| Answer::of(line, true)),
            [Answer::Stop, Answer::Stop, Answer::Again, Answer::Leave, Answer::Leave, Answer::Leave]
        );
        assert_eq!(Answer::of("y", false), Answer::Leave);
    }
}
