//! `[[acpi_table]]`: further ACPI tables.

use super::scene::Scene;
use super::setting::Setting;
use crate::host::PathFact;
use crate::plan::{Class, Draft, Origin, Problem, Props};
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::PathBuf;

/// An ACPI table for the guest, like a laptop's battery or an OEM licence; QEMU's `-acpitable`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AcpiTable {
    /// File with the whole table, as `/sys/firmware/acpi/tables` shows it or `iasl` made it.
    file: PathBuf,
}

/// Bytes of the header that every table has; ACPI 6.5, section 5.2.6.
const HEADER: u64 = 36;

/// Most bytes of a table. QEMU: `acpi_table_install()`, `hw/acpi/core.c`.
const MOST: u64 = 65535;

impl AcpiTable {
    pub(super) fn paths(&self, setting: &Setting) -> PathBuf {
        setting.resolve(&self.file)
    }
}

pub(super) fn draft(tables: &[AcpiTable], scene: &Scene, draft: &mut Draft) {
    for (i, AcpiTable { file }) in tables.iter().enumerate() {
        let key = format!("acpi_table[{i}].file");
        let path = scene.read_file(file, &key, Class::Impossible, draft);
        let wrong = match scene.host.path(&path) {
            // The files of sysfs say a size of 0 on some kernels; QEMU judges what it reads.
            PathFact::File { size: size @ 1..HEADER, .. } => Some((size, "begins with a header of", HEADER)),
            PathFact::File { size, .. } if *size > MOST => Some((size, "that QEMU takes has at most", MOST)),
            _ => None,
        };
        if let Some((size, has, bound)) = wrong {
            let what = format!("{} has {size} bytes; an ACPI table {has} {bound}", path.display());
            draft.refuse(Problem::new(Class::Impossible, &key, what));
        }
        let mut table = Props::default();
        table.set("file", path.to_string_lossy(), Origin::given(key));
        draft.contents.argv.backend_props("-acpitable", &table);
    }
}
