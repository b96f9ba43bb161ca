//! `cpu.hv`, `cpu.hv_spinlocks`, `cpu.hv_vendor_id`: what tells Windows that it is a guest, and helps it to be one.

use super::capability;
use super::host_vendor::HostVendor;
use super::reference::OTHER_SPELLING;
use super::scene::Scene;
use crate::plan::{Class, Draft, Origin, Problem};
use crate::unit::HvVendorId;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

/// Enlightenments that the user asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hyperv {
    /// Those of a list.
    These(Vec<Hv>),
    /// Those of a preset.
    Preset(Preset),
}

/// A choice of enlightenments by one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Preset {
    /// None.
    Off,
    /// `relaxed`, `vapic` and `time`, as guides for passed cards had them in 2016.
    Basic,
    /// All that make a usual Windows faster, and that every CPU with KVM can give.
    Recommended,
    /// All that this host's CPU and this QEMU can give, also those for a Windows that is a hypervisor itself.
    Max,
}

impl Preset {
    fn members(self, scene: &Scene) -> Vec<Hv> {
        let basic = [Hv::Relaxed, Hv::Vapic, Hv::Time];
        let more = [Hv::Vpindex, Hv::Runtime, Hv::Frequencies, Hv::Synic, Hv::Stimer, Hv::Tlbflush, Hv::Ipi];
        match self {
            Self::Off => Vec::new(),
            Self::Basic => basic.to_vec(),
            Self::Recommended => [&basic[..], &more].concat(),
            Self::Max => {
                let rows = ENLIGHTENMENTS.iter().map(|(hv, property, _)| (*hv, *property));
                rows.filter(|(hv, property)| hv.given_by(scene) && !capability::lacks_cpu(scene, property))
                    .map(|(hv, _)| hv)
                    .collect()
            }
        }
    }
}

/// An enlightenment by QEMU's name, without `hv-`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Hv {
    Relaxed,
    Vapic,
    Time,
    Vpindex,
    Runtime,
    Crash,
    Frequencies,
    Reset,
    Synic,
    Stimer,
    #[serde(alias = "stimer_direct")]
    StimerDirect,
    Tlbflush,
    #[serde(alias = "tlbflush_ext")]
    TlbflushExt,
    #[serde(alias = "tlbflush_direct")]
    TlbflushDirect,
    Ipi,
    Reenlightenment,
    Evmcs,
    #[serde(alias = "emsr_bitmap")]
    EmsrBitmap,
    #[serde(alias = "xmm_input")]
    XmmInput,
    Avic,
    #[serde(alias = "no_nonarch_coresharing")]
    NoNonarchCoresharing,
}

impl Hv {
    /// Whether the host's CPU can give it, whatever that CPU is besides.
    fn given_by(self, scene: &Scene) -> bool {
        match self {
            // Structures of Intel's virtualisation.
            Self::Evmcs | Self::EmsrBitmap | Self::TlbflushDirect => HostVendor::of(scene.host) == HostVendor::Intel,
            // The one needs an interrupt controller that Linux tells nobody of, the other is a promise that only pins keep.
            Self::Avic | Self::NoNonarchCoresharing => false,
            _ => true,
        }
    }
}

/// Enlightenment, its property, and what it needs first. QEMU: `docs/system/i386/hyperv.rst`.
const ENLIGHTENMENTS: &[(Hv, &str, &[Hv])] = &[
    (Hv::Relaxed, "hv-relaxed", &[]),
    (Hv::Vapic, "hv-vapic", &[]),
    (Hv::Time, "hv-time", &[]),
    (Hv::Vpindex, "hv-vpindex", &[]),
    (Hv::Runtime, "hv-runtime", &[]),
    (Hv::Crash, "hv-crash", &[]),
    (Hv::Frequencies, "hv-frequencies", &[]),
    (Hv::Reset, "hv-reset", &[]),
    (Hv::Synic, "hv-synic", &[Hv::Vpindex]),
    (Hv::Stimer, "hv-stimer", &[Hv::Vpindex, Hv::Synic, Hv::Time]),
    (Hv::StimerDirect, "hv-stimer-direct", &[Hv::Stimer]),
    (Hv::Tlbflush, "hv-tlbflush", &[Hv::Vpindex]),
    (Hv::TlbflushExt, "hv-tlbflush-ext", &[Hv::Tlbflush]),
    (Hv::TlbflushDirect, "hv-tlbflush-direct", &[Hv::Vapic]),
    (Hv::Ipi, "hv-ipi", &[Hv::Vpindex]),
    (Hv::Reenlightenment, "hv-reenlightenment", &[]),
    (Hv::Evmcs, "hv-evmcs", &[Hv::Vapic]),
    (Hv::EmsrBitmap, "hv-emsr-bitmap", &[Hv::Evmcs]),
    (Hv::XmmInput, "hv-xmm-input", &[]),
    (Hv::Avic, "hv-avic", &[]),
    (Hv::NoNonarchCoresharing, "hv-no-nonarch-coresharing", &[]),
];

