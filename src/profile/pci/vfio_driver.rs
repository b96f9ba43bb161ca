//! `pci.driver`: the driver by which QEMU gets the function.

use super::Passed;
use crate::plan::{Binding, VFIO};
use schemars::JsonSchema;
use serde::Deserialize;

/// Name of a VFIO driver.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("pattern" = "^[a-z0-9_-]*vfio[_-]pci$", "examples" = ["vfio-pci", "mlx5_vfio_pci"]))]
pub(super) struct VfioDriver(String);

impl TryFrom<String> for VfioDriver {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let plain =
            text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte));
        if plain && Binding::only(&text).is_vfio() {
            return Ok(Self(text));
        }
        Err(format!("`{}` gives no device to QEMU; vfio-pci does, or a driver like mlx5_vfio_pci", text.escape_debug()))
    }
}

/// The driver for `one`, which the profile names, or the kernel's best.
pub(super) fn of<'a>(one: &'a Passed) -> &'a str {
    let given = one.table.driver.as_ref().map(|VfioDriver(name)| name.as_str());
    given.or(one.function.variant.as_deref()).unwrap_or(VFIO)
}
