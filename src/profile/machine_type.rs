//! `machine.type`: which machine QEMU builds.

use crate::plan::Chipset;
use schemars::JsonSchema;
use serde::Deserialize;

/// A PC by QEMU's name: `q35`, `pc`, or one of a certain version, like `pc-q35-9.0` or `pc-i440fx-2.4`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("pattern" = r"^(q35|pc|pc-(q35|i440fx)-[0-9]+(\.[0-9]+)+)$", "examples" = ["q35", "pc", "pc-q35-9.0"]))]
pub(super) struct MachineType(String);

impl Default for MachineType {
    fn default() -> Self {
        Self("q35".into())
    }
}

impl TryFrom<String> for MachineType {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let versioned = ["pc-q35-", "pc-i440fx-"].iter().find_map(|prefix| text.strip_prefix(prefix));
        let known = text == "q35" || text == "pc" || versioned.is_some_and(is_version);
        if known {
            return Ok(Self(text));
        }
        Err(format!("`{text}` is not a machine that vmrun builds; write q35, pc, or one of a version like pc-q35-9.0"))
    }
}

fn is_version(text: &str) -> bool {
    let mut parts = text.split('.');
    let number =
        |part: Option<&str>| part.is_some_and(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    number(parts.next()) && number(parts.next()) && parts.all(|part| number(Some(part)))
}

impl MachineType {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn chipset(&self) -> Chipset {
        if self.0.contains("q35") { Chipset::Q35 } else { Chipset::I440fx }
    }

    /// Whether a machine pattern of a firmware descriptor, like `pc-q35-*`, is for this machine.
    ///
    /// QEMU: `docs/interop/firmware.json`. A bare `q35` or `pc` is the newest version of its family.
    pub(super) fn matches(&self, pattern: &str) -> bool {
        let name = match self.0.as_str() {
            "q35" => "pc-q35-",
            "pc" => "pc-i440fx-",
            versioned => versioned,
        };
        match pattern.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => pattern == self.0,
        }
    }
}

#[cfg(test)]
mod test {
    use super::MachineType;

    fn machine(name: &str) -> Result<MachineType, String> {
        MachineType::try_from(name.to_owned())
    }

    #[test]
    fn a_descriptor_pattern_is_for_all_versions_of_its_family() {
        assert!(machine("q35").unwrap().matches("pc-q35-*"));
        assert!(machine("pc-q35-9.0").unwrap().matches("pc-q35-*"));
        assert!(!machine("pc").unwrap().matches("pc-q35-*"));
    }

    #[test]
    fn other_machines_are_refused() {
        assert!(machine("microvm").is_err());
        assert!(machine("pc-q35-").is_err());
        assert!(machine("pc-q35-9.x").is_err());
    }
}
