//! Floor 2: intent. What the user wrote, one file per TOML table, and its turn at the plan. Pure: the host is a value.
//!
//! Start with [`Profile::plan`], which gives each table its turn, then read `cpu.rs` as the example of a table: the
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
mod tpm;
mod tune;
mod usb;
mod usb_controller;
mod vmgenid;
mod vsock;
mod watchdog;
mod wide;

pub use service::is_unit;
pub use setting::Setting;

use crate::host::{Area, Host, Wants};
use crate::plan::{Draft, Identities, Plan, Refusal, Slots};
use crate::unit::GuestName;
use scene::Scene;
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

    /// Decides what giving its `[[pci]]` devices to a guest that runs already takes: changes, devices and what QEMU gets.
    /// Nothing else of it is looked at.
    ///
    /// # Errors
    /// All reasons why it cannot be done.
    pub fn plan_attach(&self, host: &Host, setting: &Setting) -> Result<Plan, Box<Refusal>> {
        let emulator = self.qemu.emulator(host, setting);
        let scene = Scene {
            host,
            user: None,
            setting,
            name: &self.name,
            accel: self.machine.accel(host),
            version: emulator.version,
            uefi: firmware::is_uefi(self.firmware.as_ref()),
            kernel: self.kernel.is_some(),
            share_memory: false,
        };
        let mut draft = Draft::new(self.name.clone(), emulator, setting.run_dir.clone());
        pci::draft_attach(&self.pci, &scene, &mut draft);
        draft.finish()
    }

    /// Decides everything that would be done to start this guest on `host`.
    ///
    /// # Errors
    /// All reasons why it cannot be done, with what would be done all the same.
    pub fn plan(&self, host: &Host, setting: &Setting) -> Result<Plan, Box<Refusal>> {
        let host = &*pci::foresee(&self.pci, host);
        let mut draft = self.draft(&self.memory, host, setting);
        if let Some(memory) = self.memory.fallen_back(&draft) {
            draft.contents.fallback = self.draft(&memory, host, setting).finish().ok().map(Box::new);
        }
        draft.finish()
    }

    /// The plan with `memory` in the place of the profile's own.
    #[allow(clippy::too_many_lines, reason = "one line for each table: the list is the point")]
    fn draft(&self, memory: &memory::Memory, host: &Host, setting: &Setting) -> Draft {
        let Self {
            _schema,
            name,
            _extends,
            _without,
            _variant,
            guest,
            uuid,
            hooks_dir,
            machine,
            cpu,
            iommu,
            tune,
            memory: _,
            numa,
            firmware,
            tpm,
            clock,
            boot,
            kernel,
            serial,
            disk,
            net,
            pci,
            mdev,
            gpu,
            usb,
            share,
            usb_controller,
            input,
            display,
            audio,
            looking_glass,
            watchdog,
            rng,
            vmgenid,
            vsock,
            agent,
            smbios,
            fw_cfg,
            acpi_table,
            addresses,
            pcie,
            hook,
            service,
            on,
            stop,
            qemu,
        } = self;
        let emulator = qemu.emulator(host, setting);
        let accel = machine.accel(host);
        let mut draft = Draft::new(name.clone(), emulator, setting.run_dir.clone());
        let user = qemu.run_as(host, &mut draft);
        let scene = Scene {
            host,
            user: user.as_ref(),
            setting,
            name,
            accel,
            version: draft.contents.emulator.version,
            uefi: firmware::is_uefi(firmware.as_ref()),
            kernel: kernel.is_some(),
            share_memory: share::share_memory(share),
        };
        draft.slots = Slots::new(machine.chipset(), setting.kept.clone());
        draft.identities = Identities::new(&setting.kept);
        let site = pinning::Site::of(pci, memory, numa, host);
        let cpu = &cpu.placed(&site, host, &mut draft);

        // QMP comes first, so that its descriptor is the first one.
        always::draft(&scene, &mut draft);
        qemu.draft_sandbox(&mut draft);
        guest_uuid::draft(uuid.as_ref(), &scene, &mut draft);
        let split = iommu::split(iommu.as_ref()).or_else(|| cpu.split());
        machine.draft(split, &scene, &mut draft);
        cpu.draft(&scene, &mut draft);
        let around = wide::Around { machine, iommu: iommu.as_ref(), guest: *guest };
        wide::draft(cpu, &around, &scene, &mut draft);
        memory.draft(numa, cpu, &scene, &mut draft);
        firmware::draft(firmware.as_ref(), machine, &scene, &mut draft);
        guest::judge(*guest, firmware::is_secure(firmware.as_ref()), tpm.is_some(), &scene, &mut draft);
        guest::judge_clock(*guest, &scene, &mut draft);
        tpm::draft(tpm.as_ref(), &scene, &mut draft);
        clock.draft(&scene, &mut draft);
        boot.draft(&mut draft);
        kernel::draft(kernel.as_ref(), &scene, &mut draft);
        serial::draft(serial, &scene, &mut draft);
        // Who asked for an address gets it; the others are dealt round it.
        pci::reserve(pci, &mut draft);
        mdev::reserve(mdev, &mut draft);
        addresses::draft(addresses, &mut draft);
        let uses = iommu::Uses { machine, wide: cpu.is_wide(), passed: rules::passed(pci, mdev) };
        iommu::draft(iommu.as_ref(), uses, &scene, &mut draft);
        let usb_users = rules::UsbUsers { disks: disk, devices: usb, inputs: input, display, audio: audio.as_ref() };
        usb_controller::draft(usb_controller.as_ref(), usb_users.first(), &mut draft);
        channel::draft(rules::channel_wanted_by(agent.as_ref(), display), &mut draft);
        display.draft(&scene, &mut draft);
        let order = boot_order::BootOrder::of(disk, net, kernel.is_some(), &mut draft);
        disk::draft(disk, &order, &scene, &mut draft);
        rules::judge_shared_memory(memory, net, &mut draft);
        net::draft(net, &order, &scene, &mut draft);
        audio::draft(audio.as_ref(), display, &scene, &mut draft);
        let passed = pci::draft(pci, gpu.as_ref(), &scene, &mut draft);
        mdev::draft(mdev, &scene, &mut draft);
        share::draft(share, &scene, &mut draft);
        usb::draft(usb, &scene, &mut draft);
        display.draft_usb_redirection(&mut draft);
        input::draft(input, &scene, &mut draft);
        looking_glass::draft(looking_glass.as_ref(), &scene, &mut draft);
        watchdog::draft(watchdog.as_ref(), &mut draft);
        rng::draft(rng.as_ref(), &scene, &mut draft);
        vmgenid::draft(vmgenid.as_ref(), &mut draft);
        vsock::draft(vsock.as_ref(), &scene, &mut draft);
        agent::draft(agent.as_ref(), &scene, &mut draft);
        smbios::draft(smbios.as_ref(), &scene, &mut draft);
        fw_cfg::draft(fw_cfg, &scene, &mut draft);
        let needs = firmware::Needs { ram: memory.amount(numa), windows: pci::room(pci, host) };
        firmware::draft_mmio64(firmware.as_ref(), needs, &scene, &mut draft);
        acpi_table::draft(acpi_table, &scene, &mut draft);
        pcie::draft(pcie, &mut draft);
        memory.draft_balloon(!pci.is_empty() || !mdev.is_empty(), &mut draft);
        addresses::judge_names(addresses, &mut draft);
        cpu.draft_pinning(&iothread::ids(disk), &site, &scene, &mut draft);
        hooks_dir::draft(hooks_dir.as_deref(), &scene, &mut draft);
        hook::draft(hook, &scene, &mut draft);
        service::draft(service, &scene, &mut draft);
        on.draft(&scene, &mut draft);
        stop.draft(&mut draft);
        capability::judge(&scene, &mut draft);
        qemu.draft(host, &mut draft);
        memory.draft_locked(numa, (&passed, mdev.len()), &scene, &mut draft);
        tune.draft(cpu, &scene, &mut draft);
        run_as::draft(&scene, &mut draft);
        draft
    }

    /// What QEMU would open itself on `host`, and vmrun beside it: what [`Host::bar`] is to look at before this is planned.
    /// Nothing when root opens it.
    #[must_use]
    pub fn opens(&self, host: &Host, setting: &Setting) -> Vec<PathBuf> {
        if host.euid == 0 && self.qemu.account().is_none() {
            return Vec::new();
        }
        let opens = self.draft(&self.memory, host, setting).contents.opens;
        opens.into_iter().map(|one| one.path).chain(self.on.paths(setting)).collect()
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

    /// What must be known of the host before this profile can be planned.
    #[must_use]
    pub fn wants(&self, setting: &Setting) -> Wants {
        let mut paths = Vec::new();
        paths.extend(self.memory.paths(setting));
        paths.extend(self.firmware.iter().flat_map(|firmware| firmware.paths(self.name.as_str(), setting)));
        paths.extend(self.tpm.iter().flat_map(|tpm| tpm.paths(setting)));
        paths.extend(self.kernel.iter().flat_map(|kernel| kernel.paths(setting)));
        paths.extend(self.disk.iter().filter_map(|disk| disk.paths(setting)));
        paths.extend(self.share.iter().map(|share| share.paths(setting)));
        paths.extend(self.net.iter().flat_map(|net| net.paths(setting)));
        paths.extend(self.pci.iter().filter_map(|pci| pci.paths(setting)));
        paths.extend(self.display.paths(setting));
        paths.extend(self.input.iter().filter_map(|input| input.paths(setting)));
        paths.extend(self.on.paths(setting));
        paths.extend(self.audio.iter().filter_map(|audio| audio.paths(setting)));
        paths.extend(self.looking_glass.iter().map(|glass| glass.paths(setting)));
        paths.extend(self.rng.iter().map(|rng| rng.paths(setting)));
        paths.extend(self.vsock.iter().map(|_| vsock::Vsock::path()));
        paths.extend(self.fw_cfg.iter().filter_map(|entry| entry.paths(setting)));
        paths.extend(self.acpi_table.iter().map(|table| table.paths(setting)));
        paths.extend(self.hooks_dir.iter().flat_map(|dir| hooks_dir::folders(dir, setting)));
        paths.extend(self.hook.iter().flat_map(|hook| hook.paths(setting)));
        paths.extend(self.service.iter().flat_map(|service| service.paths(setting)));
        paths.sort();
        paths.dedup();
        let images = self.disk.iter().filter_map(|disk| disk.paths(setting)).collect();
        let places = self.cpu.pinning.places();
        let run = places.then(|| setting.run_dir.clone());
        let placed = places.then_some(Area::Cpus);
        let areas = self.pci.iter().flat_map(pci::Pci::areas).chain(placed).chain(self.tune.areas());
        let mediated = (!self.mdev.is_empty()).then_some([Area::Pci, Area::Mdev]);
        let areas = areas.chain(mediated.into_iter().flatten());
        let areas = areas.chain(self.guest.map(|_| Area::System)).collect();
        let roms = self.pci.iter().filter_map(|pci| pci.paths(setting)).collect();
        let virtiofsd = share::daemons(&self.share, setting);
        Wants { qemu: self.qemu.binary(setting), paths, images, roms, virtiofsd, run, user: self.qemu.account(), areas }
    }
}
