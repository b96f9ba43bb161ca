//! The terminal that is chosen on: single keys in, a few lines drawn over and over.

use super::key::{Key, decode};
use anstream::{AutoStream, ColorChoice};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr, tcsetattr};
use std::io::{self, Stdin, Write};
use std::os::fd::AsFd;
use terminal_size::{Height, Width, terminal_size_of};

/// How long what follows an escape may be on its way, over a slow line, in milliseconds.
const ESCAPE_MS: u16 = 80;

/// A terminal that hands over each key when it is pressed, and is as before when this is gone.
pub(super) struct Raw {
    stdin: Stdin,
    before: Termios,
}

impl Raw {
    /// Takes standard input's terminal.
    pub(super) fn enter() -> io::Result<Self> {
        let stdin = io::stdin();
        let before = tcgetattr(&stdin)?;
        let mut raw = before.clone();
        raw.local_flags &= !(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG);
        raw.control_chars[SpecialCharacterIndices::VMIN as usize] = 1;
        raw.control_chars[SpecialCharacterIndices::VTIME as usize] = 0;
        tcsetattr(&stdin, SetArg::TCSADRAIN, &raw)?;
        Ok(Self { stdin, before })
    }

    /// Waits for the next keys. A terminal that is gone reads as leaving.
    pub(super) fn keys(&self) -> io::Result<Vec<Key>> {
        let mut bytes = [0; 64];
        let mut length = nix::unistd::read(&self.stdin, &mut bytes)?;
        if bytes[..length] == [0x1b] && self.more()? {
            length += nix::unistd::read(&self.stdin, &mut bytes[1..])?;
        }
        Ok(if length == 0 { vec![Key::Leave] } else { decode(&bytes[..length]) })
    }

    fn more(&self) -> io::Result<bool> {
        let mut wanted = [PollFd::new(self.stdin.as_fd(), PollFlags::POLLIN)];
        Ok(poll(&mut wanted, PollTimeout::from(ESCAPE_MS))? > 0)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing put back.
        _ = tcsetattr(&self.stdin, SetArg::TCSADRAIN, &self.before);
    }
}

/// Columns and lines of the terminal; those of the smallest when it does not tell.
pub(super) fn size() -> (usize, usize) {
    match terminal_size_of(io::stderr()) {
        Some((Width(width @ 1..), Height(height @ 1..))) => (width.into(), height.into()),
        _ => (80, 24),
    }
}

/// Draws `lines` in the place of the `before` lines that were drawn last. The marked line is bold where styles are wanted.
pub(super) fn draw(lines: &[String], before: usize) -> io::Result<()> {
    let mut stderr = io::stderr();
    let styled = AutoStream::choice(&stderr) != ColorChoice::Never;
    let mut text = if before > 0 { format!("\r\x1b[{before}A") } else { String::new() };
    for line in lines {
        let (bold, plain) = if styled && line.starts_with('>') { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
        text.extend([bold, line, plain, "\x1b[K\n"]);
    }
    // What is left of a longer list.
    text += "\x1b[J";
    stderr.write_all(text.as_bytes())?;
    stderr.flush()
}
