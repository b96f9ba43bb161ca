//! Addresses of devices, as people type them.

use crate::unit::Bdf;

/// `01:00` names a device by its first function, `01:00.0` a function of it.
pub(in crate::cli) fn address(text: &str) -> Result<Bdf, String> {
    text.parse().or_else(|why| format!("{text}.0").parse().map_err(|_| why))
}

#[cfg(test)]
mod test {
    use super::address;

    #[test]
    fn a_device_is_named_by_its_first_function() {
        let read = |text: &str| address(text).map(|bdf| bdf.to_string());
        assert_eq!(read("01:00").unwrap(), "0000:01:00.0");
        assert_eq!(read("0000:01:00").unwrap(), "0000:01:00.0");
        assert_eq!(read("01:00.1").unwrap(), "0000:01:00.1");
        assert!(read("games").unwrap_err().starts_with("`games` is not a PCI address"));
    }
}
