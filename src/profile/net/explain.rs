//! Where those parts of an interface come from that the profile does not give.

use super::Turn;
use crate::plan::Origin;
use serde_json::Value;

/// Origins of what was derived for the interface with the back end `netdev`, each with the id of the device or back end that
/// it belongs to.
pub(super) fn of(turn: &Turn<'_>, netdev: &Value, device: &Value) -> Vec<(String, Origin)> {
    let net = turn.net;
    let derived = |name: &str, why: &'static str| Origin::derived(turn.at(name), why);
    let vhost = (netdev["vhost"] == true && net.vhost.is_none())
        .then(|| derived("vhost", "this host's kernel moves the packets, which is faster").read_in("/dev/vhost-net"));
    let mac = net.mac.is_none().then(|| derived("mac", if turn.kept { KEPT } else { NEW }));
    let queues = (device["mq"] == true && net.queues.is_none())
        .then(|| derived("queues", "one pair for each vCPU, at most 8, where the kernel moves the packets"));
    let mtu = turn.link().filter(|_| device["host_mtu"].is_number() && net.mtu.is_none()).map(|link| {
        let why = "that of what it is tied to; without a word the guest takes 1500";
        derived("mtu", why).read_in(format!("/sys/class/net/{link}/mtu"))
    });
    let of_device = [mac, queues, mtu].into_iter().flatten().map(|origin| (id(device), origin));
    vhost.map(|origin| (id(netdev), origin)).into_iter().chain(of_device).collect()
}

const KEPT: &str = "kept from the last start, so that the guest knows the interface again";
const NEW: &str = "made of the guest's name; kept from now on";

fn id(of: &Value) -> String {
    of["id"].as_str().unwrap_or_default().to_owned()
}
