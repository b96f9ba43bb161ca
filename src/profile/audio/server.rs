//! The *user's* sound server, also when vmrun runs as root: root has none, and its sound would go nowhere.

use super::Audio;
use super::backend::Driver;
use crate::host::PathFact;
use crate::plan::{Class, Draft, Problem};
use crate::profile::scene::Scene;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Path in a server address of `PulseAudio` of the form `unix:/path` or `/path`.
pub(super) fn path(server: &str) -> Option<&Path> {
    let path = server.strip_prefix("unix:").unwrap_or(server);
    path.starts_with('/').then(|| Path::new(path))
}

/// Names the server in `backend`, or in the environment.
///
/// # Errors
/// The reason why there is no server that could be named.
pub(super) fn name(audio: &Audio, backend: &mut Value, scene: &Scene, draft: &mut Draft) -> Result<(), Problem> {
    match (audio.driver, &audio.server) {
        (Driver::Pa, Some(server)) => {
            backend["server"] = json!(server);
            judge_given(server, scene)
        }
        (Driver::Pa, None) => match invoker(scene) {
            Some(uid) => {
                let socket = PathBuf::from(format!("/run/user/{uid}/pulse/native"));
                backend["server"] = json!(format!("unix:{}", socket.display()));
                draft_cookie(scene, draft);
                judge_alive(&socket, scene)
            }
            None if scene.host.euid == 0 => {
                draft.warn(nobodys_server());
                Ok(())
            }
            None => judge_alive(&PathBuf::from(format!("/run/user/{}/pulse/native", scene.host.euid)), scene),
        },
        (Driver::Pipewire, None) => {
            let folder = invoker(scene).map(|uid| format!("/run/user/{uid}"));
            let Some(folder) = folder else { return Ok(()) };
            let socket = Path::new(&folder).join("pipewire-0");
            draft.contents.env.insert("PIPEWIRE_RUNTIME_DIR".into(), folder);
            judge_alive(&socket, scene)
        }
        (Driver::Alsa | Driver::Jack | Driver::Spice | Driver::Sdl | Driver::None, None) => Ok(()),
        (_, Some(_)) => {
            let problem = Problem::new(Class::Invalid, "audio.server", "only driver = \"pa\" takes a server");
            draft.refuse(problem.fix("driver = \"pa\""));
            Ok(())
        }
    }
}

/// The user whose sound server is meant, when QEMU is another's or root's for somebody.
fn invoker(scene: &Scene) -> Option<u32> {
    scene.user.map(|user| user.uid).or(scene.host.invoker.filter(|_| scene.host.euid == 0))
}

/// Where the user's `PulseAudio` has the secret by which it lets root in; pulse-client.conf(5). `PipeWire` asks for none.
fn draft_cookie(scene: &Scene, draft: &mut Draft) {
    if let Some(home) = scene.setting.home.as_ref().filter(|_| scene.is_root()) {
        let cookie = home.join(".config/pulse/cookie").display().to_string();
        draft.contents.env.entry("PULSE_COOKIE".into()).or_insert(cookie);
    }
}

fn judge_given(server: &str, scene: &Scene) -> Result<(), Problem> {
    let Some(path) = path(server) else { return Ok(()) };
    match scene.host.path(path) {
        PathFact::Missing => Err(silent(path).fix("start it, or leave server out for that of who calls sudo")),
        _ => Ok(()),
    }
}

/// QEMU 7.2 does not start without its sound server.
fn judge_alive(socket: &Path, scene: &Scene) -> Result<(), Problem> {
    if scene.host.sound.iter().any(|alive| alive == socket) {
        return Ok(());
    }
    Err(silent(socket).fix("log in to the desktop first   # or required = false, to do without sound"))
}

fn silent(socket: &Path) -> Problem {
    Problem::new(Class::Impossible, "audio.driver", format!("no sound server answers at {}", socket.display()))
        .why("QEMU ends at once when its sound server is not there")
}

fn nobodys_server() -> Problem {
    Problem::new(Class::Impossible, "audio.driver", "root has no sound server")
        .why("vmrun was started by root itself, so it does not know whose server is meant")
        .fix("server = \"unix:/run/user/1000/pulse/native\"   # or start it by sudo")
}
