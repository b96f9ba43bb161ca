//! A profile turned round for the guest that vmrun carries, and for pins that vmrun chose.

use super::Profile;
use super::boot::Boot;
use super::display::Display;
use super::kernel::Kernel;
use super::pinning::Pinning;
use super::serial::Serial;
use crate::unit::CpuSet;
use std::path::PathBuf;

impl Profile {
    /// The same machine with the demo guest in it: CPU, memory, network, PCI, USB and sound stay; firmware, disks,
    /// hooks, services and display go.
    ///
    /// The guest lies at `image`. `then` is what it does after its report, the value of its `then=`. Its report comes
    /// over one captured serial port.
    #[must_use]
    pub fn into_demo(self, image: PathBuf, then: &str) -> Self {
        Self {
            hooks_dir: None,
            firmware: None,
            boot: Boot::default(),
            kernel: Some(Kernel::of(image, format!("then={then}"))),
            serial: vec![Serial::capture()],
            disk: Vec::new(),
            display: Display::default(),
            hook: Vec::new(),
            service: Vec::new(),
            cpu: self.cpu.without_iothread_pins(),
            ..self
        }
    }

    /// The same machine, which ends instead of booting again: a guest that crashes at each boot would never end.
    #[must_use]
    pub fn ending_at_a_reboot(self) -> Self {
        Self { on: self.on.ending_at_a_reboot(), ..self }
    }

    /// The same profile with one socket of `cores` cores with `threads` sibling threads each.
    #[must_use]
    pub fn with_topology(mut self, cores: u32, threads: u32) -> Self {
        self.cpu = self.cpu.with_topology(cores, threads);
        self
    }

    /// The same profile with each vCPU on the CPUs given for it, and the other threads of QEMU on `emulator` or,
    /// without, where no vCPU is. Whatever `cpu.pinning` said before is gone.
    #[must_use]
    pub fn with_pins(mut self, vcpus: Vec<CpuSet>, emulator: Option<CpuSet>) -> Self {
        self.cpu.pinning = Pinning::of(vcpus, emulator);
        self
    }
}
