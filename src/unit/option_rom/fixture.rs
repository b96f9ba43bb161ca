//! Option ROMs made by hand.

/// An image as the tests describe it.
#[derive(Clone, Debug)]
pub(super) struct Image {
    pub(super) vendor: u16,
    pub(super) device: u16,
    pub(super) devices: Vec<u16>,
    pub(super) code_type: u8,
    pub(super) blocks: u16,
    pub(super) machine: u16,
    pub(super) compression: u16,
    pub(super) last: bool,
}

/// A legacy image for the seed's GTX 970, which is not the last.
pub(super) fn legacy() -> Image {
    let (vendor, device) = (0x10de, 0x13c2);
    Image { vendor, device, devices: vec![], code_type: 0, blocks: 2, machine: 0, compression: 0, last: false }
}

/// The UEFI image that follows it.
pub(super) fn uefi() -> Image {
    Image { code_type: 3, machine: 0x8664, compression: 1, last: true, ..legacy() }
}

impl Image {
    /// Its bytes.
    pub(super) fn bytes(&self) -> Vec<u8> {
        const DATA: usize = 0x40;
        const LIST: usize = 0x20;
        let mut bytes = vec![0; usize::from(self.blocks) * 512];
        let mut put = |at: usize, what: &[u8]| bytes[at..at + what.len()].copy_from_slice(what);
        put(0, &[0x55, 0xaa]);
        put(2, &self.blocks.to_le_bytes()[..if self.code_type == 3 { 2 } else { 1 }]);
        put(0x18, &0x40u16.to_le_bytes());
        if self.code_type == 3 {
            put(4, &[0xf1, 0x0e, 0, 0]);
            put(0x08, &11u16.to_le_bytes());
            put(0x0a, &self.machine.to_le_bytes());
            put(0x0c, &self.compression.to_le_bytes());
            put(0x16, &0x100u16.to_le_bytes());
            put(0x100, b"MZ");
        }
        put(DATA, b"PCIR");
        put(DATA + 4, &self.vendor.to_le_bytes());
        put(DATA + 6, &self.device.to_le_bytes());
        if !self.devices.is_empty() {
            put(DATA + 8, &0x20u16.to_le_bytes());
        }
        put(DATA + 0x0a, &[0x1c, 0, 3, 0, 0, 3]);
        put(DATA + 0x10, &self.blocks.to_le_bytes());
        put(DATA + 0x14, &[self.code_type, if self.last { 0x80 } else { 0 }]);
        for (i, id) in self.devices.iter().enumerate() {
            put(DATA + LIST + 2 * i, &id.to_le_bytes());
        }
        let sum = bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
        if let Some(end) = bytes.last_mut() {
            *end = end.wrapping_sub(sum);
        }
        bytes
    }
}

/// A ROM of `images`.
pub(super) fn rom(images: &[Image]) -> Vec<u8> {
    images.iter().flat_map(Image::bytes).collect()
}
