//! `[firmware]`: what the vCPUs run first.

use super::firmware_search;
use super::machine::Machine;
use super::scene::Scene;
use super::setting::Setting;
use crate::host::PathFact;
use crate::plan::{Class, Draft, NewFile, Origin, Problem};
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
    /// Code image; the first one found by its descriptor unless given.
    code: Option<PathBuf>,
    /// Template of the variable store; the one that belongs to the code unless given.
    vars: Option<PathBuf>,
    /// Code and variables in one image, which the guest writes to.
    image: Option<PathBuf>,
    /// The guest's own variable store; made of the template at the first start.
    nvram: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Kind {
    #[default]
    Uefi,
    Bios,
}

pub(super) fn is_uefi(firmware: Option<&Firmware>) -> bool {
    firmware.is_some_and(|firmware| firmware.kind == Kind::Uefi)
}

pub(super) fn draft(firmware: Option<&Firmware>, machine: &Machine, scene: &Scene, draft: &mut Draft) {
    let Some(Firmware { kind, code, vars, image, nvram }) = firmware else { return };
    let keys = [("code", code), ("vars", vars), ("image", image), ("nvram", nvram)];
    let given: Vec<_> = keys.iter().filter(|(_, value)| value.is_some()).map(|(key, _)| *key).collect();
    match (kind, image, &given[..]) {
        (Kind::Bios, _, []) => {}
        (Kind::Bios, _, [first, ..]) => draft.refuse(
            Problem::new(Class::Invalid, format!("firmware.{first}"), "kind = \"bios\" takes no image")
                .fix("kind = \"uefi\""),
        ),
        (Kind::Uefi, Some(image), ["image"]) => draft_image(image, scene, draft),
        (Kind::Uefi, Some(_), _) => draft.refuse(
            Problem::new(Class::Invalid, "firmware.image", "image stands beside code, vars or nvram")
                .why("an image holds code and variables in one")
                .fix("either image, or code with vars"),
        ),
        (Kind::Uefi, None, _) => draft_pair(code.as_deref(), vars.as_deref(), nvram.as_deref(), machine, scene, draft),
    }
}

impl Firmware {
    pub(super) fn paths(&self, setting: &Setting) -> Vec<PathBuf> {
        let Self { kind: _, code, vars, image, nvram: _ } = self;
        [code, vars, image].into_iter().flatten().map(|path| setting.resolve(path)).collect()
    }
}

fn draft_image(image: &Path, scene: &Scene, draft: &mut Draft) {
    let key = "firmware.image";
    let file = scene.setting.resolve(image);
    if *scene.host.path(&file) == PathFact::Missing {
        let what = format!("{} does not exist", file.display());
        draft
            .refuse(Problem::new(Class::Missing, key, what).fix("leave image out to use the host's own UEFI firmware"));
    } else {
        scene.file(image, key, Class::Missing, draft);
    }
    flash(0, "fw-image", &file, Access::Written, &Origin::given(key), draft);
}

fn draft_pair(
    code: Option<&Path>,
    vars: Option<&Path>,
    nvram: Option<&Path>,
    machine: &Machine,
    scene: &Scene,
    draft: &mut Draft,
) {
    let found = match code {
        Some(code) => firmware_search::of_code(&scene.setting.resolve(code), scene.host),
        None => firmware_search::first(machine.kind(), scene.host),
    };
    let (code, origin) = match (code, found) {
        (Some(code), _) => (scene.file(code, "firmware.code", Class::Missing, draft), Origin::given("firmware.code")),
        (None, Some(found)) => (
            found.code.clone(),
            Origin::derived("firmware.kind", "the first of the host's firmware descriptors that fits"),
        ),
        (None, None) => return draft.refuse(firmware_search::none(machine.kind())),
    };
    flash(0, "fw-code", &code, Access::ReadOnly, &origin, draft);
    let template = match vars {
        Some(vars) => Some(scene.file(vars, "firmware.vars", Class::Missing, draft)),
        None => found.and_then(|found| found.vars.clone()),
    };
    let Some(template) = template else { return draft.warn(forgetful(&code)) };
    let (nvram, origin) = match nvram {
        Some(nvram) => (scene.setting.resolve(nvram), Origin::given("firmware.nvram")),
        None => (
            scene.setting.state_dir.join(format!("{}_VARS.fd", scene.name)),
            Origin::derived("firmware", "the guest's own variable store"),
        ),
    };
    flash(1, "fw-vars", &nvram, Access::Written, &origin, draft);
    draft.contents.files.push(NewFile::Copy { path: nvram, copy_of: template });
}

fn forgetful(code: &Path) -> Problem {
    Problem::new(Class::Missing, "firmware.vars", "the guest has no variable store and forgets its boot entries")
        .why(format!("no firmware descriptor names a template that belongs to {}", code.display()))
        .fix("vars = \"/usr/share/OVMF/OVMF_VARS_4M.fd\"")
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    ReadOnly,
    Written,
}

/// Adds flash chip `index` of the machine with the raw content of `file`.
fn flash(index: u8, node: &str, file: &Path, access: Access, origin: &Origin, draft: &mut Draft) {
    let below = format!("{node}-file");
    let read_only = access == Access::ReadOnly;
    let mut protocol = json!({"driver": "file", "filename": file, "node-name": below, "read-only": read_only});
    if read_only {
        // Without it QEMU would quietly give a writable file to a chip that asks for one.
        protocol["auto-read-only"] = json!(false);
    }
    let argv = &mut draft.contents.argv;
    argv.backend("-blockdev", &protocol, origin.clone());
    let format = json!({"driver": "raw", "file": below, "node-name": node, "read-only": read_only});
    argv.backend("-blockdev", &format, origin.clone());
    argv.machine.set(format!("pflash{index}"), node, origin.clone());
}
