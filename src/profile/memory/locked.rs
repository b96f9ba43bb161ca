//! `memory.locked`, and how much QEMU must be allowed to lock.

use super::Memory;
use crate::host::Host;
use crate::plan::{Class, Draft, Origin, Problem};
use crate::profile::numa::Numa;
use crate::profile::scene::Scene;
use crate::profile::switch::switch_or_word;
use crate::unit::{Bdf, Size, Version};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;

const AT: &str = "memory.locked";

/// First QEMU with `mem-lock=on-fault`; QEMU 10.0 change log.
const ON_FAULT: Version = Version::new(10, 0);

/// `false`, `true` or `"on-fault"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Locked {
    /// What is not used for long may be swapped.
    #[default]
    Off,
    /// All of it, from the start.
    On,
    /// Each page from when it is first used.
    OnFault,
}

impl JsonSchema for Locked {
    fn schema_name() -> Cow<'static, str> {
        "Locked".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "title": "true, false or \"on-fault\"",
            "anyOf": [{"type": "boolean"}, {"type": "string", "enum": ["on-fault"]}],
            "examples": [true, "on-fault"],
        })
    }
}

impl<'de> Deserialize<'de> for Locked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let switch = |on| if on { Self::On } else { Self::Off };
        let word = |text: &str| (text == "on-fault").then_some(Self::OnFault);
        switch_or_word(deserializer, "true, false or \"on-fault\"", switch, word)
    }
}

/// Room for QEMU itself beside the guest's memory, as libvirt has it (`qemuDomainGetMemLockLimitBytes`).
const QEMU_ITSELF: u64 = 1 << 30;

/// An IOMMU that the guest sees: each passed function has address spaces of its own then, and the kernel counts the
/// guest's memory once for each. The table `iommu` makes one, and so may `qemu.args`.
const GUEST_IOMMUS: [&str; 3] = ["intel-iommu", "amd-iommu", "virtio-iommu"];

impl Memory {
    /// Drafts `-overcommit mem-lock` and the limit of locked memory that QEMU needs for the `passed` PCI functions, and for so
    /// many `mediated` ones. After all that makes arguments.
    pub(in crate::profile) fn draft_locked(
        &self,
        numa: &[Numa],
        (passed, mediated): (&[Bdf], usize),
        scene: &Scene,
        draft: &mut Draft,
    ) {
        let devices = passed.len() + mediated;
        let locked = match self.locked {
            Locked::Off => None,
            Locked::On => Some("mem-lock=on"),
            Locked::OnFault => Some("mem-lock=on-fault"),
        };
        if let Some(locked) = locked {
            draft.contents.argv.setting("-overcommit", locked, Origin::given(AT));
            self.judge_locked(devices, scene, draft);
        }
        if locked.is_none() && devices == 0 {
            return;
        }
        let times = if devices > 1 && has_iommu(draft) { devices as u64 } else { 1 };
        let sum = Sum { ram: self.amount(numa), times, bars: bars(passed, scene.host) };
        draft.contents.locked_memory = Some(sum.total());
        if scene.host.locked_memory.is_some_and(|right| !right.allows(sum.total())) {
            draft.refuse(sum.refusal(devices, scene.host));
        }
    }

    fn judge_locked(&self, passed: usize, scene: &Scene, draft: &mut Draft) {
        if passed > 0 {
            draft.warn(
                Problem::new(Class::Invalid, AT, "locked with passed PCI functions says nothing new")
                    .why("VFIO pins all of the guest's memory already")
                    .fix("leave locked out"),
            );
        }
        if let (Locked::OnFault, Some(version)) = (self.locked, scene.version.filter(|version| *version < ON_FAULT)) {
            draft.refuse(
                Problem::new(Class::Impossible, AT, format!("QEMU {version} locks all memory at once, or none"))
                    .why(format!("QEMU {ON_FAULT} is the first that locks each page when it is used"))
                    .fix("locked = true"),
            );
        }
    }
}

fn has_iommu(draft: &Draft) -> bool {
    let words = draft.contents.argv.words();
    words.iter().any(|word| GUEST_IOMMUS.iter().any(|device| word.contains(device)))
}

/// Memory windows of the `passed` functions, which some kernels count when a guest's device may reach another's.
fn bars(passed: &[Bdf], host: &Host) -> Size {
    let functions = passed.iter().filter_map(|bdf| host.function(*bdf));
    let windows = functions.flat_map(|function| &function.bars).filter(|bar| !bar.io);
    Size::from_bytes(windows.map(|bar| bar.size.bytes()).fold(0, u64::saturating_add))
}

/// What is locked.
struct Sum {
    ram: Size,
    /// How often the guest's memory counts.
    times: u64,
    bars: Size,
}

impl Sum {
    fn total(&self) -> Size {
        let Self { ram, times, bars } = self;
        let parts = [ram.bytes().saturating_mul(*times), QEMU_ITSELF, bars.bytes()];
        Size::from_bytes(parts.into_iter().fold(0, u64::saturating_add))
    }

    fn refusal(&self, passed: usize, host: &Host) -> Problem {
        let (needed, Self { ram, times, bars }) = (self.total(), self);
        let bars = if bars.bytes() > 0 { format!(", {bars} for the windows of its devices") } else { String::new() };
        let most = host.locked_memory.and_then(|right| right.most).unwrap_or(Size::from_bytes(0));
        let (key, why) = match passed {
            0 => (AT, "the guest's memory is locked"),
            _ => ("pci[0]", "VFIO pins all of the guest's memory"),
        };
        let times = if *times > 1 {
            format!(" for each of {times} functions, behind the guest's IOMMU")
        } else {
            String::new()
        };
        let user = host.users.iter().find(|user| user.uid == host.euid);
        let user = user.map_or_else(|| format!("{}:", host.euid), |user| user.name.clone());
        // limits.d counts in KiB.
        let line = format!("{user} - memlock {}", needed.bytes().div_ceil(1024));
        Problem::new(
            Class::Denied,
            key,
            format!(
                "QEMU must lock {} bytes of memory, and user {} may lock {}",
                needed.bytes(),
                host.euid,
                most.bytes()
            ),
        )
        .why(format!("{why}: {ram}{times}{bars}, and 1G for QEMU itself"))
        .fix(format!(
            "echo '{line}' > /etc/security/limits.d/vmrun.conf   # as root; then log in again\n\
         In a systemd unit: LimitMEMLOCK={}",
            needed.bytes()
        ))
    }
}
