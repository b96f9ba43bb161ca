//! `net.mode`: what an interface is tied to.

use super::{Tied, Ties, Turn, bridge, macvtap, passt, tap, user};
use crate::host::PathFact;
use crate::plan::{Class, Draft, Origin, Problem, Props};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Mode {
    /// A network made by QEMU; needs nothing of the host, slow.
    User,
    /// A network made by passt, a companion: the guest has the host's addresses, needs no rights, faster than `user`.
    Passt,
    /// A bridge of the host, which may be made for the run, through a tap device made for the run.
    Bridge,
    /// A tap device by name.
    Tap,
    /// A device that shares an interface of the host; the host itself cannot reach the guest by it.
    Macvtap,
    /// A switch in another process, like Open vSwitch with DPDK.
    VhostUser,
    /// There is no interface; the other keys are kept for later.
    None,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "user",
            Self::Passt => "passt",
            Self::Bridge => "bridge",
            Self::Tap => "tap",
            Self::Macvtap => "macvtap",
            Self::VhostUser => "vhost-user",
            Self::None => "none",
        })
    }
}

/// The back end of an interface, with all that it needs; `None` without one, or when what it is tied to is not named.
pub(super) fn tie(turn: &Turn<'_>, draft: &mut Draft) -> Option<Tied> {
    match turn.net.mode {
        Mode::User => Some(user::tie(turn, draft)),
        Mode::Passt => Some(passt::tie(turn, draft)),
        Mode::Bridge => bridge::tie(turn, draft),
        Mode::Tap => tap::tie_by_name(turn, draft),
        Mode::Macvtap => macvtap::tie(turn, draft),
        Mode::VhostUser => vhost_user(turn, draft),
        Mode::None => None,
    }
}

fn vhost_user(turn: &Turn<'_>, draft: &mut Draft) -> Option<Tied> {
    let Some(path) = &turn.net.path else {
        let problem = Problem::new(Class::Invalid, &turn.key, "mode = \"vhost-user\" names no socket");
        draft.refuse(problem.fix("path = \"/run/openvswitch/vhost-user-1\""));
        return None;
    };
    let path = turn.scene.setting.resolve(path);
    if *turn.scene.host.path(&path) == PathFact::Missing {
        // A hook or a service may bring it.
        let what = format!("there is no socket {}", path.display());
        draft.warn(
            Problem::new(Class::Missing, turn.at("path"), what)
                .why("QEMU does not start unless the switch listens there by then"),
        );
    }
    let chardev_id = format!("{}-switch", turn.id);
    let origin = || Origin::given(turn.at("path"));
    let mut chardev = Props::default();
    chardev.head("socket", origin());
    chardev.set("id", &chardev_id, origin());
    chardev.set("path", path.to_string_lossy(), origin());
    draft.contents.argv.backend_props("-chardev", &chardev);
    let queues = turn.net.queues.map_or(1, |queues| queues.0);
    let netdev = json!({"type": "vhost-user", "id": turn.id, "chardev": chardev_id, "queues": queues});
    Some((netdev, Ties { queues, mtu: turn.net.mtu.map(|mtu| mtu.0) }))
}
