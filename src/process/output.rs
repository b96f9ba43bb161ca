//! What a running command prints.

use super::kept::Kept;
use super::lines::Lines;
use super::log::Log;
use std::io;
use tokio::net::unix::pipe::Receiver;

/// Read at once; the size of a pipe, `pipe(7)`.
const CHUNK: usize = 64 << 10;

/// The reading end of a command's output, with what is kept of it.
pub(super) struct Output {
    pipe: Option<Receiver>,
    lines: Lines,
    kept: Kept,
    log: Option<Log>,
    chunk: Box<[u8]>,
}

impl Output {
    pub(super) fn new(pipe: Receiver, log: Option<Log>) -> Self {
        Self { pipe: Some(pipe), log, ..Self::closed() }
    }

    /// Of a command whose output nobody can read any more.
    pub(super) fn closed() -> Self {
        let chunk = vec![0; CHUNK].into_boxed_slice();
        Self { pipe: None, lines: Lines::default(), kept: Kept::default(), log: None, chunk }
    }

    /// Waits for more output and hands its lines to `each`. `false` at its end, and from then on.
    ///
    /// Cancel-safe: nothing is taken from the pipe before the future is done.
    pub(super) async fn read(&mut self, each: &mut dyn FnMut(&str)) -> bool {
        let Some(pipe) = &self.pipe else { return false };
        let count = loop {
            // A pipe that cannot be read is one that gives no more.
            if pipe.readable().await.is_err() {
                break 0;
            }
            match pipe.try_read(&mut self.chunk) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                got => break got.unwrap_or(0),
            }
        };
        let mut text = String::with_capacity(count + 1);
        if count == 0 {
            self.pipe = None;
            self.lines.finish(&mut text);
        } else {
            self.lines.push(&self.chunk[..count], &mut text);
        }
        self.hand_out(&text, each);
        count > 0
    }

    /// Lets go of the pipe, whoever else holds it.
    pub(super) fn close(&mut self, each: &mut dyn FnMut(&str)) {
        self.pipe = None;
        let mut text = String::new();
        self.lines.finish(&mut text);
        self.hand_out(&text, each);
    }

    pub(super) fn is_open(&self) -> bool {
        self.pipe.is_some()
    }

    pub(super) fn kept(&self) -> &Kept {
        &self.kept
    }

    fn hand_out(&mut self, text: &str, each: &mut dyn FnMut(&str)) {
        self.kept.push(text);
        // A full disk ends the log, not the guest.
        if self.log.as_mut().is_some_and(|log| log.write(text).is_err()) {
            self.log = None;
        }
        text.split_terminator('\n').for_each(each);
    }
}
