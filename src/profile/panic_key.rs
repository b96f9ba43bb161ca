//! `[on.panic_key]`: a chord of keys that stops the guest.

use super::run_as::login;
use super::scene::Scene;
use super::setting::Setting;
use crate::host::{Barred, PathFact};
use crate::plan::{Class, Draft, PanicKey as Planned, Problem};
use crate::unit::Key;
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Keys on a keyboard of the host that stop the guest as Ctrl-C does: once presses its power button, a third time forces it
/// off, and the card comes back. For a guest that has the screen and does not answer. The keyboard is read beside whatever
/// else reads it; while a guest has it for itself, by `[[usb]]` or by `[[input]]` that grabs it, it says nothing to vmrun.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PanicKey {
    /// Its node, best one of `/dev/input/by-id` that ends with `-event-kbd`.
    device: PathBuf,
    /// What is held down together, in the kernel's names: `["leftctrl", "leftalt", "pause"]`.
    #[schemars(length(min = 1))]
    keys: Vec<Key>,
}

const DEVICE: &str = "on.panic_key.device";

impl PanicKey {
    pub(super) fn path(&self, setting: &Setting) -> PathBuf {
        setting.resolve(&self.device)
    }
}

pub(super) fn draft(chord: Option<&PanicKey>, scene: &Scene, draft: &mut Draft) {
    let Some(chord) = chord else { return };
    // Nobody means every key by none.
    if chord.keys.is_empty() {
        let what = "no key is none that could be pressed";
        let fix = "keys = [\"leftctrl\", \"leftalt\", \"pause\"]";
        draft.refuse(Problem::new(Class::Invalid, "on.panic_key.keys", what).fix(fix));
    }
    let device = chord.path(scene.setting);
    if let Some(problem) = unreadable(&device, scene) {
        draft.refuse(problem);
    }
    draft.contents.panic_key = Some(Planned { device, keys: chord.keys.clone() });
}

/// What keeps vmrun, which reads it itself, from the keyboard.
fn unreadable(device: &Path, scene: &Scene) -> Option<Problem> {
    let shown = device.display();
    match scene.host.path(device) {
        PathFact::Other => barred(device, scene).map(|barred| not_granted(device, barred, scene)),
        PathFact::Missing => Some(
            Problem::new(Class::Impossible, DEVICE, format!("there is no keyboard {shown}"))
                .why("it is not plugged in, or has another name")
                .fix("ls /dev/input/by-id   # those that end in -event-kbd"),
        ),
        PathFact::Unreadable(why) => {
            Some(Problem::new(Class::Denied, DEVICE, format!("{shown} cannot be looked at")).why(why.clone()))
        }
        PathFact::File { .. } | PathFact::Folder { .. } | PathFact::Block => {
            Some(Problem::new(Class::Impossible, DEVICE, format!("{shown} is not a keyboard")))
        }
    }
}

/// Where vmrun's own user is stopped; what is known of others is not about who reads the keyboard.
fn barred<'a>(device: &Path, scene: &'a Scene) -> Option<&'a Barred> {
    if scene.host.euid == 0 { None } else { scene.host.barred.get(device)?.read.as_ref() }
}

fn not_granted(device: &Path, barred: &Barred, scene: &Scene) -> Problem {
    let user = login(scene.host);
    let (shown, at) = (device.display(), barred.at.display());
    let what = format!("{user} may not read {shown}, and vmrun runs as {user}");
    let fix = format!(
        "setfacl -m u:{user}:r {at}   # as root, until the host starts anew\n\
         # or for ever, by what `vmrun host permissions PROFILE` prints"
    );
    Problem::new(Class::Denied, DEVICE, what).why("who reads a keyboard sees whatever is typed on it").fix(fix)
}
