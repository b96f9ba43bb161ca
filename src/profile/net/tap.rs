//! `mode = "tap"`, and what all tap devices have in common: they are passed to QEMU as descriptors, one for each queue.

use super::value::LinkName;
use super::{Model, Tied, Ties, Turn};
use crate::host::{Access, Link, TapDevice};
use crate::plan::{Class, Descriptor, Draft, Problem, Tap, TapFrom};
use serde_json::{Value, json};

/// Most queues that are made without being asked for.
const QUEUES: u32 = 8;

/// MTU of an Ethernet that nobody changed, which a guest assumes.
const ETHERNET: u32 = 1500;

pub(super) fn tie_by_name(turn: &Turn<'_>, draft: &mut Draft) -> Option<Tied> {
    let Some(tap) = &turn.net.tap else {
        let problem = Problem::new(Class::Invalid, &turn.key, "mode = \"tap\" names no device");
        draft.refuse(problem.fix("tap = \"tap0\"   # one that is there, or a name for a new one"));
        return None;
    };
    judge_tun(turn, draft);
    let link = turn.scene.host.link(tap.as_str());
    let vhost = vhost(turn, draft);
    let given = turn.net.mtu.map(|mtu| mtu.0);
    let Some(link) = link else {
        judge_admin(turn, &format!("the new tap device {tap}"), &by_hand(turn, None), draft);
        let queues = queues(turn, vhost, draft);
        let from = TapFrom::New(tap.as_str().to_owned());
        let first = Descriptor::Tap(Tap { from, mtu: given, multi_queue: queues > 1 });
        return Some((netdev(turn, first, queues, vhost, draft), Ties { queues, mtu: given }));
    };
    let multi_queue = judge_existing(turn, link, draft).is_some_and(|tap| tap.multi_queue);
    let queues = turn.net.queues.map_or(1, |queues| queues.0);
    let from = TapFrom::Existing(tap.as_str().to_owned());
    let first = Descriptor::Tap(Tap { from, mtu: None, multi_queue });
    let mtu = given.or_else(|| usual_unless(Some(link)));
    Some((netdev(turn, first, queues, vhost, draft), Ties { queues, mtu }))
}

/// The back end of an opened device: `first` is its first queue, the others follow.
pub(super) fn netdev(turn: &Turn<'_>, first: Descriptor, queues: u16, vhost: bool, draft: &mut Draft) -> Value {
    let mut fds = vec![draft.pass(first).to_string()];
    fds.extend((1..queues).map(|_| draft.pass(Descriptor::Queue).to_string()));
    let (one, several) = if queues > 1 { ("fds", "vhostfds") } else { ("fd", "vhostfd") };
    let mut netdev = json!({"type": "tap", "id": turn.id, one: fds.join(":")});
    if vhost {
        let fds: Vec<_> = fds.iter().map(|_| draft.pass(Descriptor::VhostNet).to_string()).collect();
        netdev["vhost"] = json!(true);
        netdev[several] = json!(fds.join(":"));
    }
    netdev
}

/// Whether the kernel moves the packets; says so when it should and cannot.
pub(super) fn vhost(turn: &Turn<'_>, draft: &mut Draft) -> bool {
    if turn.net.model != Model::Virtio || turn.net.vhost == Some(false) {
        return false;
    }
    let (class, what, fix) = match turn.scene.host.net.vhost {
        Access::Granted => return true,
        Access::Absent => (Class::Missing, "there is no /dev/vhost-net", "modprobe vhost_net"),
        Access::Denied => {
            (Class::Denied, "/dev/vhost-net may not be opened", "sudo usermod -aG kvm $USER   # and log in again")
        }
    };
    let problem = Problem::new(class, turn.at("vhost"), what)
        .why("QEMU moves each packet itself, instead of the kernel")
        .fix(fix);
    if turn.net.vhost == Some(true) {
        draft.refuse(problem);
    } else {
        draft.warn(problem);
    }
    false
}

/// Pairs of queues: given, or one for each vCPU where the kernel serves them.
pub(super) fn queues(turn: &Turn<'_>, vhost: bool, draft: &mut Draft) -> u16 {
    match turn.net.queues {
        Some(queues) => queues.0,
        None if vhost => u16::try_from(draft.contents.vcpus.min(QUEUES)).unwrap_or(1),
        None => 1,
    }
}

