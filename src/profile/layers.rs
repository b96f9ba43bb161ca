//! `extends`, `without` and `[variant]`: how a profile is made of layers. They are laid over each other while the profile
//! is read, see [`super::source`]; here stands what that must know of the tables.

use super::source::{Layered, Preset};
use super::{Profile, guest, schema};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use std::borrow::Cow;

/// Tables that are laid over the profile's own when the variant is asked for with `--variant`.
///
/// It has every table and key that a profile has, and `without`: keys of the profile that the variant leaves out.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Variant(#[expect(dead_code, reason = "laid over the profile before this type is made")] toml::Table);

impl JsonSchema for Variant {
    fn schema_name() -> Cow<'static, str> {
        "Variant".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = <Profile as JsonSchema>::json_schema(generator);
        let object = schema.ensure_object();
        object.remove("required");
        object.insert(
            "description".into(),
            "Tables laid over the profile's own; `without` leaves keys of it out.".into(),
        );
        if let Some(properties) = object.get_mut("properties").and_then(|properties| properties.as_object_mut()) {
            for key in ["extends", "variant"] {
                properties.remove(key);
            }
        }
        schema
    }
}

impl Layered for Profile {
    const NEWEST: Option<i64> = Some(schema::NEWEST);
    // `tests/golden` plans every case once as a file that another one in another folder extends.
    const PATHS: &'static [&'static str] = &[
        "hooks_dir",
        "memory.path",
        "firmware.code",
        "firmware.vars",
        "firmware.image",
        "firmware.nvram",
        "firmware.debug_log",
        "tpm.state",
        "tpm.swtpm",
        "kernel.image",
        "kernel.initrd",
        "serial[].path",
        "disk[].file",
        "net[].path",
        "net[].tftp",
        "share[].source",
        "share[].binary",
        "pci[].rom",
        "display.path",
        "display.password_file",
        "acpi_table[].file",
        "fw_cfg[].file",
        "looking_glass.path",
        "agent.path",
        "input[].device",
        "display.rendernode",
        "service[].ready_file",
    ];

    const WORDS: &'static [(&'static str, &'static [&'static str])] = &[("pci[].rom", &["auto", "off"])];

    const PROGRAMS: &'static [&'static str] = &["qemu.binary", "hook[].run[0]", "hook[].undo[0]", "service[].run[0]"];

    const SAME: &'static [(&'static str, &'static str)] = &[
        ("hook", "name"),
        ("service", "name"),
        ("service", "unit"),
        ("pci", "host"),
        ("pci", "device"),
        ("usb", "id"),
        ("share", "tag"),
    ];

    fn presets(guest: &str) -> &'static [Preset] {
        guest::presets(guest)
    }
}
