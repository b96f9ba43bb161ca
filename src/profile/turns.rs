//! Planning: each table has its turn.

use super::scene::Scene;
use super::{
    Profile, Setting, acpi_table, addresses, agent, always, audio, boot_order, capability, channel, disk, firmware,
    fw_cfg, guest, guest_uuid, hook, hooks_dir, input, iommu, iothread, kernel, looking_glass, machine, mdev, memory,
    net, pci, pcie, pinning, rng, rules, run_as, serial, service, share, smbios, tpm, usb, usb_controller, vmgenid,
    vsock, watchdog, wide,
};
use crate::host::Host;
use crate::plan::{Draft, Identities, Plan, Refusal, Slots};
use std::path::PathBuf;

impl Profile {
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
        machine::judge_guest(machine, *guest, &mut draft);
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
        rules::judge_usb_sound(usb_controller.as_ref(), audio.as_ref(), &mut draft);
        usb_controller::draft(usb_controller.as_ref(), usb_users.first(), &mut draft);
        channel::draft(rules::channel_wanted_by(agent.as_ref(), display), &mut draft);
        display.draft(&scene, &mut draft);
        let order = boot_order::BootOrder::of(disk, net, kernel.is_some(), &mut draft);
        disk::draft(disk, &order, &scene, &mut draft);
        rules::judge_shared_memory(memory, net, &mut draft);
        rules::judge_ports(display, net, &mut draft);
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
        addresses::judge_places(addresses, &mut draft);
        cpu.draft_pinning(&iothread::ids(disk), &site, &scene, &mut draft);
        hooks_dir::draft(hooks_dir.as_deref(), &scene, &mut draft);
        hook::draft(hook, &scene, &mut draft);
        service::draft(service, &scene, &mut draft);
        on.draft(&scene, &mut draft);
        stop.draft(&mut draft);
        self.judge_made_anew(&scene, &mut draft);
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
}
