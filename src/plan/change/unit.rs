//! A systemd unit, started or stopped.

use crate::plan::{Command, Step};
use serde::{Deserialize, Serialize};

/// State of a systemd unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnitState {
    /// Running.
    Active,
    /// Not running.
    Inactive,
}

/// A command whose end tells whether there is anything to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Test {
    /// The command.
    pub run: Command,
    /// Whether it succeeds when there is nothing to change.
    pub succeeds: bool,
}

pub(super) fn steps(unit: &str, user: Option<&str>, to: UnitState) -> Vec<Step> {
    // What runs in a scope was started by somebody else, and nobody else can; `systemd.scope(5)`.
    if to == UnitState::Active && unit.rsplit('.').next() == Some("scope") {
        return Vec::new();
    }
    let verb = match to {
        UnitState::Active => "start",
        UnitState::Inactive => "stop",
    };
    vec![Step::Run(systemctl(verb, unit, user))]
}

pub(super) fn test(unit: &str, user: Option<&str>, to: UnitState) -> Test {
    Test { run: systemctl("is-active", unit, user), succeeds: to == UnitState::Active }
}

fn systemctl(verb: &str, unit: &str, user: Option<&str>) -> Command {
    let scope = user.map(|_| "--user".to_owned());
    let mut argv = vec!["systemctl".to_owned()];
    argv.extend(scope);
    argv.extend(["--quiet".to_owned(), verb.to_owned(), "--".to_owned(), unit.to_owned()]);
    Command { argv, user: user.map(str::to_owned), ..Command::default() }
}
