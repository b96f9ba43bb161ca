//! The terminal that is drawn over and over, and is as before when this is gone.

use crate::supervise::Signals;
use anstream::adapter::strip_str;
use anstream::{AutoStream, ColorChoice};
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use std::io::{self, Write};
use std::panic;
use terminal_size::{Height, Width, terminal_size};
use tokio::io::AsyncReadExt;

/// Shows the cursor, and the terminal's usual screen; xterm's control sequences.
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

/// The other screen of a terminal, with single keys from its keyboard.
pub(super) struct Screen {
    before: Termios,
    keys: tokio::io::Stdin,
    signals: Signals,
}

impl Screen {
    /// Takes the terminal.
    pub(super) fn enter() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut single = before.clone();
        // Ctrl-C stays a signal.
        single.local_flags &= !(LocalFlags::ICANON | LocalFlags::ECHO);
        let signals = Signals::new()?;
        tcsetattr(io::stdin(), SetArg::TCSADRAIN, &single)?;
        let screen = Self { before, keys: tokio::io::stdin(), signals };
        // What is said of a mistake of vmrun's own would go with the screen.
        let tell = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            _ = say(LEAVE);
            tell(panic);
        }));
        say("\x1b[?1049h\x1b[?25l")?;
        Ok(screen)
    }

    /// Columns and lines; those of a small terminal when it does not tell.
    pub(super) fn size() -> (usize, usize) {
        match terminal_size() {
            Some((Width(width @ 1..), Height(height @ 1..))) => (width.into(), height.into()),
            _ => (80, 24),
        }
    }

    /// Draws `lines` over what was there.
    pub(super) fn draw(lines: &[String]) -> io::Result<()> {
        let mut text = "\x1b[H".to_owned();
        // What moves the cursor stays, whoever wants no colours.
        let plain = AutoStream::choice(&io::stdout()) == ColorChoice::Never;
        for line in lines {
            let line = if plain { strip_str(line).to_string() } else { line.clone() };
            text.extend([&line, "\x1b[K\r\n"]);
        }
        text.push_str("\x1b[J");
        say(&text)
    }

    /// Waits for a key or a signal; whether it is one that leaves. May be dropped and called again.
    pub(super) async fn left(&mut self) -> bool {
        let Self { keys, signals, .. } = self;
        let mut byte = [0];
        tokio::select! {
            read = keys.read(&mut byte) => matches!((read, byte), (Ok(0) | Err(_), _) | (_, [b'q' | b'Q' | 0x1b])),
            _ = signals.next() => true,
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing put back.
        let _ = say(LEAVE);
        let _ = tcsetattr(io::stdin(), SetArg::TCSADRAIN, &self.before);
    }
}

fn say(text: &str) -> io::Result<()> {
    let mut out = io::stdout();
    out.write_all(text.as_bytes())?;
    out.flush()
}
