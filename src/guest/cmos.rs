//! The PC's clock and the battery-backed bytes beside it (Motorola MC146818).

use crate::port;

const INDEX: u16 = 0x70;
const DATA: u16 = 0x71;
const STATUS_A: u8 = 0x0a;
const STATUS_B: u8 = 0x0b;
const YEAR: u8 = 9;
/// QEMU keeps the century here, and names the place in ACPI's `FACP` table.
const CENTURY: u8 = 0x32;
/// Status A: the clock is being advanced.
const UPDATING: u8 = 0x80;
/// Status B: the numbers are binary, not BCD.
const BINARY: u8 = 0x04;

/// Reads one byte of the clock or of the memory behind it.
pub fn read(index: u8) -> u8 {
    port::write_u8(INDEX, index);
    port::read_u8(DATA)
}

/// Writes one byte.
pub fn write(index: u8, value: u8) {
    port::write_u8(INDEX, index);
    port::write_u8(DATA, value);
}

/// Year, month, day, hour, minute and second of the clock, which runs in 24 hours under QEMU.
pub fn time() -> [u16; 6] {
    loop {
        let time = read_time();
        if read(STATUS_A) & UPDATING == 0 && read_time() == time {
            return time;
        }
    }
}

/// Sets the last two digits of the clock's year.
pub fn set_year(year: u8) {
    let bcd = read(STATUS_B) & BINARY == 0;
    write(YEAR, if bcd { (year / 10) << 4 | year % 10 } else { year });
}

fn read_time() -> [u16; 6] {
    let [century, year, month, day, hour, minute, second] = [CENTURY, YEAR, 8, 7, 4, 2, 0].map(number);
    [century * 100 + year, month, day, hour, minute, second]
}

fn number(index: u8) -> u16 {
    let value = u16::from(read(index));
    if read(STATUS_B) & BINARY == 0 { (value >> 4) * 10 + (value & 0xf) } else { value }
}
