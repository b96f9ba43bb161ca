//! `mode = "bridge"`: a port on a bridge of the host, which is there, or made for the run.

use super::tap::{by_hand, judge_admin, judge_tun, netdev, queues, usual_unless, vhost};
use super::value::LinkName;
use super::{Tied, Ties, Turn};
use crate::plan::{Change, Class, Descriptor, Draft, Presence, Problem, Tap, TapFrom};

pub(super) fn tie(turn: &Turn<'_>, draft: &mut Draft) -> Option<Tied> {
    let Some(bridge) = &turn.net.bridge else {
        let problem = Problem::new(Class::Invalid, &turn.key, "mode = \"bridge\" names no bridge");
        draft.refuse(problem.fix("bridge = \"br0\""));
        return None;
    };
    let made = is_made(turn, bridge);
    if made {
        make(turn, bridge, draft);
    } else {
        judge_bridge(turn, bridge, draft);
        judge_tun(turn, draft);
        judge_admin(turn, "a tap device on a bridge", &by_hand(turn, Some(bridge)), draft);
    }
    let vhost = vhost(turn, draft);
    let queues = queues(turn, vhost, draft);
    let mtu = turn.net.mtu.map(|mtu| mtu.0);
    let from = TapFrom::Bridge(bridge.as_str().to_owned());
    let first = Descriptor::Tap(Tap { from, mtu, multi_queue: queues > 1 });
    let mtu = mtu.or_else(|| usual_unless(turn.scene.host.link(bridge.as_str())));
    Some((netdev(turn, first, queues, vhost, draft), Ties { queues, mtu }))
}

/// Whether the bridge is made for the run: it is not there, or another guest has it from vmrun. What somebody else made is
/// used as it is, and stays.
fn is_made(turn: &Turn<'_>, bridge: &LinkName) -> bool {
    let link = turn.scene.host.link(bridge.as_str());
    let there = turn.scene.host.bridges.iter().any(|known| known == bridge.as_str());
    turn.net.create_bridge && link.map_or(!there, |link| link.made)
}

fn make(turn: &Turn<'_>, bridge: &LinkName, draft: &mut Draft) {
    judge_tun(turn, draft);
    let by_hand = format!("sudo ip link add {bridge} up type bridge, and {}", by_hand(turn, Some(bridge)));
    judge_admin(turn, &format!("the bridge {bridge}"), &by_hand, draft);
    let same = |change: &Change| matches!(change, Change::Bridge { name, .. } if name == bridge.as_str());
    // Several interfaces may be on it.
    if let Some(first) = draft.contents.changes.iter_mut().find(|change| same(change)) {
        if let Change::Bridge { address, mtu, .. } = first {
            *address = address.or(turn.net.bridge_address);
            *mtu = (*mtu).max(turn.net.mtu.map(|mtu| mtu.0));
        }
        return;
    }
    draft.contents.changes.push(Change::Bridge {
        name: bridge.as_str().to_owned(),
        address: turn.net.bridge_address,
        mtu: turn.net.mtu.map(|mtu| mtu.0),
        from: Presence::Absent,
        to: Presence::Present,
    });
}

fn judge_bridge(turn: &Turn<'_>, bridge: &LinkName, draft: &mut Draft) {
    let host = turn.scene.host;
    if !host.bridges.iter().any(|known| known == bridge.as_str()) {
        let why = match &host.bridges[..] {
            _ if host.link(bridge.as_str()).is_some() => format!("{bridge} is an interface of another kind"),
            [] => "this host has no bridge".to_owned(),
            known => format!("this host has {}", known.join(", ")),
        };
        return draft.refuse(
            Problem::new(Class::Impossible, turn.at("bridge"), format!("there is no bridge {bridge}")).why(why).fix(
                format!(
                    "ip link add {bridge} type bridge && ip link set {bridge} up\n\
                     ip link set YOUR_INTERFACE master {bridge}\n\
                     or create_bridge = true, for one between host and guests"
                ),
            ),
        );
    }
    if let Some(address) = turn.net.bridge_address.filter(|_| turn.net.create_bridge) {
        let what = format!("the bridge {bridge} is there already, so {address} is not given to it");
        let problem = Problem::new(Class::Invalid, turn.at("bridge_address"), what);
        draft.warn(problem.why("vmrun did not make it").fix(format!("ip address add {address} dev {bridge}")));
    }
    let Some(link) = host.link(bridge.as_str()) else { return };
    if !link.up {
        let problem = Problem::new(Class::Impossible, turn.at("bridge"), format!("the bridge {bridge} is down"));
        draft.warn(problem.why("no packet passes").fix(format!("ip link set {bridge} up")));
    }
    if let Some(mtu) = turn.net.mtu.filter(|mtu| u32::from(mtu.0) > link.mtu) {
        let what = format!("an MTU of {} on the bridge {bridge} with {}", mtu.0, link.mtu);
        draft.warn(
            Problem::new(Class::Impossible, turn.at("mtu"), what)
                .why("the bridge drops what is larger than its own")
                .fix(format!("ip link set {bridge} mtu {}", mtu.0)),
        );
    }
}
