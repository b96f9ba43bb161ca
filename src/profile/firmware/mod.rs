//! `[firmware]`: what the vCPUs run first.

mod flash;
mod mmio64;
mod pair;
mod search;
mod secure;

pub(super) use mmio64::{Needs, draft as draft_mmio64};

use super::machine::Machine;
use super::scene::Scene;
use super::setting::Setting;
use crate::host::PathFact;
use crate::plan::Access::Write;
use crate::plan::{Class, Draft, Lot, Origin, Problem, Props};
use crate::unit::Size;
use flash::{Access, Format};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use std::path::{Path, PathBuf};

/// UEFI firmware; without this table the guest has QEMU's BIOS.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Firmware {
    /// What the vCPUs run first: UEFI, or QEMU's BIOS.
    #[serde(default)]
    kind: Kind,
    /// Whether the guest starts only signed boot loaders; off unless given. It needs `q35`. QEMU: `smm`,
    /// `cfi.pflash01.secure`.
    #[serde(default)]
    secure_boot: bool,
    /// Whether the variable store comes with Microsoft's keys, with which Secure Boot is in force from the first start; on
    /// with `secure_boot` unless given.
    enrolled_keys: Option<bool>,
    /// Code image; the first one found by its descriptor unless given. QEMU: `pflash0`.
    code: Option<PathBuf>,
    /// Template of the variable store; the one that belongs to the code unless given.
    vars: Option<PathBuf>,
    /// Format of code and variables; as their descriptor says, else raw, unless given. The guest's own store has the
    /// same.
    format: Option<Format>,
    /// Code and variables in one image, which the guest writes to. QEMU: `pflash0`.
    image: Option<PathBuf>,
    /// The guest's own variable store, made of the template at the first start; to have it made anew, move it away. Where
    /// no template is known it has to be there. In the state folder unless given. QEMU: `pflash1`.
    nvram: Option<PathBuf>,
    /// A file for what the firmware says while it works; builds for release say little. QEMU: `isa-debugcon`.
    debug_log: Option<PathBuf>,
    /// Room above 4 GiB for the windows of PCI devices; what those of passed cards need, if that is more than the 32G that
    /// OVMF keeps, unless given. OVMF: `opt/ovmf/X-PciMmio64Mb`.
    mmio64: Option<Size>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Kind {
    #[default]
    Uefi,
    Bios,
}

/// Port that OVMF and SeaBIOS write their log to; OVMF `PcdDebugIoPort`, SeaBIOS `CONFIG_DEBUG_IO`.
const DEBUG_PORT: u16 = 0x402;

pub(super) fn is_uefi(firmware: Option<&Firmware>) -> bool {
    firmware.is_some_and(|firmware| firmware.kind == Kind::Uefi)
}

/// Whether only signed boot loaders are started.
pub(super) fn is_secure(firmware: Option<&Firmware>) -> bool {
    firmware.is_some_and(|firmware| firmware.secure_boot)
}

pub(super) fn draft(firmware: Option<&Firmware>, machine: &Machine, scene: &Scene, draft: &mut Draft) {
    let Some(firmware) = firmware else { return };
    match (firmware.kind, &firmware.image) {
        (Kind::Bios, _) => firmware.judge_bios(draft),
        (Kind::Uefi, Some(image)) => firmware.draft_image(image, scene, draft),
        (Kind::Uefi, None) => firmware.draft_pair(machine, scene, draft),
    }
    if let Some(log) = &firmware.debug_log {
        draft_log(&scene.setting.resolve(log), draft);
    }
}

impl Firmware {
    /// Whether it is one of the host's, of which the descriptors tell.
    pub(super) fn is_pair(&self) -> bool {
        self.kind == Kind::Uefi && self.image.is_none()
    }

    /// Images that the profile names, by their keys.
    pub(super) fn images(&self, setting: &Setting) -> Vec<(&'static str, PathBuf)> {
        let Self { code, vars, image, nvram, .. } = self;
        let all = [("code", code), ("vars", vars), ("image", image), ("nvram", nvram)];
        all.into_iter().filter_map(|(key, path)| Some((key, setting.resolve(path.as_deref()?)))).collect()
    }

    pub(super) fn debug_log(&self) -> Option<&Path> {
        self.debug_log.as_deref()
    }

    pub(super) fn paths(&self, name: &str, setting: &Setting) -> Vec<PathBuf> {
        let given = self.images(setting).into_iter().map(|(_, path)| path);
        // In which of the formats its template is, is not known yet.
        let own = [Format::Raw, Format::Qcow2].map(|format| pair::own_store(name, format, setting));
        given.chain(own).collect()
    }

    /// Keys that make no sense with a BIOS, or beside a combined image, and are given.
    fn keys_of_a_pair(&self) -> Vec<&'static str> {
        let Self { secure_boot, enrolled_keys, code, vars, nvram, .. } = self;
        let keys = [
            ("code", code.is_some()),
            ("vars", vars.is_some()),
            ("nvram", nvram.is_some()),
            ("secure_boot", *secure_boot),
            ("enrolled_keys", enrolled_keys.is_some()),
        ];
        keys.into_iter().filter(|(_, given)| *given).map(|(key, _)| key).collect()
    }

    fn judge_bios(&self, draft: &mut Draft) {
        let more = [("image", self.image.is_some()), ("format", self.format.is_some())];
        let more = more.into_iter().filter(|(_, given)| *given).map(|(key, _)| key);
        if let Some(first) = self.keys_of_a_pair().into_iter().chain(more).next() {
            draft.refuse(
                Problem::new(Class::Invalid, format!("firmware.{first}"), format!("kind = \"bios\" takes no {first}"))
                    .fix("kind = \"uefi\""),
            );
        }
    }

    fn draft_image(&self, image: &Path, scene: &Scene, draft: &mut Draft) {
        let key = "firmware.image";
        match &self.keys_of_a_pair()[..] {
            [] => {}
            ["secure_boot" | "enrolled_keys", ..] => draft.refuse(
                Problem::new(Class::Invalid, "firmware.secure_boot", "Secure Boot takes code and variables apart")
                    .why("only then the variables can be guarded, and nothing tells what an image of one's own can do")
                    .fix("leave image out to use the host's own UEFI firmware"),
            ),
            _ => draft.refuse(
                Problem::new(Class::Invalid, key, "image stands beside code, vars or nvram")
                    .why("an image holds code and variables in one")
                    .fix("either image, or code with vars"),
            ),
        }
        let file = scene.setting.resolve(image);
        if *scene.host.path(&file) == PathFact::Missing {
            let what = format!("{} does not exist", file.display());
            draft.refuse(
                Problem::new(Class::Missing, key, what).fix("leave image out to use the host's own UEFI firmware"),
            );
        } else {
            scene.file(image, key, Class::Missing, draft);
        }
        let format = self.format.unwrap_or_default();
        if format == Format::Raw {
            flash::judge(&[&file], key, scene, draft);
        }
        flash::draft((0, "fw-image"), (&file, format), Access::Written, &Origin::given(key), scene, draft);
    }
}

fn draft_log(path: &Path, draft: &mut Draft) {
    draft.opens("firmware.debug_log", path, Write, Lot::File);
    let origin = || Origin::given("firmware.debug_log");
    let mut chardev = Props::default();
    chardev.head("file", origin());
    chardev.set("id", "fw-log", origin());
    chardev.set("path", path.display().to_string(), origin());
    draft.contents.argv.backend_props("-chardev", &chardev);
    let device = json!({"driver": "isa-debugcon", "iobase": DEBUG_PORT, "chardev": "fw-log"});
    draft.contents.argv.device(&device, origin());
}
