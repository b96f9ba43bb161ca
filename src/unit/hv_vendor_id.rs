//! Vendor id that the hypervisor shows to the guest.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The 1 to 12 ASCII bytes of CPUID leaf `0x40000000` that replace `Microsoft Hv`.
///
/// QEMU: `x86_cpu_hyperv_realize()` in `target/i386/cpu.c` cuts a longer one with only a warning, so it is refused here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = r"^[ -~]{1,12}$", "examples" = ["AuthenticAMD"]))]
pub struct HvVendorId(String);

impl HvVendorId {
    /// Twelve letters that depend only on `seed`, so they stay the same from run to run.
    #[must_use]
    pub fn derived(seed: &str) -> Self {
        let hash = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, format!("vmrun/hv/{seed}").as_bytes());
        Self(hash.as_bytes().iter().take(12).map(|byte| char::from(b'a' + byte % 26)).collect())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for HvVendorId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let printable = text.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
        match text.len() {
            1..=12 if printable => Ok(Self(text)),
            n => Err(format!(
                "`{}` is {n} bytes; the CPUID leaf holds 1 to 12 printable ASCII bytes",
                text.escape_debug()
            )),
        }
    }
}

impl From<HvVendorId> for String {
    fn from(id: HvVendorId) -> Self {
        id.0
    }
}

impl fmt::Display for HvVendorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod test {
    use super::HvVendorId;

    #[test]
    fn thirteen_bytes_are_refused_and_counted() {
        let refusal = HvVendorId::try_from("AuthenticAMD!".to_owned()).unwrap_err();
        assert!(refusal.contains("13 bytes"), "{refusal}");
    }

    #[test]
    fn a_derived_id_is_whole_and_of_its_seed_alone() {
        let id = HvVendorId::derived("win");
        assert_eq!((id.as_str().len(), &id), (12, &HvVendorId::derived("win")));
        assert_ne!(id, HvVendorId::derived("windows"));
    }

    #[test]
    fn nothing_and_control_characters_are_refused() {
        assert!(HvVendorId::try_from(String::new()).is_err());
        assert!(HvVendorId::try_from("a\0b".to_owned()).is_err());
        assert!(HvVendorId::try_from("sugoidesu".to_owned()).is_ok());
    }
}
