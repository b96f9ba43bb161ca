//! What the command line asks for. Words are `key=value`; a word that is not understood is an error, and a guest
//! with an error powers off, so that whoever waits for it hears of the mistake.

use crate::line;
use crate::poke::{self, Poke};
use crate::quoted::Quoted;

/// What happens after the report.
#[derive(Clone, Copy)]
pub enum Then {
    /// Soft off by ACPI.
    PowerOff,
    /// Sleep until the power button is pressed, then soft off.
    Wait,
    /// Sleep, and never obey the power button.
    Ignore,
    /// Reset the machine; the next start counts.
    Reset,
    /// Tell the host that the guest's kernel panicked, through pvpanic.
    Panic,
    /// Halt with interrupts closed, for ever.
    Hang,
    /// Run in a circle, for ever.
    Spin,
    /// Triple fault.
    Crash,
    /// Sleep with the memory kept, by ACPI; the firmware of whoever wakes up finds nothing to go on with and starts anew.
    Sleep,
    /// Tell the host through pvpanic that the guest powers off.
    Shutdown,
}

const THEN: &[(&[u8], Then)] = &[
    (b"poweroff", Then::PowerOff),
    (b"wait", Then::Wait),
    (b"ignore", Then::Ignore),
    (b"reset", Then::Reset),
    (b"panic", Then::Panic),
    (b"hang", Then::Hang),
    (b"spin", Then::Spin),
    (b"crash", Then::Crash),
    (b"sleep", Then::Sleep),
    (b"shutdown", Then::Shutdown),
];

/// The command line, understood.
#[derive(Clone, Copy)]
pub struct Command {
    /// `then=`, power off when not given.
    pub then: Then,
    /// `resets=`: how often [`Then::Reset`] resets before it powers off. 1 when not given.
    pub resets: u8,
    /// `report=brief`: no lines for single vCPUs and PCI functions.
    pub brief: bool,
    /// `year=`: the last two digits of the year that the clock is set to before the guest is done.
    pub year: Option<u8>,
    /// `poke=`: registers to write and read back before the guest is done, at most [`poke::MOST`].
    pub pokes: [Option<Poke>; poke::MOST],
}

impl Command {
    /// Reads `text` and writes a line `error` for each word that is not understood.
    pub fn parse(text: &[u8]) -> Self {
        let mut command = Self { then: Then::PowerOff, resets: 1, brief: false, year: None, pokes: [None; poke::MOST] };
        let mut understood = true;
        for word in text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()) {
            if command.take(word).is_none() {
                line!("error command={} is not known", Quoted(word));
                understood = false;
            }
        }
        if !understood {
            command.then = Then::PowerOff;
        }
        command
    }

    fn take(&mut self, word: &[u8]) -> Option<()> {
        let equals = word.iter().position(|&byte| byte == b'=')?;
        let (key, value) = (&word[..equals], &word[equals + 1..]);
        match key {
            b"then" => self.then = THEN.iter().find(|(name, _)| *name == value)?.1,
            b"resets" => self.resets = core::str::from_utf8(value).ok()?.parse().ok()?,
            b"report" if value == b"brief" => self.brief = true,
            b"report" if value == b"full" => self.brief = false,
            b"year" => self.year = Some(core::str::from_utf8(value).ok()?.parse().ok().filter(|year| *year < 100)?),
            b"poke" => *self.pokes.iter_mut().find(|free| free.is_none())? = Some(Poke::parse(value)?),
            _ => return None,
        }
        Some(())
    }
}