impl Hyperv {
    /// Drafts the properties of `-cpu` for all three keys.
    pub(super) fn draft(
        hv: Option<&Self>,
        spinlocks: Option<u32>,
        vendor: Option<&HvVendorId>,
        scene: &Scene,
        draft: &mut Draft,
    ) {
        let asked: BTreeSet<Hv> = match hv {
            Some(Self::These(list)) => list.iter().copied().collect(),
            Some(Self::Preset(preset)) => preset.members(scene).into_iter().collect(),
            None => BTreeSet::new(),
        };
        let by_preset = matches!(hv, Some(Self::Preset(_)));
        let by_host = matches!(hv, Some(Self::Preset(Preset::Max)));
        let wanted = with_needs(&asked, HostVendor::of(scene.host) == HostVendor::Amd);
        for (hv, property, _) in ENLIGHTENMENTS.iter().filter(|(hv, ..)| wanted.contains(hv)) {
            let origin = if by_preset {
                let origin = Origin::derived("cpu.hv", "the preset holds it");
                if by_host { origin.read_in("/proc/cpuinfo and QEMU's list of CPU properties") } else { origin }
            } else if asked.contains(hv) {
                Origin::given("cpu.hv")
            } else {
                Origin::derived("cpu.hv", "another enlightenment needs it")
            };
            // QEMU 7.2 without KVM: "kernel doesn't allow setting HyperV VP_INDEX", and no start.
            if scene.kvm() || *hv != Hv::Vpindex {
                draft.contents.argv.cpu.switch(*property, true, origin);
            }
        }
        note_needs(&asked, &wanted, draft);
        judge_evmcs(&asked, scene, draft);
        if let Some(spins) = spinlocks {
            draft.contents.argv.cpu.set("hv-spinlocks", format!("{spins:#x}"), Origin::given("cpu.hv_spinlocks"));
        }
        if let Some(vendor) = vendor {
            let (vendor, origin) = vendor_id(vendor, scene);
            draft.contents.argv.cpu.set("hv-vendor-id", vendor, origin);
        }
        let any = !wanted.is_empty() || spinlocks.is_some();
        if vendor.is_some() && !any {
            draft.warn(vendor_alone());
        }
        if (any || vendor.is_some()) && !scene.kvm() {
            draft.warn(unseen());
        }
    }
}

/// The word that asks for a vendor id that nobody else has.
const RANDOM: &str = "random";

/// The vendor id; `"random"` is one of the guest's own, the same at every start.
fn vendor_id(given: &HvVendorId, scene: &Scene) -> (String, Origin) {
    if given.as_str() != RANDOM {
        return (given.as_str().to_owned(), Origin::given("cpu.hv_vendor_id"));
    }
    let why = "of the guest's name, so the same at every start and nobody else's";
    (HvVendorId::derived(scene.name.as_str()).as_str().to_owned(), Origin::derived("cpu.hv_vendor_id", why))
}

/// `asked` and, again and again, what its members need; on an AMD host nothing needs `evmcs`.
fn with_needs(asked: &BTreeSet<Hv>, amd: bool) -> BTreeSet<Hv> {
    let mut wanted = asked.clone();
    loop {
        let needs = ENLIGHTENMENTS.iter().filter(|(hv, ..)| wanted.contains(hv)).flat_map(|(.., needs)| needs.iter());
        let needs = needs.copied().filter(|need| !(amd && *need == Hv::Evmcs));
        let more: BTreeSet<Hv> = needs.filter(|need| !wanted.contains(need)).collect();
        if more.is_empty() {
            return wanted;
        }
        wanted.extend(more);
    }
}

fn note_needs(asked: &BTreeSet<Hv>, wanted: &BTreeSet<Hv>, draft: &mut Draft) {
    let names = |set: &dyn Fn(&Hv) -> bool| {
        let rows = ENLIGHTENMENTS.iter().filter(|(hv, ..)| set(hv));
        rows.map(|(_, property, _)| property.trim_start_matches("hv-")).collect::<Vec<_>>()
    };
    let added = names(&|hv| wanted.contains(hv) && !asked.contains(hv));
    if added.is_empty() {
        return;
    }
    let all: Vec<_> = names(&|hv| wanted.contains(hv)).iter().map(|name| format!("\"{name}\"")).collect();
    draft.warn(
        Problem::new(Class::Invalid, "cpu.hv", format!("{} added", added.join(", ")))
            .why("other enlightenments in the list need what was added, and QEMU refuses them without it")
            .fix(format!("hv = [{}]", all.join(", "))),
    );
}

