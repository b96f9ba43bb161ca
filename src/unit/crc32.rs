//! The checksum that everybody has.

/// CRC-32 of `bytes`; IEEE 802.3. A table would be faster; what is checked here has some kilobytes.
#[must_use]
pub fn crc32(bytes: &[u8]) -> u32 {
    let bit = |crc: u32, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), bit))
}

#[cfg(test)]
mod test {
    use super::crc32;

    #[test]
    fn it_is_the_one_of_the_standard() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }
}
