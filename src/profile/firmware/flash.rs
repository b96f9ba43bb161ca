//! The flash chips of the machine: which file, in which format.

use crate::host::PathFact;
use crate::plan::{Class, Descriptor, Draft, Origin, Problem, Props};
use crate::profile::scene::Scene;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Format of an image in a flash chip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    #[default]
    Raw,
    Qcow2,
}

impl Format {
    /// The format that a descriptor calls `name`; `None` for one that cannot be in a flash chip.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "raw" => Some(Self::Raw),
            "qcow2" => Some(Self::Qcow2),
            _ => None,
        }
    }

    /// Extension of a variable store in this format.
    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::Raw => "fd",
            Self::Qcow2 => "qcow2",
        }
    }
}

/// Whether the guest writes to it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    ReadOnly,
    Written,
}

/// Adds flash chip `index` of the machine with the content of `file`.
pub(super) fn draft(
    (index, node): (u8, &str),
    (file, format): (&Path, Format),
    access: Access,
    origin: &Origin,
    scene: &Scene,
    draft: &mut Draft,
) {
    let below = format!("{node}-file");
    let read_only = access == Access::ReadOnly;
    let name = match (access, scene.user) {
        (Access::Written, Some(_)) => inherited(index, file, origin, draft),
        _ => file.to_owned(),
    };
    let mut protocol = json!({"driver": "file", "filename": name, "node-name": below, "read-only": read_only});
    if read_only {
        // Without it QEMU would quietly give a writable file to a chip that asks for one.
        protocol["auto-read-only"] = json!(false);
    }
    let argv = &mut draft.contents.argv;
    argv.backend("-blockdev", &protocol, origin.clone());
    let image = json!({"driver": format, "file": below, "node-name": node, "read-only": read_only});
    argv.backend("-blockdev", &image, origin.clone());
    argv.machine.set(format!("pflash{index}"), node, origin.clone());
}

/// The name by which QEMU finds `file`, which vmrun opens for it: it lies in a folder that only root may enter. QEMU:
/// `-add-fd`.
fn inherited(index: u8, file: &Path, origin: &Origin, draft: &mut Draft) -> PathBuf {
    let fd = draft.pass(Descriptor::File { path: file.to_owned() });
    let mut set = Props::default();
    let set_of = |set: &mut Props, key: &str, value: String| set.set(key, value, origin.clone());
    set_of(&mut set, "fd", fd.to_string());
    set_of(&mut set, "set", format!("{index}"));
    draft.contents.argv.backend_props("-add-fd", &set);
    PathBuf::from(format!("/dev/fdset/{index}"))
}

/// Granule of a flash chip, and the most that all of them hold together. QEMU: `pc_system_flash_map`,
/// `hw/i386/pc_sysfw.c`; `max-fw-size` of the machine.
const SECTOR: u64 = 4096;
const MOST: u64 = 8 << 20;

/// Notes a problem at `key` when the raw images in `files` do not fit the machine's flash chips.
pub(super) fn judge(files: &[&Path], key: &str, scene: &Scene, draft: &mut Draft) {
    let sizes: Vec<_> = files.iter().filter_map(|file| size(file, scene).map(|size| (file.display(), size))).collect();
    for (file, size) in sizes.iter().filter(|(_, size)| *size == 0 || !size.is_multiple_of(SECTOR)) {
        let what = format!("{file} has {size} bytes, which is no whole number of sectors of {SECTOR}");
        draft.refuse(
            Problem::new(Class::Impossible, key, what)
                .why("it is no image of a flash chip, or one that was cut")
                .fix("install the firmware's package anew"),
        );
    }
    let sum: u64 = sizes.iter().map(|(_, size)| size).sum();
    if sum > MOST {
        let what = format!("the firmware has {sum} bytes, and the machine's flash chips hold {MOST}");
        draft.refuse(Problem::new(Class::Impossible, key, what));
    }
}

/// Notes a problem when the guest's own store is there and not of the size of its template.
pub(super) fn judge_store(nvram: &Path, template: &Path, scene: &Scene, draft: &mut Draft) {
    let (Some(own), Some(fresh)) = (size(nvram, scene), size(template, scene)) else { return };
    if own == fresh {
        return;
    }
    let (nvram, template) = (nvram.display(), template.display());
    draft.refuse(
        Problem::new(
            Class::Impossible,
            "firmware.nvram",
            format!("{nvram} has {own} bytes, its template {template} has {fresh}"),
        )
        .why("it was made for another build of the firmware, which lays its variables out in another way")
        .fix(format!("mv {nvram} {nvram}.old   # the next start makes a new one; boot entries are lost\nor name the code and vars that it was made for")),
    );
}

fn size(file: &Path, scene: &Scene) -> Option<u64> {
    match scene.host.path(file) {
        PathFact::File { size, .. } => Some(*size),
        _ => None,
    }
}
