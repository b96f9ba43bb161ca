//! `mode = "macvtap"`: a device that shares an interface of the host.

use super::value::LinkName;
use super::{Tied, Ties, Turn, tap};
use crate::host::Link;
use crate::plan::{Change, Class, Descriptor, Draft, Presence, Problem};
use schemars::JsonSchema;
use serde::Deserialize;
use uuid::Uuid;

/// Who hears whom among those that share an interface; Linux: `include/uapi/linux/if_link.h`, `macvlan_mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum MacvtapMode {
    /// Guests on the interface hear each other.
    #[default]
    Bridge,
    /// They hear each other only through a switch outside that sends back.
    Vepa,
    /// They do not hear each other.
    Private,
    /// The interface has this guest alone.
    Passthru,
}

impl MacvtapMode {
    fn as_str(self) -> &'static str {
        match self {
            Self::Bridge => "bridge",
            Self::Vepa => "vepa",
            Self::Private => "private",
            Self::Passthru => "passthru",
        }
    }
}

pub(super) fn tie(turn: &Turn<'_>, draft: &mut Draft) -> Option<Tied> {
    let Some(parent) = &turn.net.parent else {
        let problem = Problem::new(Class::Invalid, &turn.key, "mode = \"macvtap\" names no interface");
        draft.refuse(problem.fix("parent = \"enp5s0\""));
        return None;
    };
    judge(turn, parent, draft);
    tap::judge_admin(turn, "a macvtap device", "write mode = \"user\"", draft);
    let given = turn.net.mtu.map(|mtu| mtu.0);
    let name = device_name(turn);
    draft.contents.changes.push(Change::Macvtap {
        name: name.clone(),
        parent: parent.as_str().to_owned(),
        mac: turn.mac,
        mode: turn.net.macvtap_mode.unwrap_or_default().as_str().to_owned(),
        mtu: given,
        from: Presence::Absent,
        to: Presence::Present,
    });
    let vhost = tap::vhost(turn, draft);
    let queues = tap::queues(turn, vhost, draft);
    let first = Descriptor::Macvtap { name, multi_queue: queues > 1 };
    let mtu = given.or_else(|| tap::usual_unless(turn.scene.host.link(parent.as_str())));
    Some((tap::netdev(turn, first, queues, vhost, draft), Ties { queues, mtu }))
}

/// A name that no other guest's device has, of 14 bytes: an interface's has at most 15.
fn device_name(turn: &Turn<'_>) -> String {
    let hash = Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{}/{}", turn.scene.name, turn.id).as_bytes());
    let [a, b, c, d, ..] = *hash.as_bytes();
    format!("vmrun-{a:02x}{b:02x}{c:02x}{d:02x}")
}

fn judge(turn: &Turn<'_>, parent: &LinkName, draft: &mut Draft) {
    let host = turn.scene.host;
    let at = || turn.at("parent");
    let Some(link) = host.link(parent.as_str()) else {
        // Older dumps do not tell.
        if host.links.is_empty() {
            return;
        }
        let known: Vec<_> = host.links.iter().map(|link| link.name.as_str()).filter(|name| *name != "lo").collect();
        return draft.refuse(
            Problem::new(Class::Impossible, at(), format!("there is no interface {parent}"))
                .why(format!("this host has {}", known.join(", "))),
        );
    };
    judge_link(turn, link, draft);
}

fn judge_link(turn: &Turn<'_>, link: &Link, draft: &mut Draft) {
    let (name, at) = (&link.name, turn.at("parent"));
    if link.wireless {
        return draft.refuse(
            Problem::new(Class::Impossible, at, format!("{name} is wireless"))
                .why("an access point takes packets from the one hardware address that it knows")
                .fix("mode = \"passt\"   # or \"user\""),
        );
    }
    if let Some(mtu) = turn.net.mtu.filter(|mtu| u32::from(mtu.0) > link.mtu) {
        let what = format!("an MTU of {} on {name} with {}", mtu.0, link.mtu);
        let problem = Problem::new(Class::Impossible, turn.at("mtu"), what);
        return draft.refuse(problem.fix(format!("ip link set {name} mtu {}", mtu.0)));
    }
    if link.up {
        let problem = Problem::new(Class::Impossible, at, format!("this host cannot reach the guest by {name}"));
        draft.warn(
            problem
                .why("packets of a macvtap device go out by the interface and never up to its own host")
                .fix("a second [[net]] with mode = \"user\", or mode = \"bridge\""),
        );
    } else {
        let problem = Problem::new(Class::Impossible, at, format!("{name} is down"));
        draft.refuse(problem.why("a macvtap device is up only on one that is").fix(format!("ip link set {name} up")));
    }
}
