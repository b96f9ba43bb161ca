//! Floor 4: the doctor. What on this machine would keep a guest from running, or make it run badly, and how to mend it.
//! Pure: the facts are values, the result is a list of findings.
//!
//! [`examine`] gives each row of the table its turn; a section of the table is one file. Each row has an id, and each id
//! has its long text in [`why`].

mod advice;
mod audio;
pub mod change;
mod cpu;
mod firmware;
mod gpu;
mod groups;
mod input;
mod iommu;
mod kvm;
mod leftovers;
pub mod mask;
mod memory;
mod network;
mod permissions;
mod planned;
mod reset;
mod rights;
mod services;
mod tpm;
mod tuning;
pub mod why;

pub use permissions::{GrantFile, Permissions, permissions};
pub use planned::as_planned;

use crate::host::{Boot, Host, PciFunction};
use crate::unit::{Bdf, CpuSet};
use serde::Serialize;

/// What is examined.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The machine.
    pub host: &'a Host,
    /// How it boots; nothing is known of it for a machine that a dump describes.
    pub boot: &'a Boot,
    /// Guests whose run was cut short, and whose changes still stand.
    pub owed: &'a [String],
    /// The functions that a profile passes; `None` when it is about the machine alone.
    pub passed: Option<&'a [Bdf]>,
    /// The host CPUs that its vCPUs are pinned to; `None` when they are not, and for the machine alone.
    pub pinned: Option<&'a CpuSet>,
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It keeps guests from running.
    Fail,
    /// It may hurt.
    Warn,
    /// It is well.
    Ok,
}

/// A part of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Section {
    /// The processor's virtualisation.
    Cpu,
    /// KVM and QEMU.
    Kvm,
    /// The IOMMU, and the kernel's arguments for it.
    Iommu,
    /// IOMMU groups.
    Groups,
    /// Graphics cards.
    Gpu,
    /// Resets.
    Reset,
    /// Memory.
    Memory,
    /// What makes host CPUs fast and even.
    Tuning,
    /// Firmware for guests.
    Firmware,
    /// TPM.
    Tpm,
    /// Sound.
    Audio,
    /// Keyboards.
    Input,
    /// Network.
    Network,
    /// Rights and limits.
    Rights,
    /// Services and what is written for the boot.
    Services,
    /// What earlier runs left.
    Leftovers,
}

impl Section {
    /// What people call it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Cpu => "cpu virtualisation",
            Self::Kvm => "kvm and qemu",
            Self::Iommu => "iommu",
            Self::Groups => "groups",
            Self::Gpu => "gpu",
            Self::Reset => "reset",
            Self::Memory => "memory",
            Self::Tuning => "cpu tuning",
            Self::Firmware => "firmware",
            Self::Tpm => "tpm",
            Self::Audio => "audio",
            Self::Input => "input",
            Self::Network => "network",
            Self::Rights => "rights and limits",
            Self::Services => "services and boot",
            Self::Leftovers => "leftovers",
        }
    }
}

/// What was found about one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What `vmrun why` explains.
    pub id: &'static str,
    /// The part of the machine.
    pub section: Section,
    /// How it is.
    pub verdict: Verdict,
    /// What is so; lower case, no full stop.
    pub what: String,
    /// What was read, and where.
    pub read: String,
    /// Why it matters.
    pub why: &'static str,
    /// How to mend it; empty when it is well. May span lines.
    pub fix: String,
}

/// A row of the table: a question, and how it is answered.
struct Check {
    id: &'static str,
    /// Why the answer matters.
    why: &'static str,
    /// Whether it is asked for the sake of a profile that passes functions too, or of [`Section::Tuning`] one that pins. What
    /// planning itself judges is not asked twice.
    of_profiles: bool,
    /// The answers; none where the question makes no sense or nothing is known.
    judge: fn(&Subject<'_>) -> Vec<Found>,
}

/// An answer.
struct Found {
    verdict: Verdict,
    what: String,
    read: String,
    fix: String,
}

/// The table, by sections in the order in which a start needs them.
const TABLE: [(Section, &[Check]); 16] = [
    (Section::Cpu, cpu::CHECKS),
    (Section::Kvm, kvm::CHECKS),
    (Section::Iommu, iommu::CHECKS),
    (Section::Groups, groups::CHECKS),
    (Section::Gpu, gpu::CHECKS),
    (Section::Reset, reset::CHECKS),
    (Section::Memory, memory::CHECKS),
    (Section::Tuning, tuning::CHECKS),
    (Section::Firmware, firmware::CHECKS),
    (Section::Tpm, tpm::CHECKS),
    (Section::Audio, audio::CHECKS),
    (Section::Input, input::CHECKS),
    (Section::Network, network::CHECKS),
    (Section::Rights, rights::CHECKS),
    (Section::Services, services::CHECKS),
    (Section::Leftovers, leftovers::CHECKS),
];

/// Everything that can be said of `subject`, by sections.
#[must_use]
pub fn examine(subject: &Subject<'_>) -> Vec<Finding> {
    let rows = TABLE.iter().flat_map(|(section, checks)| checks.iter().map(|check| (*section, check)));
    let asked = |section: Section, check: &Check| match subject.passed {
        None => true,
        // Of a guest without passed functions planning knows all, but how fast the host CPUs are that are its own.
        Some([]) => check.of_profiles && section == Section::Tuning && subject.pinned.is_some(),
        Some(_) => check.of_profiles,
    };
    rows.filter(|(section, check)| asked(*section, check))
        .flat_map(|(section, check)| {
            let Check { id, why, .. } = check;
            let findings = (check.judge)(subject).into_iter();
            findings.map(move |Found { verdict, what, read, fix }| Finding {
                id,
                section,
                verdict,
                what,
                read,
                why,
                fix,
            })
        })
        .collect()
}

/// The ids of all checks, in the order of the table.
pub fn ids() -> impl Iterator<Item = &'static str> {
    TABLE.iter().flat_map(|(_, checks)| checks.iter().map(|check| check.id))
}

