//! `extends`, `without` and `[variant]`: how a profile is made of layers. They are laid over each other while the profile
//! is read, see [`super::source`]; here stands what that must know of the tables.

use super::source::{Layered, Preset};
use super::{Profile, guest};

/// Tables that are laid over the profile's own when the variant is asked for with `--variant`.
///
/// It has every table and key that a profile has, and `without`: keys of the profile that the variant leaves out.
pub(super) type Variant = toml::Table;

impl Layered for Profile {
    // `tests/golden` plans every case once as a file that another one in another folder extends.
    const PATHS: &'static [&'static str] = &[
        "hooks_dir",
        "memory.path",
        "firmware.code",
        "firmware.vars",
        "firmware.image",
        "firmware.nvram",
        "kernel.image",
        "kernel.initrd",
        "serial[].path",
        "disk[].file",
        "pci[].rom",
        "display.path",
        "service[].ready_file",
    ];

    const PROGRAMS: &'static [&'static str] = &["qemu.binary", "hook[].run[0]", "hook[].undo[0]", "service[].run[0]"];

    const SAME: &'static [(&'static str, &'static str)] =
        &[("hook", "name"), ("service", "name"), ("service", "unit"), ("pci", "host"), ("usb", "id")];

    fn presets(guest: &str) -> &'static [Preset] {
        guest::presets(guest)
    }
}
