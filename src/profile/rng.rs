//! `[rng]`: random numbers of the host for the guest.

use super::disk_bus::place;
use super::scene::Scene;
use super::setting::Setting;
use crate::host::PathFact;
use crate::plan::{Access, Class, Draft, Lot, Origin, Problem};
use crate::unit::Size;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use std::path::{Path, PathBuf};

/// A virtio random number generator; a Linux guest has enough randomness at once when it boots.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rng {
    /// Where the numbers come from; `/dev/urandom` unless given. QEMU's `rng-random`.
    source: Option<PathBuf>,
    /// What the guest may take in a second; without limit unless given. QEMU's `max-bytes`.
    rate: Option<Size>,
}

const SOURCE: &str = "/dev/urandom";

/// Milliseconds over which `rate` is counted.
const SECOND: u32 = 1000;

impl Rng {
    pub(super) fn paths(&self, setting: &Setting) -> PathBuf {
        setting.resolve(self.source.as_deref().unwrap_or(Path::new(SOURCE)))
    }
}

pub(super) fn draft(rng: Option<&Rng>, scene: &Scene, draft: &mut Draft) {
    let Some(rng) = rng else { return };
    let path = rng.paths(scene.setting);
    if *scene.host.path(&path) == PathFact::Missing {
        let what = format!("there is no {}", path.display());
        draft.refuse(Problem::new(Class::Impossible, "rng.source", what).fix("leave source out"));
    }
    draft.opens("rng.source", &path, Access::Read, Lot::Common);
    let object = json!({"qom-type": "rng-random", "id": "rng0", "filename": path});
    draft.contents.argv.object(&object, Origin::given("rng.source"));
    let mut device = json!({"driver": "virtio-rng-pci", "id": "rng", "rng": "rng0"});
    if let Some(rate) = rng.rate {
        device["max-bytes"] = json!(rate.bytes());
        device["period"] = json!(SECOND);
    }
    place(device, &Origin::given("rng"), draft);
}
