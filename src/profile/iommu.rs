//! `[iommu]`: an IOMMU that the guest sees.

use super::disk_bus::place_on_root;
use super::machine::Machine;
use super::scene::Scene;
use crate::plan::{Chipset, Class, Draft, Origin, Problem};
use crate::unit::{PciSlot, Version};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// An IOMMU that the guest sees: with it the guest can pass devices on to guests of its own, guard itself against its
/// devices, and take interrupts on vCPUs beyond the 255th. One that the guest uses costs speed at each transfer. Virtio
/// devices reach the guest's memory without it. Only on machine `q35`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Iommu {
    /// Which IOMMU; QEMU's `intel-iommu`, `amd-iommu` and `virtio-iommu-pci`.
    #[serde(default)]
    model: Model,
    /// Whether it remaps interrupts, without which a guest passes devices on only unsafely. It does unless
    /// `machine.kernel_irqchip` is `"on"`, with which it cannot. Not for `virtio`.
    intremap: Option<bool>,
    /// Whether interrupts reach vCPUs beyond the 255th (x2APIC); on when there are such. QEMU's `eim`, and `xtsup` of `amd`,
    /// which QEMU 9.2 is the first to have.
    eim: Option<bool>,
    /// Whether the guest tells of new mappings too, which a passed device needs; on when the guest has one. QEMU's
    /// `caching-mode`; only for `intel`.
    caching_mode: Option<bool>,
    /// Whether devices may keep translations (ATS), which vhost devices behind it need. QEMU's `device-iotlb`; not for
    /// `virtio`.
    device_iotlb: Option<bool>,
    /// Bits of the addresses that devices use: 39 or 48 for `intel`, 32 to 64 for `virtio`. QEMU's own choice unless given.
    /// QEMU's `aw-bits`.
    aw_bits: Option<u8>,
    /// Whether it translates addresses at all; one that does not serves its interrupts only, and costs nothing. It does
    /// unless given. QEMU's `dma-translation`; only for `intel`.
    dma_translation: Option<bool>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Model {
    /// Intel's VT-d, which every guest has a driver for.
    #[default]
    Intel,
    /// AMD's, which no passed device can be behind.
    Amd,
    /// Virtio's, which Linux has a driver for; it remaps no interrupts.
    Virtio,
}

impl Model {
    fn as_str(self) -> &'static str {
        match self {
            Self::Intel => "intel",
            Self::Amd => "amd",
            Self::Virtio => "virtio",
        }
    }
}

/// First QEMU whose `eim` works without KVM; QEMU 9.0 change log, "x2APIC for TCG".
const X2APIC_IN_TCG: Version = Version::new(9, 0);

/// First QEMU with `amd-iommu,xtsup`; QEMU 9.2 change log.
const XTSUP: Version = Version::new(9, 2);

/// First QEMU with `virtio-iommu-pci,aw-bits`; QEMU 9.0 change log.
const VIRTIO_AW_BITS: Version = Version::new(9, 0);

/// First QEMU with `intel-iommu,dma-translation`; libvirt: `caps_7.1.0_x86_64.xml` of its `tests/qemucapabilitiesdata` has it,
/// `caps_7.0.0_x86_64.xml` has not.
const DMA_TRANSLATION: Version = Version::new(7, 1);

/// Device number that QEMU gives to the PCI function of `amd-iommu`: the first that is free, and nothing was there before.
const AMD_DEVICE: u8 = 1;

/// What the IOMMU is for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Uses<'a> {
    pub(super) machine: &'a Machine,
    /// Whether a vCPU has an APIC id beyond 254.
    pub(super) wide: bool,
    /// Whether a device of the host is passed: where that is asked for.
    pub(super) passed: Option<&'static str>,
}

/// Why interrupt controllers must be split between kernel and QEMU, when the guest's IOMMU remaps interrupts.
pub(super) fn split(iommu: Option<&Iommu>) -> Option<Origin> {
    iommu.filter(|iommu| iommu.remaps())?;
    Some(Origin::derived("iommu.intremap", "the IOMMU that remaps interrupts is in QEMU, so they go through it"))
}

/// Whether the guest has an IOMMU that takes interrupts to all vCPUs.
pub(super) fn reaches_all(iommu: Option<&Iommu>) -> bool {
    iommu.is_some_and(|iommu| iommu.remaps() && iommu.eim != Some(false))
}

