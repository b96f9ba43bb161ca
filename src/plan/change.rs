//! One change of the host, whole: what was, and what shall be.

use super::{Command, Step};
use crate::unit::{Mac, Size};
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
    /// A macvtap device made on an interface, or removed. It outlives its descriptors, as a tap does not.
    Macvtap {
        /// Its name.
        name: String,
        /// The interface it shares.
        parent: String,
        /// Its hardware address, which must be the guest's.
        mac: Mac,
        /// `bridge`, `vepa`, `private` or `passthru`; `ip-link(8)`.
        mode: String,
        /// Its largest packet in bytes; `None` for that of `parent`.
        mtu: Option<u16>,
        /// Whether it was there before.
        from: Presence,
        /// Whether it is there after.
        to: Presence,
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

/// Whether something is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Presence {
    /// It is there.
    Present,
    /// It is not.
    Absent,
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
            Self::Macvtap { name, parent, mac, mode, mtu, from, to } => {
                Self::Macvtap { name, parent, mac, mode, mtu, from: to, to: from }
            }
            Self::Hook { name, run, back } => Self::Hook { name, run: back, back: run },
        }
    }

    /// The kernel verbs that make the change.
    #[must_use]
    pub fn steps(&self) -> Vec<Step> {
        match self {
            Self::HugePages { node, size, pages } => vec![Step::Add { path: pool(*node, *size), delta: *pages }],
            Self::Unit { unit, user, to, .. } => vec![Step::Run(systemctl(verb(*to), unit, user.as_deref()))],
            Self::Macvtap { name, parent, mac, mode, mtu, from: _, to: Presence::Present } => {
                vec![Step::Run(add_macvtap(name, parent, *mac, mode, *mtu))]
            }
            // It goes by itself when the interface below it goes.
            Self::Macvtap { name, to: Presence::Absent, .. } => {
                vec![Step::RunIf { there: format!("/sys/class/net/{name}"), run: ip(["link", "del", "dev", name]) }]
            }
            Self::Hook { run, .. } => run.iter().cloned().map(Step::Run).collect(),
        }
    }

    /// The command that succeeds when the host already is as `to` says; then there is nothing to change, nor to undo.
    #[must_use]
    pub fn already(&self) -> Option<Command> {
        match self {
            Self::Unit { unit, user, to: UnitState::Active, .. } => Some(systemctl("is-active", unit, user.as_deref())),
            Self::Unit { .. } | Self::HugePages { .. } | Self::Macvtap { .. } | Self::Hook { .. } => None,
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

/// One command that makes it, so that a failure leaves nothing half done.
fn add_macvtap(name: &str, parent: &str, mac: Mac, mode: &str, mtu: Option<u16>) -> Command {
    let (mac, mtu) = (mac.to_string(), mtu.map(|mtu| mtu.to_string()));
    let mut words = vec!["link", "add", "link", parent, "name", name, "address", &mac, "up"];
    if let Some(mtu) = &mtu {
        words.extend(["mtu", mtu]);
    }
    words.extend(["type", "macvtap", "mode", mode]);
    ip(words)
}

fn ip<'a>(words: impl IntoIterator<Item = &'a str>) -> Command {
    let argv = std::iter::once("ip").chain(words).map(str::to_owned).collect();
    Command { argv, user: None, env: [].into(), timeout: None }
}

fn pool(node: u32, size: Size) -> String {
    format!("/sys/devices/system/node/node{node}/hugepages/hugepages-{}kB/nr_hugepages", size.bytes() >> 10)
}

#[cfg(test)]
mod test {
    use super::{Change, Presence, UnitState};
    use crate::plan::Step;
    use crate::unit::{Mac, Size};
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
            any::<Option<u16>>().prop_map(macvtap),
        ]
    }

    fn macvtap(mtu: Option<u16>) -> Change {
        Change::Macvtap {
            name: "vmrun0".into(),
            parent: "eth0".into(),
            mac: Mac::derived("x"),
            mode: "bridge".into(),
            mtu,
            from: Presence::Absent,
            to: Presence::Present,
        }
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
    fn a_macvtap_device_is_made_in_one_command_and_removed_if_it_is_still_there() {
        let made = macvtap(Some(9000));
        let line = |change: &Change| change.steps().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        let mac = Mac::derived("x");
        let add = format!("ip link add link eth0 name vmrun0 address {mac} up mtu 9000 type macvtap mode bridge");
        assert_eq!(line(&made), add);
        assert_eq!(line(&made.inverse()), "[ ! -e /sys/class/net/vmrun0 ] || ip link del dev vmrun0");
    }

    #[test]
    fn a_unit_that_was_started_is_stopped() {
        let start =
            Change::Unit { unit: "smbd.service".into(), user: None, from: UnitState::Inactive, to: UnitState::Active };
        let [Step::Run(stop)] = &start.inverse().steps()[..] else { panic!("one command") };
        assert_eq!(stop.argv, ["systemctl", "--quiet", "stop", "--", "smbd.service"]);
    }
}
