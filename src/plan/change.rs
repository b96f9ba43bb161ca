//! One change of the host, whole: what was, and what shall be.

use super::{Command, Step};
use crate::unit::Size;
use serde::{Deserialize, Serialize};

/// A change of the host. Its inverse is a change too, so undo needs no code of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Pages added to (or, negative, taken from) a node's pool of huge pages.
    ///
    /// A delta, since the pool is shared: putting back "the number before" would take pages from a guest that was
    /// started meanwhile. Linux: `Documentation/admin-guide/mm/hugetlbpage.rst`.
    HugePages {
        /// NUMA node.
        node: u32,
        /// Size of one page.
        size: Size,
        /// Pages to add.
        pages: i64,
    },
    /// A systemd unit started or stopped.
    Unit {
        /// Name of the unit, with its suffix.
        unit: String,
        /// Login name of the user whose manager has it; `None` for the system's.
        user: Option<String>,
        /// State before.
        from: UnitState,
        /// State after.
        to: UnitState,
    },
    /// A hook that ran, and the command that takes it back.
    Hook {
        /// Name of the hook.
        name: String,
        /// What is run.
        run: Option<Command>,
        /// What takes it back.
        back: Option<Command>,
    },
}

/// State of a systemd unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnitState {
    /// Running.
    Active,
    /// Not running.
    Inactive,
}

impl Change {
    /// The change that takes this one back: `from` and `to` swapped, a delta negated.
    #[must_use]
    pub fn inverse(&self) -> Self {
        match self.clone() {
            Self::HugePages { node, size, pages } => Self::HugePages { node, size, pages: -pages },
            Self::Unit { unit, user, from, to } => Self::Unit { unit, user, from: to, to: from },
            Self::Hook { name, run, back } => Self::Hook { name, run: back, back: run },
        }
    }

    /// The kernel verbs that make the change.
    #[must_use]
    pub fn steps(&self) -> Vec<Step> {
        match self {
            Self::HugePages { node, size, pages } => vec![Step::Add { path: pool(*node, *size), delta: *pages }],
            Self::Unit { unit, user, to, .. } => vec![Step::Run(systemctl(verb(*to), unit, user.as_deref()))],
            Self::Hook { run, .. } => run.iter().cloned().map(Step::Run).collect(),
        }
    }

    /// The command that succeeds when the host already is as `to` says; then there is nothing to change, nor to undo.
    #[must_use]
    pub fn already(&self) -> Option<Command> {
        match self {
            Self::Unit { unit, user, to: UnitState::Active, .. } => Some(systemctl("is-active", unit, user.as_deref())),
            Self::Unit { .. } | Self::HugePages { .. } | Self::Hook { .. } => None,
        }
    }
}

fn verb(to: UnitState) -> &'static str {
    match to {
        UnitState::Active => "start",
        UnitState::Inactive => "stop",
    }
}

fn systemctl(verb: &str, unit: &str, user: Option<&str>) -> Command {
    let scope = user.map(|_| "--user".to_owned());
    let mut argv = vec!["systemctl".to_owned()];
    argv.extend(scope);
    argv.extend(["--quiet".to_owned(), verb.to_owned(), "--".to_owned(), unit.to_owned()]);
    Command { argv, user: user.map(str::to_owned), env: [].into(), timeout: None }
}

fn pool(node: u32, size: Size) -> String {
    format!("/sys/devices/system/node/node{node}/hugepages/hugepages-{}kB/nr_hugepages", size.bytes() >> 10)
}

#[cfg(test)]
mod test {
    use super::{Change, UnitState};
    use crate::plan::Step;
    use crate::unit::Size;
    use proptest::prelude::{Just, Strategy, any, prop_oneof};

    fn change() -> impl Strategy<Value = Change> {
        let state = || prop_oneof![Just(UnitState::Active), Just(UnitState::Inactive)];
        prop_oneof![
            (any::<u32>(), any::<u64>(), any::<i32>()).prop_map(|(node, size, pages)| Change::HugePages {
                node,
                size: Size::from_bytes(size),
                pages: pages.into()
            }),
            (any::<String>(), any::<Option<String>>(), state(), state())
                .prop_map(|(unit, user, from, to)| Change::Unit { unit, user, from, to }),
        ]
    }

    proptest::proptest! {
        #[test]
        fn a_change_turned_round_twice_is_itself(change in change()) {
            proptest::prop_assert_eq!(change.inverse().inverse(), change);
        }
    }

    #[test]
    fn huge_pages_are_given_back_as_the_delta_that_was_taken() {
        let taken = Change::HugePages { node: 0, size: Size::from_bytes(2 << 20), pages: 512 };
        let path = "/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages".to_owned();
        assert_eq!(taken.inverse().steps(), [Step::Add { path, delta: -512 }]);
    }

    #[test]
    fn a_unit_that_was_started_is_stopped() {
        let start =
            Change::Unit { unit: "smbd.service".into(), user: None, from: UnitState::Inactive, to: UnitState::Active };
        let [Step::Run(stop)] = &start.inverse().steps()[..] else { panic!("one command") };
        assert_eq!(stop.argv, ["systemctl", "--quiet", "stop", "--", "smbd.service"]);
    }
}