/// Drafts the device; before all that it stands in front of, since a passed device asks for it when it is made.
pub(super) fn draft(iommu: Option<&Iommu>, uses: Uses, scene: &Scene, draft: &mut Draft) {
    let Some(iommu) = iommu else { return };
    if draft.slots.chipset() != Chipset::Q35 {
        let what = format!("model = \"{}\" on machine pc", iommu.model.as_str());
        let problem = Problem::new(Class::Invalid, "iommu.model", what);
        return draft.refuse(problem.why("only q35 has a place for an IOMMU").fix("type = \"q35\" in [machine]"));
    }
    iommu.judge_model(draft);
    iommu.judge_interrupts(uses, scene, draft);
    iommu.judge_passed(uses.passed, draft);
    iommu.judge_bits(scene, draft);
    iommu.judge_translation(scene, draft);
    let origin = Origin::given("iommu");
    match iommu.model {
        Model::Intel => draft.contents.argv.device(&iommu.intel(uses, scene), origin),
        Model::Amd => {
            take_amd_device(draft);
            draft.contents.argv.device(&iommu.amd(uses, scene), origin);
        }
        Model::Virtio => iommu.draft_virtio(&origin, draft),
    }
    iommu.explain(uses, scene, draft);
}

/// Keeps the VGA card and root ports off the address that QEMU chooses.
fn take_amd_device(draft: &mut Draft) {
    if PciSlot::new(AMD_DEVICE, 0).is_some_and(|slot| !draft.slots.is_free(slot)) {
        let what = format!("another device is to be at {AMD_DEVICE:02x}, where QEMU puts AMD's IOMMU");
        draft.refuse(Problem::new(Class::Invalid, "iommu.model", what).fix("another address for that device"));
    }
    draft.slots.reserve(AMD_DEVICE);
}

impl Iommu {
    /// Whether it remaps interrupts, as far as itself is asked.
    fn remaps(&self) -> bool {
        self.model != Model::Virtio && self.intremap != Some(false)
    }

    fn intremap(&self, uses: Uses, scene: &Scene) -> bool {
        self.intremap.unwrap_or(!uses.machine.keeps_irqchip_in_kernel(scene))
    }

    fn eim(&self, uses: Uses, scene: &Scene) -> bool {
        self.eim.unwrap_or(uses.wide && self.intremap(uses, scene))
    }

    fn intel(&self, uses: Uses, scene: &Scene) -> Value {
        let mut device = json!({"driver": "intel-iommu", "id": "iommu"});
        device["intremap"] = on_off(self.intremap(uses, scene));
        device["eim"] = on_off(self.eim(uses, scene));
        device["caching-mode"] = json!(self.caching_mode.unwrap_or(uses.passed.is_some()));
        set(&mut device, "device-iotlb", self.device_iotlb);
        set(&mut device, "aw-bits", self.aw_bits);
        set(&mut device, "dma-translation", self.dma_translation);
        device
    }

    fn amd(&self, uses: Uses, scene: &Scene) -> Value {
        let mut device = json!({"driver": "amd-iommu", "id": "iommu"});
        device["intremap"] = on_off(self.intremap(uses, scene));
        if self.eim(uses, scene) {
            device["xtsup"] = json!(true);
        }
        set(&mut device, "device-iotlb", self.device_iotlb);
        device
    }

    /// Virtio's is a PCI function, and QEMU wants it on the root bus.
    fn draft_virtio(&self, origin: &Origin, draft: &mut Draft) {
        let mut device = json!({"driver": "virtio-iommu-pci", "id": "iommu"});
        set(&mut device, "aw-bits", self.aw_bits);
        place_on_root(device, origin, draft);
    }

    /// Says what of the device nobody wrote.
    fn explain(&self, uses: Uses, scene: &Scene, draft: &mut Draft) {
        let argv = &mut draft.contents.argv;
        let remaps = self.remaps() && self.intremap(uses, scene);
        if remaps && self.intremap.is_none() {
            let why = "a guest passes devices on safely only when interrupts are remapped";
            argv.explain("iommu", Origin::derived("iommu.intremap", why));
        }
        if remaps && self.eim.is_none() && uses.wide {
            let why = "interrupts reach vCPUs beyond the 255th only with it";
            argv.explain("iommu", Origin::derived("iommu.eim", why));
        }
        if let Some(table) = uses.passed.filter(|_| self.model == Model::Intel && self.caching_mode.is_none()) {
            let why = "VFIO must hear of all that the guest maps for a passed device";
            argv.explain("iommu", Origin::derived(table, why));
        }
    }

    /// Keys that the model does not have.
    fn judge_model(&self, draft: &mut Draft) {
        let Self { model, intremap, eim, caching_mode, device_iotlb, aw_bits, dma_translation } = self;
        let (intel, virtio) = (*model == Model::Intel, *model == Model::Virtio);
        let rows = [
            ("intremap", intremap.is_some() && virtio),
            ("eim", eim.is_some() && virtio),
            ("caching_mode", caching_mode.is_some() && !intel),
            ("device_iotlb", device_iotlb.is_some() && virtio),
            ("aw_bits", aw_bits.is_some() && *model == Model::Amd),
            ("dma_translation", dma_translation.is_some() && !intel),
        ];
        for (key, _) in rows.into_iter().filter(|(_, wrong)| *wrong) {
            let what = format!("model = \"{}\" has no {key}", model.as_str());
            draft.refuse(Problem::new(Class::Invalid, format!("iommu.{key}"), what).fix("model = \"intel\""));
        }
    }

