//! QEMU's own door for firmware, `fw_cfg` (QEMU: docs/specs/fw_cfg.rst), by its two ports.

use crate::port;

const SELECTOR: u16 = 0x510;
const DATA: u16 = 0x511;
const SIGNATURE: u16 = 0x00;
const RAM_SIZE: u16 = 0x03;
const DIRECTORY: u16 = 0x19;

/// One item's bytes, read from its start on.
struct Item;

impl Item {
    fn select(key: u16) -> Self {
        port::write_u16(SELECTOR, key);
        Self
    }

    fn read<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        port::read_string(DATA, &mut bytes);
        bytes
    }
}

/// Whether this machine has `fw_cfg` at all.
fn present() -> bool {
    Item::select(SIGNATURE).read() == *b"QEMU"
}

/// Bytes of RAM as `-m` gave them, hot-plugged memory not counted; `None` without `fw_cfg`.
pub fn ram_size() -> Option<u64> {
    present().then(|| u64::from_le_bytes(Item::select(RAM_SIZE).read()))
}

/// The first 8 bytes of the file `name`, little-endian; `None` when there is no such file.
pub fn file_u64(name: &str) -> Option<u64> {
    let key = present().then(|| find(name)).flatten()?;
    Some(u64::from_le_bytes(Item::select(key).read()))
}

/// Key of the file `name`. The directory is big-endian: a count, then size, key, two bytes of nothing and the name.
fn find(name: &str) -> Option<u16> {
    let mut directory = Item::select(DIRECTORY);
    let count = u32::from_be_bytes(directory.read());
    for _ in 0..count {
        let _size: [u8; 4] = directory.read();
        let key = u16::from_be_bytes(directory.read());
        let _reserved: [u8; 2] = directory.read();
        let entry: [u8; 56] = directory.read();
        if entry.split(|&byte| byte == 0).next() == Some(name.as_bytes()) {
            return Some(key);
        }
    }
    None
}
