//! Where a viewer connects, and with what password.

use super::Display;
use crate::plan::{Class, Draft, Origin, Problem};
use crate::profile::scene::{Scene, made_by_qemu};
use serde_json::json;
use std::path::PathBuf;

/// Where a viewer connects.
pub(super) enum Door {
    Socket(PathBuf),
    Port { addr: String, port: u16 },
}

/// What a port is opened on unless given: nobody but this machine.
const LOOPBACK: &str = "127.0.0.1";

/// The door of `display`; without one it is a socket `name` in the run's own folder.
pub(super) fn door(display: &Display, name: &str, scene: &Scene, draft: &mut Draft) -> Door {
    if display.path.is_some() && display.port.is_some() {
        let problem = Problem::new(Class::Invalid, "display.port", "path and port both say where a viewer connects");
        draft.refuse(problem.fix("leave out one of them"));
    }
    if display.addr.is_some() && display.port.is_none() {
        let problem = Problem::new(Class::Invalid, "display.addr", "an address without a port");
        draft.refuse(problem.fix("port = 5900"));
    }
    let Some(port) = display.port else {
        let path = display.path.as_deref().map(|path| scene.setting.resolve(path));
        let path = path.unwrap_or_else(|| scene.sockets().join(name));
        made_by_qemu("display.path", &path, scene, draft);
        return Door::Socket(path);
    };
    let addr = display.addr.clone().unwrap_or_else(|| LOOPBACK.into());
    if !["127.", "localhost", "::1"].iter().any(|own| addr.starts_with(own)) && display.password_file.is_none() {
        draft.warn(
            Problem::new(
                Class::Denied,
                "display.addr",
                format!("whoever reaches {addr}:{port} sees and steers the guest"),
            )
            .fix("password_file = \"viewer.password\"   # or addr = \"127.0.0.1\", and ssh -L to it"),
        );
    }
    Door::Port { addr, port: port.get() }
}

/// Id of the secret with the viewer's password; `None` when none is asked.
pub(super) fn secret(display: &Display, scene: &Scene, draft: &mut Draft) -> Option<&'static str> {
    const ID: &str = "display-password";
    let key = "display.password_file";
    let path = scene.read_file(display.password_file.as_deref()?, key, Class::Impossible, draft);
    // From a file, because everybody on the host can read the arguments of a process.
    draft.contents.argv.object(&json!({"qom-type": "secret", "id": ID, "file": path}), Origin::given(key));
    Some(ID)
}