    /// What QEMU refuses: remapping beside a kernel's interrupt controllers, and x2APIC without remapping.
    fn judge_interrupts(&self, uses: Uses, scene: &Scene, draft: &mut Draft) {
        if self.model == Model::Virtio {
            return;
        }
        if self.intremap == Some(true) && uses.machine.keeps_irqchip_in_kernel(scene) {
            let what = "intremap = true with kernel_irqchip = \"on\"";
            draft.refuse(
                Problem::new(Class::Invalid, "iommu.intremap", what)
                    .why("interrupts that are remapped go through QEMU")
                    .fix("kernel_irqchip = \"split\" in [machine]   # or leave it out"),
            );
        }
        if self.eim == Some(true) && !self.intremap(uses, scene) {
            let problem = Problem::new(Class::Invalid, "iommu.eim", "eim = true without remapped interrupts");
            draft.refuse(problem.fix("intremap = true, and no kernel_irqchip = \"on\" in [machine]"));
        }
        let (key, first) = match self.model {
            Model::Amd => ("xtsup", XTSUP),
            _ if !scene.kvm() => ("eim without KVM", X2APIC_IN_TCG),
            _ => return,
        };
        if let Some(version) = scene.version.filter(|version| *version < first && self.eim(uses, scene)) {
            let what = format!("QEMU {version} has no {key} for its {} IOMMU", self.model.as_str());
            let problem = Problem::new(Class::Impossible, "iommu.eim", what);
            draft.refuse(problem.why(format!("QEMU {first} is the first that has it")).fix("eim = false"));
        }
    }

    /// VFIO must hear of each mapping that the guest makes. QEMU: `vtd_iommu_notify_flag_changed`,
    /// `amdvi_iommu_notify_flag_changed`.
    fn judge_passed(&self, passed: Option<&'static str>, draft: &mut Draft) {
        let Some(table) = passed else { return };
        if self.model == Model::Amd {
            let what = format!("model = \"amd\" and a device of [[{table}]]");
            draft.refuse(
                Problem::new(Class::Impossible, "iommu.model", what)
                    .why("QEMU's amd-iommu does not tell VFIO what the guest maps, and QEMU would not start")
                    .fix("model = \"intel\"   # it does on a host of AMD's too; or \"virtio\""),
            );
        }
        if self.model == Model::Intel && self.caching_mode == Some(false) {
            let what = format!("caching_mode = false and a device of [[{table}]]");
            draft.refuse(
                Problem::new(Class::Invalid, "iommu.caching_mode", what)
                    .why("VFIO would not hear what the guest maps, and QEMU would not start")
                    .fix("caching_mode = true   # or leave it out"),
            );
        }
    }

    fn judge_bits(&self, scene: &Scene, draft: &mut Draft) {
        let Some(bits) = self.aw_bits else { return };
        let (right, which) = match self.model {
            Model::Intel => (matches!(bits, 39 | 48), "39 or 48"),
            Model::Virtio => ((32..=64).contains(&bits), "32 to 64"),
            Model::Amd => return,
        };
        if !right {
            let what = format!("aw_bits = {bits}; {}'s IOMMU has {which}", self.model.as_str());
            draft.refuse(Problem::new(Class::Invalid, "iommu.aw_bits", what).fix("aw_bits = 48"));
        }
        let old = scene.version.filter(|version| *version < VIRTIO_AW_BITS && self.model == Model::Virtio);
        if let Some(version) = old {
            let what = format!("QEMU {version} has no aw-bits for virtio's IOMMU");
            let problem = Problem::new(Class::Impossible, "iommu.aw_bits", what);
            draft.refuse(problem.why(format!("QEMU {VIRTIO_AW_BITS} is the first that has it")).fix("leave it out"));
        }
    }

    fn judge_translation(&self, scene: &Scene, draft: &mut Draft) {
        let given = self.dma_translation.is_some() && self.model == Model::Intel;
        if let Some(version) = scene.version.filter(|version| given && *version < DMA_TRANSLATION) {
            let what = format!("QEMU {version} has no dma-translation for Intel's IOMMU");
            let problem = Problem::new(Class::Impossible, "iommu.dma_translation", what);
            draft.refuse(problem.why(format!("QEMU {DMA_TRANSLATION} is the first that has it")).fix("leave it out"));
        }
    }
}

fn set<T: serde::Serialize>(device: &mut Value, property: &str, value: Option<T>) {
    if let Some(value) = value {
        device[property] = json!(value);
    }
}

fn on_off(on: bool) -> Value {
    json!(if on { "on" } else { "off" })
}
