//! `mode = "user"`: the network that QEMU makes up.

use super::value::Subnet;
use super::{Tied, Ties, Turn};
use crate::host::PathFact;
use crate::plan::{Class, Draft, Problem};
use serde_json::{Value, json};

pub(super) fn tie(turn: &Turn<'_>, draft: &mut Draft) -> Tied {
    judge_dns(turn, draft);
    (netdev(turn, draft), Ties { queues: 1, mtu: turn.net.mtu.map(|mtu| mtu.0) })
}

fn netdev(turn: &Turn<'_>, draft: &mut Draft) -> Value {
    let net = turn.net;
    let mut netdev = json!({"type": "user", "id": turn.id});
    if let Some(subnet) = net.net {
        netdev["net"] = json!(subnet.to_string());
    }
    if let Some(dns) = net.dns {
        netdev["dns"] = json!(dns.to_string());
    }
    if let Some(hostname) = &net.hostname {
        netdev["hostname"] = json!(hostname);
    }
    if net.tftp.is_some() {
        netdev["tftp"] = json!(tftp(turn, draft));
    }
    if let Some(bootfile) = &net.bootfile {
        netdev["bootfile"] = json!(bootfile);
    }
    if net.restrict == Some(true) {
        netdev["restrict"] = json!(true);
    }
    if !net.hostfwd.is_empty() {
        netdev["hostfwd"] = net.hostfwd.iter().map(|forward| json!({"str": forward.qemu()})).collect();
    }
    netdev
}

fn judge_dns(turn: &Turn<'_>, draft: &mut Draft) {
    let subnet = turn.net.net.unwrap_or(Subnet::USUAL);
    let what = match turn.net.dns {
        Some(dns) if !subnet.holds(dns) => format!("the name server {dns} is not in the guest's net {subnet}"),
        Some(dns) if dns == subnet.host() => format!("the name server {dns} has the address of the host in {subnet}"),
        Some(dns) if dns == subnet.guest() => format!("the name server {dns} has the address of the guest in {subnet}"),
        Some(_) | None => return,
    };
    draft.refuse(
        Problem::new(Class::Invalid, turn.at("dns"), what)
            .why("it is an address at which QEMU answers for the host's own name server")
            .fix("leave dns out; the guest is told the third address of its net"),
    );
}

/// The absolute path of the folder; notes a problem when it is none.
fn tftp(turn: &Turn<'_>, draft: &mut Draft) -> Option<String> {
    let path = turn.scene.setting.resolve(turn.net.tftp.as_ref()?);
    let shown = path.to_string_lossy().into_owned();
    let what = match turn.scene.host.path(&path) {
        PathFact::Folder { .. } => return Some(shown),
        PathFact::Missing => format!("there is no folder {shown}"),
        PathFact::Unreadable(why) => format!("{shown} cannot be looked at: {why}"),
        PathFact::File { .. } | PathFact::Block | PathFact::Other => format!("{shown} is not a folder"),
    };
    draft.refuse(Problem::new(Class::Impossible, turn.at("tftp"), what));
    Some(shown)
}