/// Refuses what only Intel's virtualisation has: QEMU does not start with it on another CPU.
fn judge_evmcs(asked: &BTreeSet<Hv>, scene: &Scene, draft: &mut Draft) {
    if HostVendor::of(scene.host) == HostVendor::Amd && scene.kvm() && asked.contains(&Hv::Evmcs) {
        draft.refuse(
            Problem::new(Class::Impossible, "cpu.hv", "the host's CPU is AMD's, which has no evmcs")
                .why("it is about a structure of Intel's virtualisation, for Windows with Hyper-V in the guest")
                .fix("leave \"evmcs\" out of hv"),
        );
    }
}

fn vendor_alone() -> Problem {
    // QEMU: hyperv_enabled() in target/i386/kvm/kvm.c; the vendor id is not an enlightenment by itself.
    Problem::new(Class::Invalid, "cpu.hv_vendor_id", "the guest will not see the vendor id")
        .why("KVM shows the Hyper-V leaves only when at least one enlightenment is on")
        .fix("hv = [\"relaxed\", \"vapic\", \"time\"]")
}

fn unseen() -> Problem {
    // QEMU: cpu_x86_cpuid() in target/i386/cpu.c answers leaf 0x40000000 with TCGTCGTCGTCG.
    Problem::new(Class::Missing, "cpu.hv", "the guest will see no Hyper-V enlightenment and no Hyper-V vendor id")
        .why("they are shown by KVM; without it CPUID leaf 0x40000000 says TCGTCGTCGTCG")
        .fix("accel = \"kvm\" in [machine], on a host with KVM")
}

impl JsonSchema for Hyperv {
    fn schema_name() -> Cow<'static, str> {
        "Hyperv".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let name = generator.subschema_for::<Hv>();
        // QEMU takes its dashes as underscores too.
        let dashed = ENLIGHTENMENTS.iter().map(|(_, property, _)| property.trim_start_matches("hv-"));
        let spelt: Vec<_> = dashed.filter(|name| name.contains('-')).map(|name| name.replace('-', "_")).collect();
        let name = json_schema!({"anyOf": [name, {"type": "string", "enum": spelt, "$comment": OTHER_SPELLING}]});
        json_schema!({
            "anyOf": [{"type": "array", "items": name}, generator.subschema_for::<Preset>()],
            "examples": [["relaxed", "vapic", "time"], "recommended", "off"],
        })
    }
}

impl<'de> Deserialize<'de> for Hyperv {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(HypervVisitor)
    }
}

struct HypervVisitor;

impl<'de> Visitor<'de> for HypervVisitor {
    type Value = Hyperv;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "an array of enlightenments like [\"relaxed\", \"vapic\"], \"recommended\", \"max\", \"basic\" or \"off\"",
        )
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Hyperv, E> {
        let preset = Preset::deserialize(de::value::StrDeserializer::<E>::new(text));
        preset.map(Hyperv::Preset).map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<Hyperv, A::Error> {
        let mut asked = Vec::new();
        while let Some(hv) = names.next_element()? {
            asked.push(hv);
        }
        Ok(Hyperv::These(asked))
    }
}

#[cfg(test)]
mod test {
    use super::{ENLIGHTENMENTS, Hv, with_needs};

    #[test]
    fn needs_are_followed_to_their_end() {
        let all = with_needs(&[Hv::StimerDirect].into(), false);
        assert_eq!(all, [Hv::Vpindex, Hv::Synic, Hv::Time, Hv::Stimer, Hv::StimerDirect].into());
    }

    #[test]
    fn an_amd_host_has_no_evmcs_that_could_be_needed() {
        assert!(with_needs(&[Hv::EmsrBitmap].into(), false).contains(&Hv::Evmcs));
        assert!(!with_needs(&[Hv::EmsrBitmap].into(), true).contains(&Hv::Evmcs));
    }

    #[test]
    fn a_row_stands_after_the_rows_it_needs() {
        let place = |hv: &Hv| ENLIGHTENMENTS.iter().position(|(row, ..)| row == hv).unwrap();
        for (hv, _, needs) in ENLIGHTENMENTS {
            assert!(needs.iter().all(|need| place(need) < place(hv)));
        }
    }
}
