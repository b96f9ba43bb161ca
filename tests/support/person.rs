//! A person at a terminal of their own: a pseudo terminal, whose other end is the person.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use nix::pty::{OpenptyResult, Winsize, openpty};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

/// A person at a terminal of 80x24 before a running program.
pub(crate) struct Person {
    pub(crate) child: Child,
    pub(crate) terminal: File,
    pub(crate) seen: String,
    /// How much was on the screen when the person last typed.
    typed_at: usize,
}

impl Person {
    pub(crate) fn before(mut command: Command) -> Self {
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        let OpenptyResult { master, slave } = openpty(&size, None).unwrap();
        let end = |slave: &OwnedFd| Stdio::from(slave.try_clone().unwrap());
        let child = command.stdin(end(&slave)).stdout(end(&slave)).stderr(end(&slave)).spawn().unwrap();
        Self { child, terminal: File::from(master), seen: String::new(), typed_at: 0 }
    }

    pub(crate) fn types(&mut self, keys: &str) {
        self.typed_at = self.seen.len();
        self.terminal.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until `text` is on the screen.
    pub(crate) fn sees(&mut self, text: &str) {
        while !self.seen.contains(text) {
            assert!(self.reads(), "`{text}` never came:\n{}", self.seen);
        }
    }

    /// Waits until `text` comes to the screen after what was typed last.
    pub(crate) fn sees_anew(&mut self, text: &str) {
        while !self.seen[self.typed_at..].contains(text) {
            assert!(self.reads(), "`{text}` never came:\n{}", self.seen);
        }
    }

    fn reads(&mut self) -> bool {
        let mut piece = [0; 4096];
        // The kernel says EIO when the program has closed its end.
        let length = self.terminal.read(&mut piece).unwrap_or(0);
        self.seen += &String::from_utf8_lossy(&piece[..length]);
        length > 0
    }

    /// The exit code, and all that was on the screen.
    pub(crate) fn leaves(mut self) -> (i32, String) {
        while self.reads() {}
        (self.child.wait().unwrap().code().unwrap(), self.seen)
    }
}
