//! `mode = "passt"`: the network that the companion passt makes, `passt(1)`.

use super::{Tied, Ties, Turn};
use crate::host::PathFact;
use crate::plan::{Class, Command, Draft, Problem, Ready, Restart, Service, Start, What};
use crate::profile::program;
use crate::profile::setting::Setting;
use crate::unit::{Period, Version};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// First QEMU that takes packets from a stream; QEMU: `qapi/net.json`.
const STREAM: Version = Version::new(7, 2);

/// First QEMU that connects again when passt was started again, and the one that counts milliseconds, not seconds.
const RECONNECT: Version = Version::new(8, 0);
const RECONNECT_MS: Version = Version::new(9, 2);

pub(super) fn candidates(setting: &Setting) -> Vec<PathBuf> {
    program::candidates("passt", setting)
}

pub(super) fn tie(turn: &Turn<'_>, draft: &mut Draft) -> Tied {
    let Turn { net, id, scene, .. } = turn;
    if let Some(version) = scene.version.filter(|version| *version < STREAM) {
        draft.refuse(
            Problem::new(Class::Missing, turn.at("mode"), format!("QEMU {version} cannot talk to passt"))
                .why(format!("QEMU {STREAM} is the first that can"))
                .fix("mode = \"user\""),
        );
    }
    for (i, forward) in net.hostfwd.iter().enumerate().filter(|(_, forward)| forward.guest.is_some()) {
        let at = turn.at(&format!("hostfwd[{i}]"));
        let what = "passt forwards ports to its one guest, not to an address";
        let fix = format!("\"{}::{}:{}\"", forward.protocol, forward.host_port, forward.guest_port);
        draft.refuse(Problem::new(Class::Invalid, at, what).fix(fix));
    }
    let socket = scene.sockets().join(format!("{id}.sock"));
    let service = service(turn, &socket, draft);
    draft.contents.services.push(service);
    (netdev(turn, &socket), Ties { queues: 1, mtu: net.mtu.map(|mtu| mtu.0) })
}

fn netdev(turn: &Turn<'_>, socket: &Path) -> Value {
    let addr = json!({"type": "unix", "path": socket});
    let mut netdev = json!({"type": "stream", "id": turn.id, "server": false, "addr": addr});
    if turn.scene.qemu_is(RECONNECT_MS) {
        netdev["reconnect-ms"] = json!(1000);
    } else if turn.scene.qemu_is(RECONNECT) {
        netdev["reconnect"] = json!(1);
    }
    netdev
}

fn service(turn: &Turn<'_>, socket: &Path, draft: &mut Draft) -> Service {
    let run = Command { argv: argv(turn, socket, draft), user: turn.scene.login(), ..Command::default() };
    let what = What::Command {
        run,
        restart: Restart::Always,
        delay: Period::from_secs(1),
        burst: 5,
        ready: Ready::File(socket.to_owned()),
        stop_timeout: Period::from_secs(5),
    };
    let name = format!("passt-{}", turn.id);
    Service { key: turn.at("mode"), name, what, start: Start::Before, required: true }
}

fn argv(turn: &Turn<'_>, socket: &Path, draft: &mut Draft) -> Vec<String> {
    let program = program(turn, draft).to_string_lossy().into_owned();
    let mut argv = vec![program, "--foreground".into(), "--quiet".into()];
    if turn.scene.is_root() {
        // It would become nobody, who cannot make a socket in the folder of the run. It gives up its capabilities, its
        // file system and most system calls all the same, passt(1), "Security".
        argv.extend(["--runas".into(), "0:0".into()]);
    }
    argv.extend(["--socket".into(), socket.to_string_lossy().into_owned()]);
    if let Some(mtu) = turn.net.mtu {
        argv.extend(["--mtu".into(), mtu.0.to_string()]);
    }
    if let Some(dns) = turn.net.dns {
        argv.extend(["--dns".into(), dns.to_string()]);
    }
    argv.extend(turn.net.hostfwd.iter().flat_map(super::Forward::passt));
    argv
}

/// The absolute path of the program; notes a problem when there is none.
fn program(turn: &Turn<'_>, draft: &mut Draft) -> PathBuf {
    let runs = |path: &PathBuf| matches!(turn.scene.host.path(path), PathFact::File { executable: true, .. });
    candidates(turn.scene.setting).into_iter().find(runs).unwrap_or_else(|| {
        draft.refuse(
            Problem::new(Class::Missing, turn.at("mode"), "there is no program passt")
                .fix("apt install passt   # or mode = \"user\""),
        );
        "passt".into()
    })
}
