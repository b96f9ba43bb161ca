//! `[[fw_cfg]]`: entries that firmware and guest read over QEMU's `fw_cfg`.

use super::scene::Scene;
use super::setting::Setting;
use crate::plan::{Class, Draft, Origin, Problem, Props};
use crate::unit::is_free_fw_cfg_name;
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::PathBuf;

/// An entry; QEMU's `-fw_cfg`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FwCfg {
    /// Its name; begins with `opt/`, and then a domain of whoever reads it: `opt/ovmf/X-PciMmio64Mb`. One of firmware's own
    /// begins with `etc/`, like `etc/igd-opregion`; those that QEMU gives every guest are refused.
    name: Name,
    /// Its content, from a file.
    file: Option<PathBuf>,
    /// Its content, as text without an ending zero.
    string: Option<String>,
}

/// A name that QEMU leaves to users, or makes in some guests only. QEMU: `docs/specs/fw_cfg.rst`; a name is 1 to 55 bytes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("pattern" = r"^(opt|etc)/[!-~]{1,51}$", "examples" = ["opt/ovmf/X-PciMmio64Mb"]))]
struct Name(String);

/// Bytes of a name, without the zero that ends it.
const NAME_BYTES: usize = 55;

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let plain = text.bytes().all(|byte| byte.is_ascii_graphic());
        match is_free_fw_cfg_name(&text) {
            true if plain && text.len() <= NAME_BYTES => Ok(Self(text)),
            true => Err(format!(
                "`{}` is {} bytes; a name is up to {NAME_BYTES} printable ASCII characters",
                text.escape_debug(),
                text.len()
            )),
            false => Err(format!(
                "`{0}` is one of QEMU's own names; those of users begin with opt/, like opt/org.example/{0}",
                text.escape_debug()
            )),
        }
    }
}

impl FwCfg {
    pub(super) fn paths(&self, setting: &Setting) -> Option<PathBuf> {
        self.file.as_deref().map(|file| setting.resolve(file))
    }
}

pub(super) fn draft(entries: &[FwCfg], scene: &Scene, draft: &mut Draft) {
    for (i, FwCfg { name: Name(name), file, string }) in entries.iter().enumerate() {
        let key = format!("fw_cfg[{i}]");
        let mut entry = Props::default();
        entry.set("name", name, Origin::given(format!("{key}.name")));
        match (file, string) {
            (Some(file), None) => {
                let path = scene.read_file(file, &format!("{key}.file"), Class::Impossible, draft);
                entry.set("file", path.to_string_lossy(), Origin::given(format!("{key}.file")));
            }
            (None, Some(string)) if string.is_empty() => {
                let problem = Problem::new(Class::Invalid, format!("{key}.string"), "an entry without content");
                draft.refuse(problem.why("QEMU takes an empty string for none").fix("string = \"1\""));
            }
            (None, Some(string)) => entry.set("string", string, Origin::given(format!("{key}.string"))),
            (None, None) | (Some(_), Some(_)) => {
                let problem = Problem::new(Class::Invalid, &key, "an entry has one content: a file or a string");
                draft.refuse(problem.fix("string = \"1\"   # or file = \"content.bin\""));
            }
        }
        if let Some(first) = entries[..i].iter().position(|earlier| earlier.name.0 == *name) {
            let what = format!("{name} is the name of fw_cfg[{first}] too");
            draft.refuse(Problem::new(Class::Invalid, format!("{key}.name"), what));
        }
        draft.contents.argv.backend_props("-fw_cfg", &entry);
    }
}
