//! Names of CPU models and features.

use schemars::JsonSchema;
use serde::Deserialize;

/// A name of letters, digits, `-`, `_` and `.`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("pattern" = r"^[A-Za-z0-9._-]+$", "examples" = ["host", "max", "EPYC"]))]
pub(super) struct Model(pub(super) String);

impl Model {
    /// Whether the guest sees a CPU as the host has one, or what there is of it.
    pub(super) fn shows_host(&self) -> bool {
        matches!(self.0.as_str(), "host" | "max")
    }
}

impl Default for Model {
    fn default() -> Self {
        Self("host".into())
    }
}

impl TryFrom<String> for Model {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let odd = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
        if text.is_empty() || text.contains(odd) {
            return Err(format!(
                "`{}` is not a CPU model; write host, max, or a name that `qemu -cpu help` prints",
                text.escape_debug()
            ));
        }
        Ok(Self(text))
    }
}

/// `+` and the feature adds it, `-` and the feature takes it away.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("pattern" = r"^[+-][A-Za-z0-9._-]+$", "examples" = ["+invtsc", "-amd-stibp"]))]
pub(super) struct Flag {
    pub(super) name: String,
    pub(super) on: bool,
}

impl TryFrom<String> for Flag {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let shape =
            || format!("`{text}` is not a CPU flag; write +NAME to add it or -NAME to take it away, like +invtsc");
        let on = match text.chars().next() {
            Some('+') => true,
            Some('-') => false,
            _ => return Err(shape()),
        };
        let name = text[1..].replace('_', "-");
        let odd = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '.'));
        if name.is_empty() || name.contains(odd) {
            return Err(shape());
        }
        match name.as_str() {
            "kvm" => Err("the flag kvm has a key of its own: hide_kvm = true".into()),
            hv if hv.starts_with("hv-") => {
                Err(format!("the flag {hv} has a key of its own: hv, hv_spinlocks or hv_vendor_id"))
            }
            _ => Ok(Self { name, on }),
        }
    }
}