/// What the guest must be told; it assumes the MTU of an Ethernet.
pub(super) fn usual_unless(link: Option<&Link>) -> Option<u16> {
    link.map(|link| link.mtu).filter(|&mtu| mtu != ETHERNET).and_then(|mtu| u16::try_from(mtu).ok())
}

/// The facts of an existing device; notes a problem when it cannot be used.
fn judge_existing(turn: &Turn<'_>, link: &Link, draft: &mut Draft) -> Option<TapDevice> {
    let (name, host) = (&link.name, turn.scene.host);
    let at = || turn.at("tap");
    let Some(tap) = link.tap else {
        let what = format!("{name} is an interface, and not a tap device");
        draft.refuse(Problem::new(Class::Impossible, at(), what).fix("mode = \"bridge\"   # or \"macvtap\""));
        return None;
    };
    if !host.net.admin && tap.owner != Some(host.euid) {
        draft.refuse(
            Problem::new(Class::Denied, at(), format!("the tap device {name} may not be opened"))
                .why(tap.owner.map_or("it belongs to nobody".to_owned(), |uid| format!("it belongs to user {uid}")))
                .fix(format!("sudo ip tuntap del {name} mode tap\nsudo ip tuntap add {name} mode tap user $USER")),
        );
    }
    if tap.busy {
        let what = format!("the tap device {name} is in use");
        draft.refuse(Problem::new(Class::Busy, at(), what).why("it has one queue, and somebody has it"));
    }
    if let Some(queues) = turn.net.queues.filter(|queues| queues.0 > 1 && !tap.multi_queue) {
        draft.refuse(
            Problem::new(Class::Impossible, turn.at("queues"), format!("{} queues of {name}, which has one", queues.0))
                .fix(format!("sudo ip tuntap del {name} mode tap\nsudo ip tuntap add {name} mode tap multi_queue")),
        );
    }
    if !link.up {
        let problem = Problem::new(Class::Impossible, at(), format!("the tap device {name} is down"));
        draft.warn(problem.why("no packet passes").fix(format!("ip link set {name} up")));
    }
    Some(tap)
}

/// Notes a problem when tap devices cannot be opened at all.
pub(super) fn judge_tun(turn: &Turn<'_>, draft: &mut Draft) {
    let (class, what, fix) = match turn.scene.host.net.tun {
        Access::Granted => return,
        Access::Absent => (Class::Missing, "there is no /dev/net/tun", "modprobe tun"),
        Access::Denied => (
            Class::Denied,
            "/dev/net/tun may not be opened",
            "echo 'KERNEL==\"tun\", MODE=\"0666\"' | sudo tee /etc/udev/rules.d/60-tun.rules\n\
             sudo udevadm control --reload && sudo udevadm trigger --name-match=net/tun",
        ),
    };
    let problem = Problem::new(class, turn.at("mode"), what).why("a tap device is made and opened through it");
    draft.refuse(problem.fix(fix));
}

/// Notes a problem unless `what` may be made; `instead` is what a user without rights can do.
pub(super) fn judge_admin(turn: &Turn<'_>, what: &str, instead: &str, draft: &mut Draft) {
    if turn.scene.host.net.admin {
        return;
    }
    draft.refuse(
        Problem::new(Class::Denied, turn.at("mode"), format!("{what} cannot be made"))
            .why("that takes the capability CAP_NET_ADMIN, which root has")
            .fix(format!("run vmrun as root, or {instead}")),
    );
}

/// What root can do once for a user who may not make a tap device.
pub(super) fn by_hand(turn: &Turn<'_>, bridge: Option<&LinkName>) -> String {
    let tap = turn.net.tap.as_ref().map_or("vmtap0", LinkName::as_str);
    let master = bridge.map(|bridge| format!("sudo ip link set {tap} master {bridge}\n")).unwrap_or_default();
    format!(
        "make the device once:\nsudo ip tuntap add {tap} mode tap user $USER\n{master}sudo ip link set {tap} up\n\
         and write mode = \"tap\" and tap = \"{tap}\""
    )
}