/// It is well.
fn ok(what: impl Into<String>, read: impl Into<String>) -> Vec<Found> {
    vec![Found { verdict: Verdict::Ok, what: what.into(), read: read.into(), fix: String::new() }]
}

/// It may hurt.
fn warn(what: impl Into<String>, read: impl Into<String>, fix: impl Into<String>) -> Vec<Found> {
    vec![Found { verdict: Verdict::Warn, what: what.into(), read: read.into(), fix: fix.into() }]
}

/// It keeps guests from running.
fn fail(what: impl Into<String>, read: impl Into<String>, fix: impl Into<String>) -> Vec<Found> {
    vec![Found { verdict: Verdict::Fail, what: what.into(), read: read.into(), fix: fix.into() }]
}

impl<'a> Subject<'a> {
    /// The graphics cards of the machine.
    fn cards(&self) -> impl Iterator<Item = &'a PciFunction> {
        self.host.pci.iter().filter(|function| is_display(function))
    }

    /// The graphics cards that a guest gets: those that the profile passes; else those that vfio-pci has or is to have,
    /// else those that the machine did not boot with, or all when it has no other.
    fn candidates(&self) -> Vec<&'a PciFunction> {
        let cards: Vec<_> = self.cards().collect();
        if let Some(passed) = self.passed {
            return cards.into_iter().filter(|card| passed.contains(&card.bdf)).collect();
        }
        let is_kept = |card: &&PciFunction| {
            [&card.driver, &card.driver_override].into_iter().flatten().any(|it| it == "vfio-pci")
        };
        let choices = [
            cards.iter().copied().filter(|card| is_kept(card)).collect::<Vec<_>>(),
            cards.iter().copied().filter(|card| !card.boot_vga).collect(),
        ];
        choices.into_iter().find(|choice| !choice.is_empty()).unwrap_or(cards)
    }

    /// The functions that go with `function`: all of its group, bridges apart.
    fn mates(&self, function: &PciFunction) -> Vec<&'a PciFunction> {
        let group = function.iommu_group;
        let mates = self.host.pci.iter().filter(|other| group.is_some() && other.iommu_group == group);
        mates.filter(|other| !other.bridge).collect()
    }

    /// The kernel's arguments.
    fn arguments(&self) -> impl Iterator<Item = &'a str> {
        self.host.system.command_line.split_ascii_whitespace()
    }

    fn is_intel(&self) -> bool {
        let host = self.host;
        // Older dumps have only the model's name.
        match host.system.cpu_vendor.as_deref() {
            Some(vendor) => vendor == "GenuineIntel",
            None => self.boot.intel || host.cpu_model.as_deref().is_some_and(|model| model.contains("Intel")),
        }
    }
}

/// Base class of display controllers; PCI Code and ID Assignment Specification.
fn is_display(function: &PciFunction) -> bool {
    function.class >> 16 == 0x03
}

/// An amount as people say it, like `20.5G`.
fn about(bytes: u64) -> String {
    let tenths = bytes.saturating_mul(10) >> 30;
    format!("{}.{}G", tenths / 10, tenths % 10)
}

/// Its address, and what people call it.
fn named(function: &PciFunction) -> String {
    match &function.names.device {
        Some(device) => format!("{} {device}", function.bdf),
        None => format!("{} ({:04x}:{:04x})", function.bdf, function.vendor, function.device),
    }
}

/// Where the facts of a function stand.
fn folder(function: &PciFunction) -> String {
    format!("/sys/bus/pci/devices/{}", function.bdf)
}
