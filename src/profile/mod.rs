//! Floor 2: intent. What the user wrote, one file per TOML table, and its turn at the plan. Pure: the host is a value.
//!
//! Start with [`Profile::plan`] in `turns.rs`, which gives each table its turn, then read `cpu` as the example of a table: the
//! fields, their rules, and the arguments they become stand in one file.

mod acpi_table;
mod addresses;
mod agent;
mod always;
mod audio;
mod boot;
mod boot_order;
mod capability;
mod channel;
mod clock;
mod cpu;
mod demo;
mod disk;
mod disk_bus;
mod display;
mod firmware;
mod fw_cfg;
mod gpu;
mod guest;
mod guest_uuid;
mod hook;
mod hooks_dir;
mod host_vendor;
mod hyperv;
mod input;
mod iommu;
mod iothread;
mod kernel;
mod layers;
mod looking_glass;
mod machine;
mod machine_type;
mod made_anew;
mod mdev;
mod memory;
mod net;
mod numa;
mod on;
mod panic_key;
mod pci;
mod pci_rom;
mod pcie;
mod pinning;
mod program;
mod qemu;
pub mod reference;
mod rest;
mod rng;
mod rules;
mod run_as;
mod scene;
mod schema;
mod serial;
mod service;
mod setting;
mod share;
mod smbios;
mod smp_cache;
pub mod source;
mod stop;
mod switch;
mod tpm;
mod tune;
mod turns;
mod usb;
mod usb_controller;
mod vmgenid;
mod vsock;
mod wants;
mod watchdog;
mod wide;

pub use service::is_unit;
pub use setting::Setting;

use crate::unit::GuestName;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What the user wrote; each value is valid in itself.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Version of the profile's language.
    #[serde(rename = "schema")]
    _schema: schema::Schema,
    /// What the guest is called, by you and by `vmrun status`, `stop` and `recover`.
    name: GuestName,
    /// Another profile, relative to this file, that this one is laid over. Done when the profile is read.
    #[serde(rename = "extends")]
    _extends: Option<PathBuf>,
    /// What is left out of the profile that this one extends, like `["usb", "pci[0]"]`. Done when the profile is read.
    #[serde(default, rename = "without")]
    _without: Vec<String>,
    /// Tables laid over these when `--variant` asks for them. Done when the profile is read.
    #[serde(default, rename = "variant")]
    _variant: BTreeMap<String, layers::Variant>,
    /// What runs in the guest; settings that suit it follow from it.
    guest: Option<guest::Guest>,
    /// The machine's identity, which Windows is activated for. Derived from `name` unless given, so it stays the same from
    /// start to start. QEMU's `-uuid`.
    uuid: Option<guest_uuid::GuestUuid>,
    /// Folder with hooks as libvirt users have them, which are run unchanged: `prepare/begin`, `started/begin`,
    /// `release/end` and so on, or a whole `qemu.d`.
    hooks_dir: Option<PathBuf>,
    #[serde(default)]
    machine: machine::Machine,
    #[serde(default)]
    cpu: cpu::Cpu,
    iommu: Option<iommu::Iommu>,
    #[serde(default)]
    tune: tune::Tune,
    #[serde(default)]
    memory: memory::Memory,
    #[serde(default)]
    numa: Vec<numa::Numa>,
    firmware: Option<firmware::Firmware>,
    tpm: Option<tpm::Tpm>,
    #[serde(default)]
    clock: clock::Clock,
    #[serde(default)]
    boot: boot::Boot,
    kernel: Option<kernel::Kernel>,
    #[serde(default)]
    serial: Vec<serial::Serial>,
    #[serde(default)]
    disk: Vec<disk::Disk>,
    #[serde(default)]
    net: Vec<net::Net>,
    #[serde(default)]
    pci: Vec<pci::Pci>,
    #[serde(default)]
    mdev: Vec<mdev::Mdev>,
    gpu: Option<gpu::Gpu>,
    #[serde(default)]
    usb: Vec<usb::Usb>,
    usb_controller: Option<usb_controller::UsbController>,
    #[serde(default)]
    input: Vec<input::Input>,
    #[serde(default)]
    share: Vec<share::Share>,
    #[serde(default)]
    display: display::Display,
    audio: Option<audio::Audio>,
    looking_glass: Option<looking_glass::LookingGlass>,
    watchdog: Option<watchdog::Watchdog>,
    rng: Option<rng::Rng>,
    vmgenid: Option<vmgenid::Vmgenid>,
    vsock: Option<vsock::Vsock>,
    agent: Option<agent::Agent>,
    smbios: Option<smbios::Smbios>,
    #[serde(default)]
    fw_cfg: Vec<fw_cfg::FwCfg>,
    #[serde(default)]
    acpi_table: Vec<acpi_table::AcpiTable>,
    /// Where in the guest its PCI devices sit, by what `vmrun plan` calls them: behind the root port at an address
    /// (`02.3`), as a function there (`02.3/00.1`), or on the root bus itself (`pcie.0/1b.0`). An import writes it, so that
    /// the guest finds its devices where they were; others are dealt round them.
    #[serde(default)]
    addresses: addresses::Addresses,
    #[serde(default)]
    pcie: pcie::Pcie,
    #[serde(default)]
    hook: Vec<hook::Hook>,
    #[serde(default)]
    service: Vec<service::Service>,
    #[serde(default)]
    on: on::On,
    #[serde(default)]
    stop: stop::Stop,
    #[serde(default)]
    qemu: qemu::Qemu,
}

impl Profile {
    /// Name of the guest.
    #[must_use]
    pub fn name(&self) -> &GuestName {
        &self.name
    }

    /// Number of vCPUs, the product of the topology.
    #[must_use]
    pub fn vcpus(&self) -> u32 {
        self.cpu.vcpus()
    }

    /// Whether the one who starts it is to be asked before services that hold its devices are stopped.
    #[must_use]
    pub fn asks_when_busy(&self) -> bool {
        self.pci.iter().any(pci::Pci::asks)
    }

    /// The same with the answer that they may be.
    #[must_use]
    pub fn stopping_units(self) -> Self {
        Self { pci: self.pci.into_iter().map(pci::Pci::stopping_units).collect(), ..self }
    }
}
