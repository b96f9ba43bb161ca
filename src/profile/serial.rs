//! `[[serial]]`: serial ports of the guest.

use super::made_anew::Kind;
use super::scene::{Scene, made_by_qemu};
use crate::plan::{Access, Class, Descriptor, Draft, Lot, Origin, Problem, Props};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use std::path::{Path, PathBuf};

/// A serial port; the first is COM1, `ttyS0`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Serial {
    /// Where goes what the guest writes.
    to: To,
    /// The file, for `to = "file"`, made anew at each start; or the socket, for `to = "socket"`.
    path: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum To {
    /// Into a file.
    File,
    /// To whoever connects to a socket, like `socat - UNIX:serial.sock`.
    Socket,
    /// To vmrun, which shows it; `vmrun console` answers.
    Capture,
    /// To `vmrun console`, whenever somebody calls it.
    Console,
    /// There is no port.
    None,
}

/// Ports that a PC has.
const MOST: usize = 4;

impl Serial {
    /// A port that vmrun reads.
    pub(super) fn capture() -> Self {
        Self { to: To::Capture, path: None }
    }

    /// What QEMU makes anew for it.
    pub(super) fn made_anew(&self) -> Option<(&Path, Kind)> {
        let kind = match self.to {
            To::File => Kind::File,
            To::Socket => Kind::Socket,
            To::Capture | To::Console | To::None => return None,
        };
        self.path.as_deref().map(|path| (path, kind))
    }
}

pub(super) fn draft(ports: &[Serial], scene: &Scene, draft: &mut Draft) {
    for (i, port) in ports.iter().enumerate() {
        draft_port(i, port, scene, draft);
    }
    let held = |port: &&Serial| matches!(port.to, To::Capture | To::Console);
    if let [_, (second, port), ..] = ports.iter().enumerate().filter(|(_, port)| held(port)).collect::<Vec<_>>()[..] {
        let key = format!("serial[{second}].to");
        let what = format!("vmrun holds one serial port, and this would be the second ({:?})", port.to).to_lowercase();
        draft.refuse(Problem::new(Class::Invalid, key, what).fix("to = \"socket\" with a path"));
    }
    if ports.iter().filter(|port| port.to != To::None).count() > MOST {
        draft.refuse(Problem::new(Class::Invalid, format!("serial[{MOST}]"), format!("a PC has {MOST} serial ports")));
    }
}

fn draft_port(i: usize, Serial { to, path }: &Serial, scene: &Scene, draft: &mut Draft) {
    let key = format!("serial[{i}]");
    let origin = || Origin::given(format!("{key}.to"));
    let id = format!("serial{i}");
    let mut chardev = Props::default();
    match (to, path) {
        (To::None, None) => return,
        (To::Capture | To::Console, None) => {
            let descriptor = if *to == To::Capture { Descriptor::Serial } else { Descriptor::Console };
            chardev.head("socket", origin());
            chardev.set("id", &id, origin());
            chardev.set("fd", draft.pass(descriptor).to_string(), origin());
            chardev.switch("server", true, origin());
            chardev.switch("wait", false, origin());
        }
        (To::File, Some(path)) => {
            draft.opens(format!("{key}.path"), scene.setting.resolve(path), Access::Write, Lot::File);
            chardev.head("file", origin());
            chardev.set("id", &id, origin());
            chardev.set("path", scene.setting.resolve(path).to_string_lossy(), Origin::given(format!("{key}.path")));
        }
        (To::Socket, Some(path)) => {
            made_by_qemu(&format!("{key}.path"), &scene.setting.resolve(path), scene, draft);
            chardev.head("socket", origin());
            chardev.set("id", &id, origin());
            chardev.set("path", scene.setting.resolve(path).to_string_lossy(), Origin::given(format!("{key}.path")));
            chardev.switch("server", true, origin());
            chardev.switch("wait", false, origin());
        }
        (To::Socket, None) => {
            let problem = Problem::new(Class::Invalid, &key, "to = \"socket\" names no socket");
            return draft.refuse(problem.fix("path = \"serial.sock\""));
        }
        (To::File, None) => {
            let problem = Problem::new(Class::Invalid, &key, "to = \"file\" names no file");
            return draft.refuse(problem.fix("path = \"serial.log\""));
        }
        (To::None | To::Capture | To::Console, Some(_)) => {
            let problem = Problem::new(
                Class::Invalid,
                format!("{key}.path"),
                "only to = \"file\" and to = \"socket\" take a path",
            );
            return draft.refuse(problem.fix("to = \"file\""));
        }
    }
    draft.contents.argv.backend_props("-chardev", &chardev);
    draft.contents.argv.device(&json!({"driver": "isa-serial", "chardev": id}), origin());
}
