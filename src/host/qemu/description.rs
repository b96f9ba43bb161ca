//! What is known of a QEMU program.

use super::names::Names;
use crate::unit::Version;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A QEMU program, and what it can do as far as it was asked. An empty set says that it was not asked, so nothing can
/// be judged by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Qemu {
    /// Its path.
    pub path: PathBuf,
    /// Its version.
    pub version: Version,
    /// What it can do. A version alone does not tell: distributions put devices and drivers into packages of their own.
    #[serde(default)]
    pub abilities: Abilities,
    /// Why it could not be asked for more than its version; `None` when it was, and in older dumps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silent: Option<String>,
}

/// What a QEMU program can do, modules that are not installed left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Abilities {
    /// Concrete QOM types without machines and CPU models: devices, objects, `chardev-…`, `…-accel`. QMP:
    /// `qom-list-types`.
    pub types: Names,
    /// Machines. QMP: `query-machines`.
    pub machines: Vec<MachineModel>,
    /// Names of CPU models. QMP: `qom-list-types`, those that end in `-x86_64-cpu`.
    pub cpu_models: Names,
    /// Properties by type, of [`DESCRIBED`] types. QMP: `qom-list-properties`, `device-list-properties`.
    pub properties: BTreeMap<String, Names>,
    /// How it reads and writes images: `threads`, `native`, `io_uring`. QMP: `query-qmp-schema`, `BlockdevAioOptions`.
    pub aio: Names,
    /// Back ends of `-audiodev`; its `help`.
    pub audio_drivers: Names,
    /// Back ends of `-display`; its `help`. `gtk` and `sdl` need no window to be listed.
    pub displays: Names,
}

/// A machine that QEMU can build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MachineModel {
    /// Its name, like `pc-q35-10.0`.
    pub name: String,
    /// The short name that stands for it in this version: `q35`, `pc`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// Whether QEMU warns that it will be removed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub deprecated: bool,
    /// Most vCPUs.
    pub cpu_max: u32,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// Type whose properties are those of every CPU.
pub const CPU: &str = "max-x86_64-cpu";

/// Abstract type whose properties every PC has.
pub const PC: &str = "generic-pc-machine";

/// Devices and objects whose properties differ between the versions that vmrun knows.
pub const DESCRIBED: [&str; 5] =
    ["vfio-pci", "virtio-blk-pci", "virtio-scsi-pci", "virtio-net-pci", "memory-backend-file"];

impl Qemu {
    /// A program of which only the version is known.
    #[must_use]
    pub fn of_version(path: impl Into<PathBuf>, version: Version) -> Self {
        Self { path: path.into(), version, abilities: Abilities::default(), silent: None }
    }
}

impl Abilities {
    /// Whether it has the QOM type `name`; `None` when it was not asked.
    #[must_use]
    pub fn has_type(&self, name: &str) -> Option<bool> {
        known(&self.types, name)
    }

    /// Whether it has the CPU model `name`; `None` when it was not asked.
    #[must_use]
    pub fn has_cpu_model(&self, name: &str) -> Option<bool> {
        known(&self.cpu_models, name)
    }

    /// Whether it has the back end `name` of `-audiodev`; `None` when it was not asked.
    #[must_use]
    pub fn has_audio_driver(&self, name: &str) -> Option<bool> {
        known(&self.audio_drivers, name)
    }

    /// Whether it has the back end `name` of `-display`; `None` when it was not asked.
    #[must_use]
    pub fn has_display(&self, name: &str) -> Option<bool> {
        known(&self.displays, name)
    }

    /// Whether it reads and writes images by `way`; `None` when it was not asked.
    #[must_use]
    pub fn has_aio(&self, way: &str) -> Option<bool> {
        known(&self.aio, way)
    }

    /// Whether `of`, one of [`CPU`], [`PC`] and [`DESCRIBED`], has `property`; `None` when it was not asked.
    #[must_use]
    pub fn has_property(&self, of: &str, property: &str) -> Option<bool> {
        self.properties.get(of).and_then(|properties| known(properties, property))
    }

    /// The machine that `name` or alias `name` means.
    #[must_use]
    pub fn machine(&self, name: &str) -> Option<&MachineModel> {
        self.machines.iter().find(|machine| machine.name == name || machine.alias.as_deref() == Some(name))
    }
}

fn known(names: &Names, name: &str) -> Option<bool> {
    (!names.is_empty()).then(|| names.contains(name))
}
