//! One thing of a host that was read, by its name, number or address.

use super::{Cpu, Host, Link, PathFact, PciFunction, User};
use crate::unit::{Bdf, CpuSet};
use std::path::Path;

impl Host {
    /// The host CPU with the kernel's number `id`.
    #[must_use]
    pub fn cpu(&self, id: u32) -> Option<&Cpu> {
        self.cpus.iter().find(|cpu| cpu.id == id)
    }

    /// All host CPUs that are online.
    #[must_use]
    pub fn online(&self) -> CpuSet {
        self.cpus.iter().map(|cpu| cpu.id).collect()
    }

    /// The PCI function at `bdf`.
    #[must_use]
    pub fn function(&self, bdf: Bdf) -> Option<&PciFunction> {
        self.pci.iter().find(|function| function.bdf == bdf)
    }

    /// The account with login name `name`.
    #[must_use]
    pub fn user(&self, name: &str) -> Option<&User> {
        self.users.iter().find(|user| user.name == name)
    }

    /// The network interface `name`.
    #[must_use]
    pub fn link(&self, name: &str) -> Option<&Link> {
        self.links.iter().find(|link| link.name == name)
    }

    /// What stands at `path`; [`PathFact::Missing`] for a path that was not asked for.
    #[must_use]
    pub fn path(&self, path: &Path) -> &PathFact {
        self.paths.get(path).unwrap_or(&PathFact::Missing)
    }
}
