//! What functions are called.

use crate::host::PciFunction;

/// Maker and model, without the chip that the database has before it; `None` for one that it does not know.
///
/// Its names are like `GM204 [GeForce GTX 970]`.
pub(in crate::cli) fn known(function: &PciFunction) -> Option<String> {
    let (vendor, device) = (function.names.vendor.as_ref()?, function.names.device.as_ref()?);
    let model = device.split_once('[').and_then(|(_, rest)| rest.strip_suffix(']')).unwrap_or(device);
    Some(format!("{} {model}", short(vendor)))
}

/// Maker and device, or as much of it as is known.
pub(super) fn device(function: &PciFunction) -> String {
    let names = &function.names;
    match (&names.vendor, &names.device) {
        (Some(vendor), Some(device)) => format!("{} {device}", short(vendor)),
        (Some(vendor), None) => format!("{} device {:04x}", short(vendor), function.device),
        (None, _) => "not in the PCI id database".to_owned(),
    }
}

/// The class, by name or number.
pub(super) fn class(function: &PciFunction) -> String {
    function.names.class.clone().unwrap_or_else(|| format!("class {:04x}", function.class >> 8))
}

/// Vendor and device id, like `10de:13c2`.
pub(super) fn ids(function: &PciFunction) -> String {
    format!("{:04x}:{:04x}", function.vendor, function.device)
}

/// A maker without what lawyers add, or by the short name that the database has in brackets.
fn short(vendor: &str) -> &str {
    if let Some((_, rest)) = vendor.split_once('[')
        && let Some((short, _)) = rest.split_once(']')
    {
        return short;
    }
    let ends = [" Corporation", " Co., Ltd.", ", Inc.", " Inc.", " Corp.", " Limited", " Ltd.", ", Ltd"];
    ends.iter().find_map(|end| vendor.strip_suffix(end)).unwrap_or(vendor)
}

#[cfg(test)]
mod test {
    use super::{device, known, short};
    use crate::host::{PciFunction, PciNames};

    #[test]
    fn a_maker_has_a_short_name() {
        assert_eq!(short("Advanced Micro Devices, Inc. [AMD/ATI]"), "AMD/ATI");
        assert_eq!(short("NVIDIA Corporation"), "NVIDIA");
        assert_eq!(short("Realtek Semiconductor Co., Ltd."), "Realtek Semiconductor");
        assert_eq!(short("Odd [name"), "Odd [name");
    }

    #[test]
    fn a_card_is_known_by_its_model() {
        let named = |device: Option<&str>| {
            let names = PciNames {
                vendor: Some("NVIDIA Corporation".to_owned()),
                device: device.map(str::to_owned),
                ..PciNames::default()
            };
            known(&PciFunction { names, ..PciFunction::default() })
        };
        assert_eq!(named(Some("GM204 [GeForce GTX 970]")).as_deref(), Some("NVIDIA GeForce GTX 970"));
        assert_eq!(named(Some("GM204")).as_deref(), Some("NVIDIA GM204"));
        assert_eq!(named(None), None);
    }

    #[test]
    fn a_function_that_nobody_knows_is_said_to_be_so() {
        let mut function = PciFunction { vendor: 0x10de, device: 0x13c2, ..PciFunction::default() };
        assert_eq!(device(&function), "not in the PCI id database");
        function.names = PciNames { vendor: Some("NVIDIA Corporation".to_owned()), ..PciNames::default() };
        assert_eq!(device(&function), "NVIDIA device 13c2");
    }
}
