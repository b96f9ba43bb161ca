//! `[smbios]`: what the guest's firmware calls the machine.

mod fields;
mod value;

use super::scene::Scene;
use crate::plan::{Class, Draft, Origin, Problem, Props};
use fields::{Bios, Board, Chassis, Fields, Memory, Processor, System};
use schemars::JsonSchema;
use serde::Deserialize;
use value::Text;

/// Names in the SMBIOS tables, which the guest shows as maker and model; QEMU's `-smbios`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Smbios {
    /// Where names come from that are not given here: `host` copies those of this machine, without its serial numbers.
    preset: Option<Preset>,
    /// The firmware; SMBIOS type 0.
    #[serde(default)]
    bios: Bios,
    /// The machine; SMBIOS type 1.
    #[serde(default)]
    system: System,
    /// The mainboard; SMBIOS type 2.
    #[serde(default)]
    board: Board,
    /// The case; SMBIOS type 3.
    #[serde(default)]
    chassis: Chassis,
    /// The processor; SMBIOS type 4.
    #[serde(default)]
    processor: Processor,
    /// The modules of memory; SMBIOS type 17.
    #[serde(default)]
    memory: Memory,
    /// Free strings, by which programs in the guest are told something; SMBIOS type 11.
    #[serde(default)]
    oem_strings: Vec<Text>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Preset {
    /// The names of this machine.
    Host,
}

impl Smbios {
    /// Whether the host's own names are copied.
    pub(super) fn copies(&self) -> bool {
        self.preset == Some(Preset::Host)
    }
}

pub(super) fn draft(smbios: Option<&Smbios>, scene: &Scene, draft: &mut Draft) {
    let Some(Smbios { preset, bios, system, board, chassis, processor, memory, oem_strings }) = smbios else { return };
    if *preset == Some(Preset::Host) && scene.host.dmi.is_empty() {
        let problem =
            Problem::new(Class::Impossible, "smbios.preset", "the firmware of this host has no names to copy");
        draft.refuse(problem.why("/sys/class/dmi/id is empty").fix("[smbios.system]\nmanufacturer = \"…\""));
    }
    let tables: [(&str, u8, &dyn Fields); 6] = [
        ("bios", 0, bios),
        ("system", 1, system),
        ("board", 2, board),
        ("chassis", 3, chassis),
        ("processor", 4, processor),
        ("memory", 17, memory),
    ];
    for (name, kind, table) in tables {
        let given = table.texts().into_iter().map(|field| {
            let key = format!("smbios.{name}.{}", field.name.replace('-', "_"));
            let copied = preset.and(field.dmi).and_then(|dmi| scene.host.dmi.get(dmi).cloned());
            let dmi = format!("/sys/class/dmi/id/{}", field.dmi.unwrap_or_default());
            let origin = Origin::derived("smbios.preset", "the host's own name for it").read_in(dmi);
            let copied = copied.map(|text| (text, origin));
            (field.name, field.text.map(|text| (text, Origin::given(key))).or(copied))
        });
        let mut option = Props::default();
        option.set("type", kind.to_string(), Origin::given(format!("smbios.{name}")));
        let mut any = false;
        for (field, (text, origin)) in given.filter_map(|(field, value)| Some((field, value?))) {
            any = true;
            option.set(field, text, origin);
        }
        if any {
            if kind == 0 && scene.uefi {
                option.switch("uefi", true, Origin::derived("firmware.kind", "the guest's firmware is UEFI"));
            }
            draft.contents.argv.backend_props("-smbios", &option);
        }
    }
    draft_oem_strings(oem_strings, draft);
}

/// Each is a `value=` of its own; only a comma needs quoting.
fn draft_oem_strings(strings: &[Text], draft: &mut Draft) {
    if strings.is_empty() {
        return;
    }
    let values: String = strings.iter().map(|Text(text)| format!(",value={}", text.replace(',', ",,"))).collect();
    draft.contents.argv.setting("-smbios", format!("type=11{values}"), Origin::given("smbios.oem_strings"));
}
