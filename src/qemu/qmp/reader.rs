//! Reads what QEMU says, and waits for nobody else.

use super::Event;
use super::book::Book;
use super::message::Message;
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::unix::OwnedReadHalf;
use tokio::sync::mpsc;

/// Longest line that is taken. The longest of a healthy QEMU, the reply to `query-qmp-schema`, is below 256 KiB.
pub(super) const LONGEST_LINE: u64 = 16 << 20;

/// Lines in a row that are no QMP, after which the peer is given up.
pub(super) const GARBAGE_LINES: u32 = 100;

/// Reads until the connection ends, or is not worth keeping.
pub(super) async fn run(input: OwnedReadHalf, book: Arc<Book>, events: mpsc::UnboundedSender<Event>) {
    let mut input = BufReader::new(input);
    let mut line = Vec::new();
    let mut garbage = 0;
    while garbage < GARBAGE_LINES {
        match next_line(&mut input, &mut line).await {
            Ok(true) => {}
            Ok(false) => break,
            // ECONNRESET is how a QEMU that quits with something unread looks; it means the same as end of file.
            Err(error) => {
                tracing::debug!(%error, "monitor connection ended");
                break;
            }
        }
        garbage = if deliver(&line, &book, &events) { 0 } else { garbage + 1 };
    }
    book.close();
}

/// The next line with its end; `false` at end of file, also in the middle of a line.
async fn next_line(input: &mut BufReader<OwnedReadHalf>, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    input.take(LONGEST_LINE).read_until(b'\n', line).await?;
    let whole = line.ends_with(b"\n");
    if !whole && line.len() as u64 == LONGEST_LINE {
        tracing::warn!(bytes = LONGEST_LINE, "monitor line too long");
    }
    Ok(whole)
}

fn deliver(line: &[u8], book: &Book, events: &mpsc::UnboundedSender<Event>) -> bool {
    if line.trim_ascii().is_empty() {
        return true;
    }
    match Message::read(line) {
        Some(Message::Greeting(greeting)) => {
            tracing::debug!(%greeting, "monitor greeting");
            book.greet(greeting);
        }
        Some(Message::Event(event)) => {
            tracing::debug!(name = %event.name, data = %event.data, "monitor event");
            // Nobody may listen for events; commands go on all the same.
            let _ = events.send(event);
        }
        Some(Message::Return { id, value }) => book.succeed(id, value),
        Some(Message::Error { id, class, desc }) => book.fail(id, class, desc),
        None => {
            let start = String::from_utf8_lossy(&line[..line.len().min(80)]);
            tracing::warn!(bytes = line.len(), start = %start.trim_end(), "monitor line is not QMP");
            return false;
        }
    }
    true
}
