//! `cpu.hv`, `cpu.hv_spinlocks`, `cpu.hv_vendor_id`: what tells Windows that it is a guest, and helps it to be one.

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

/// Enlightenments that the user asked for; none for `"off"`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Hyperv(Vec<Hv>);

/// An enlightenment by QEMU's name, without `hv-`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Hv {
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
        let asked: BTreeSet<Hv> = hv.iter().flat_map(|hv| hv.0.iter().copied()).collect();
        let wanted = with_needs(&asked);
        for (hv, property, _) in ENLIGHTENMENTS.iter().filter(|(hv, ..)| wanted.contains(hv)) {
            let origin = if asked.contains(hv) {
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
        if let Some(spins) = spinlocks {
            draft.contents.argv.cpu.set("hv-spinlocks", format!("{spins:#x}"), Origin::given("cpu.hv_spinlocks"));
        }
        if let Some(vendor) = vendor {
            draft.contents.argv.cpu.set("hv-vendor-id", vendor.as_str(), Origin::given("cpu.hv_vendor_id"));
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

/// `asked` and, again and again, what its members need.
fn with_needs(asked: &BTreeSet<Hv>) -> BTreeSet<Hv> {
    let mut wanted = asked.clone();
    loop {
        let needs = ENLIGHTENMENTS.iter().filter(|(hv, ..)| wanted.contains(hv)).flat_map(|(.., needs)| needs.iter());
        let more: BTreeSet<Hv> = needs.copied().filter(|need| !wanted.contains(need)).collect();
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
            "anyOf": [{"type": "array", "items": name}, {"type": "string", "const": "off"}],
            "examples": [["relaxed", "vapic", "time"], "off"],
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
        f.write_str("an array of enlightenments like [\"relaxed\", \"vapic\"], or \"off\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Hyperv, E> {
        match text {
            "off" => Ok(Hyperv::default()),
            _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<Hyperv, A::Error> {
        let mut asked = Vec::new();
        while let Some(hv) = names.next_element()? {
            asked.push(hv);
        }
        Ok(Hyperv(asked))
    }
}

#[cfg(test)]
mod test {
    use super::{ENLIGHTENMENTS, Hv, with_needs};

    #[test]
    fn needs_are_followed_to_their_end() {
        let all = with_needs(&[Hv::StimerDirect].into());
        assert_eq!(all, [Hv::Vpindex, Hv::Synic, Hv::Time, Hv::Stimer, Hv::StimerDirect].into());
    }

    #[test]
    fn a_row_stands_after_the_rows_it_needs() {
        let place = |hv: &Hv| ENLIGHTENMENTS.iter().position(|(row, ..)| row == hv).unwrap();
        for (hv, _, needs) in ENLIGHTENMENTS {
            assert!(needs.iter().all(|need| place(need) < place(hv)));
        }
    }
}
