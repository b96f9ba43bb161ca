//! The report's way out: the first serial port, 115200 8N1, one fact a line.

use core::fmt::{self, Arguments, Write};
use core::hint;

use crate::port;

const COM1: u16 = 0x3f8;
const DATA: u16 = COM1;
const INTERRUPT_ENABLE: u16 = COM1 + 1;
const FIFO_CONTROL: u16 = COM1 + 2;
const LINE_CONTROL: u16 = COM1 + 3;
const MODEM_CONTROL: u16 = COM1 + 4;
const LINE_STATUS: u16 = COM1 + 5;
/// Line status: the transmit FIFO is empty.
const TRANSMIT_EMPTY: u8 = 1 << 5;
/// Bytes that a 16550A takes when its FIFO is empty.
const FIFO: usize = 16;

/// Sets the port to 115200 8N1 with its FIFO on and its interrupts off.
pub fn open() {
    port::write_u8(INTERRUPT_ENABLE, 0);
    // Divisor latch open, divisor 1.
    port::write_u8(LINE_CONTROL, 0x80);
    port::write_u8(DATA, 1);
    port::write_u8(INTERRUPT_ENABLE, 0);
    port::write_u8(LINE_CONTROL, 0x03);
    port::write_u8(FIFO_CONTROL, 0x07);
    // DTR, RTS
    port::write_u8(MODEM_CONTROL, 0x03);
}

/// Writes one line of the report; `line!` is the comfortable form.
pub fn line(text: Arguments<'_>) {
    let mut port = Port { room: 0 };
    // `Port` never fails, and neither does any `Display` of this program.
    let _ = writeln!(port, "vmrun-guest: {text}");
}

/// Writes one line of the report, with the prefix that every line has.
#[macro_export]
macro_rules! line {
    ($($text:tt)*) => { $crate::serial::line(format_args!($($text)*)) };
}

/// The transmitter, and how many bytes its FIFO takes before its status must be asked again.
struct Port {
    room: usize,
}

impl Write for Port {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if self.room == 0 {
                while port::read_u8(LINE_STATUS) & TRANSMIT_EMPTY == 0 {
                    hint::spin_loop();
                }
                self.room = FIFO;
            }
            port::write_u8(DATA, byte);
            self.room -= 1;
        }
        Ok(())
    }
}
