//! What the guest writes to the serial port whose other end vmrun holds.

use super::console::Console;
use super::{Notice, Tell};
use crate::process::escaped;
use std::future::pending;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::net::unix::OwnedReadHalf;
use tokio::time::timeout;

/// Longest line in bytes; a longer one is cut here, since a guest may write what it likes.
const LONGEST: usize = 4096;
/// How long the last bytes of a QEMU that has ended may take through the socket.
const LAST: Duration = Duration::from_secs(1);

/// Lines of a serial port; none, ever, when the guest has no port that vmrun holds.
pub(super) struct SerialLines {
    stream: Option<OwnedReadHalf>,
    pending: Vec<u8>,
    /// Whether lines are told; else they are only for who calls the console.
    told: bool,
    console: Console,
}

impl SerialLines {
    pub(super) fn new(stream: Option<UnixStream>, told: bool, console: &Console) -> Self {
        let stream = stream.map(|stream| {
            let (read, write) = stream.into_split();
            console.plug(write);
            read
        });
        Self { stream, pending: Vec::new(), told, console: console.clone() }
    }

    /// The next line, without control characters. Cancel-safe.
    pub(super) async fn next(&mut self) -> String {
        loop {
            if let Some(line) = self.cut() {
                return line;
            }
            if !self.read().await {
                pending::<()>().await;
            }
        }
    }

    /// Tells the lines that are left when QEMU has ended, the last one also without its line feed: how a guest that
    /// died was cut off.
    pub(super) async fn drain(&mut self, tell: Tell<'_>) {
        while self.stream.is_some() && matches!(timeout(LAST, self.read()).await, Ok(true)) {}
        while let Some(line) = self.cut() {
            tell(&Notice::Guest { line });
        }
        let rest = line(&std::mem::take(&mut self.pending));
        if !rest.is_empty() {
            tell(&Notice::Guest { line: rest });
        }
    }

    async fn read(&mut self) -> bool {
        let Some(stream) = &mut self.stream else { return false };
        let before = self.pending.len();
        match stream.read_buf(&mut self.pending).await {
            Ok(count) if count > 0 => {
                self.console.say(&self.pending[before..]);
                if !self.told {
                    self.pending.clear();
                }
                true
            }
            _ => {
                self.stream = None;
                false
            }
        }
    }

    fn cut(&mut self) -> Option<String> {
        let end = self.pending.iter().position(|byte| *byte == b'\n');
        let end = end.map(|at| at + 1).or_else(|| (self.pending.len() >= LONGEST).then_some(LONGEST))?;
        Some(line(&self.pending.drain(..end).collect::<Vec<_>>()))
    }
}

/// The text of a line, without control characters.
fn line(bytes: &[u8]) -> String {
    escaped(bytes.trim_ascii_end()).into_owned()
}

#[cfg(test)]
mod test {
    use super::SerialLines;
    use crate::supervise::Notice;
    use crate::supervise::console::Console;
    use std::cell::RefCell;
    use tokio::io::AsyncWriteExt;
    use tokio::net::UnixStream;
    use tokio::task::LocalSet;

    #[tokio::test]
    async fn a_last_line_without_its_line_feed_is_told() {
        let (ours, mut port) = UnixStream::pair().unwrap();
        port.write_all(b"Linux version 6\r\nKernel panic - not").await.unwrap();
        drop(port);
        let told = RefCell::new(Vec::new());
        let tell = |notice: &Notice| told.borrow_mut().push(notice.clone());
        let lines = async {
            let mut lines = SerialLines::new(Some(ours), true, &Console::default());
            lines.drain(&tell).await;
        };
        LocalSet::new().run_until(lines).await;
        let expected = ["Linux version 6", "Kernel panic - not"].map(|line| Notice::Guest { line: line.into() });
        assert_eq!(told.into_inner(), expected);
    }
}
