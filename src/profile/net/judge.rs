//! Keys that do not go together, and what two interfaces cannot share.

use super::{Mode, Model, Turn};
use crate::plan::{Class, Draft, Problem};

/// Notes a problem for each key that this mode or model does not have.
pub(super) fn keys(turn: &Turn<'_>, draft: &mut Draft) {
    let net = turn.net;
    let devices = [Mode::Bridge, Mode::Tap, Mode::Macvtap];
    let queued = [Mode::Bridge, Mode::Tap, Mode::Macvtap, Mode::VhostUser];
    let of_modes: [(&str, bool, &[Mode]); 17] = [
        ("bridge", net.bridge.is_some(), &[Mode::Bridge]),
        ("create_bridge", net.create_bridge, &[Mode::Bridge]),
        ("bridge_address", net.bridge_address.is_some(), &[Mode::Bridge]),
        ("tap", net.tap.is_some(), &[Mode::Tap]),
        ("parent", net.parent.is_some(), &[Mode::Macvtap]),
        ("macvtap_mode", net.macvtap_mode.is_some(), &[Mode::Macvtap]),
        ("path", net.path.is_some(), &[Mode::VhostUser]),
        ("queues", net.queues.is_some_and(|queues| queues.0 > 1), &queued),
        ("vhost", net.vhost == Some(true), &devices),
        ("hostfwd", !net.hostfwd.is_empty(), &[Mode::User, Mode::Passt]),
        ("dns", net.dns.is_some(), &[Mode::User, Mode::Passt]),
        ("net", net.net.is_some(), &[Mode::User]),
        ("hostname", net.hostname.is_some(), &[Mode::User]),
        ("tftp", net.tftp.is_some(), &[Mode::User]),
        ("bootfile", net.bootfile.is_some(), &[Mode::User]),
        ("restrict", net.restrict.is_some(), &[Mode::User]),
        ("model", net.model != Model::Virtio && net.mode == Mode::VhostUser, &[]),
    ];
    for (name, given, modes) in of_modes {
        if given && !modes.contains(&net.mode) {
            draft.refuse(other_mode(turn, name, modes));
        }
    }
    let of_virtio = [
        ("queues", net.queues.is_some_and(|queues| queues.0 > 1)),
        ("vhost", net.vhost == Some(true)),
        ("rss", net.rss),
        ("offloads", net.offloads.is_some()),
    ];
    for (name, _) in of_virtio.iter().filter(|(_, given)| *given && net.model != Model::Virtio) {
        let what = format!("only a virtio interface has {name}");
        draft.refuse(Problem::new(Class::Invalid, turn.at(name), what).fix("model = \"virtio\""));
    }
    judge_sense(turn, draft);
}

fn other_mode(turn: &Turn<'_>, name: &str, modes: &[Mode]) -> Problem {
    if name == "model" {
        let problem = Problem::new(Class::Invalid, turn.at(name), "vhost-user carries virtio interfaces only");
        return problem.fix("model = \"virtio\"");
    }
    let these: Vec<_> = modes.iter().map(|mode| format!("\"{mode}\"")).collect();
    let what = format!("mode = \"{}\" has no {name}; it belongs to {}", turn.net.mode, these.join(", "));
    let problem = Problem::new(Class::Invalid, turn.at(name), what);
    if name == "hostfwd" {
        return problem.why("there the guest has an address of its own");
    }
    problem.fix(format!("mode = {}", these.first().map_or("", String::as_str)))
}

fn judge_sense(turn: &Turn<'_>, draft: &mut Draft) {
    if turn.net.bridge_address.is_some() && turn.net.mode == Mode::Bridge && !turn.net.create_bridge {
        let what = "bridge_address without create_bridge";
        let problem = Problem::new(Class::Invalid, turn.at("bridge_address"), what);
        draft.refuse(
            problem.why("a bridge that somebody else made keeps its own addresses").fix("create_bridge = true"),
        );
    }
    let (net, vcpus) = (turn.net, draft.contents.vcpus);
    if let Some(queues) = net.queues.filter(|queues| u32::from(queues.0) > vcpus) {
        let what = format!("{} queues for {vcpus} vCPUs", queues.0);
        let problem = Problem::new(Class::Invalid, turn.at("queues"), what);
        draft.warn(problem.why("a guest uses one for each vCPU").fix(format!("queues = {vcpus}")));
    }
    if net.mtu.is_some() && net.model != Model::Virtio {
        let problem = Problem::new(Class::Invalid, turn.at("mtu"), "the guest does not learn of this MTU");
        draft.warn(problem.why("only a virtio interface tells it").fix("set it in the guest too"));
    }
    if net.rom == Some(false) && net.boot_index.is_some() {
        let problem = Problem::new(Class::Invalid, turn.at("rom"), "boot_index without a boot ROM");
        draft.refuse(problem.why("firmware boots from it by its ROM").fix("leave out rom, or boot_index"));
    }
}

/// Notes a problem for each hardware address, port, device and number that two interfaces want.
pub(super) fn duplicates(turns: &[Turn<'_>], draft: &mut Draft) {
    for (i, turn) in turns.iter().enumerate() {
        let earlier = &turns[..i];
        if let Some(first) = earlier.iter().find(|earlier| earlier.mac == turn.mac) {
            let what = format!("{} and {} have one hardware address", first.key, turn.key);
            draft.refuse(Problem::new(Class::Invalid, turn.at("mac"), what).fix("leave mac out of one"));
        }
        let tap = |turn: &Turn<'_>| turn.net.tap.clone().filter(|_| turn.net.mode == Mode::Tap);
        if let (Some(name), Some(first)) = (tap(turn), earlier.iter().find(|first| tap(first) == tap(turn))) {
            let what = format!("{} and {} have the tap device {name}", first.key, turn.key);
            draft.refuse(Problem::new(Class::Invalid, turn.at("tap"), what));
        }
        let acpi_index = |turn: &Turn<'_>| turn.net.acpi_index;
        if let (Some(index), Some(first)) =
            (acpi_index(turn), earlier.iter().find(|first| acpi_index(first) == acpi_index(turn)))
        {
            let what = format!("ACPI index {} is taken by {}", index.0, first.key);
            draft.refuse(Problem::new(Class::Invalid, turn.at("acpi_index"), what));
        }
    }
    duplicate_ports(turns, draft);
}

fn duplicate_ports(turns: &[Turn<'_>], draft: &mut Draft) {
    let all: Vec<_> = turns
        .iter()
        .flat_map(|turn| {
            let forwards = turn.net.hostfwd.iter().enumerate();
            forwards.map(|(i, forward)| (turn.at(&format!("hostfwd[{i}]")), forward))
        })
        .collect();
    for (i, (at, forward)) in all.iter().enumerate() {
        let Some((first, _)) = all[..i].iter().find(|(_, earlier)| earlier.clashes(forward)) else { continue };
        let what = format!("{} port {} of the host is taken by {first}", forward.protocol, forward.host_port);
        draft.refuse(Problem::new(Class::Invalid, at, what));
    }
}
