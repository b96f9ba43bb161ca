//! Reads what QEMU says, and waits for nobody else.

use super::Event;
use super::book::Book;
use super::message::Message;
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::unix::OwnedReadHalf;
use tokio::sync::mpsc;

/// Longest line that is taken. The longest that vmrun asks for, the reply to `query-qmp-schema`, is below 256 KiB; what a
/// person asks for may be longer.
pub(super) const LONGEST_LINE: u64 = 16 << 20;

/// Bytes at the end of a longer line that are looked at: more than an id takes.
const END: usize = 64;

/// Lines in a row that are no QMP, after which the peer is given up.
pub(super) const GARBAGE_LINES: u32 = 100;

/// Reads until the connection ends, or is not worth keeping.
pub(super) async fn run(input: OwnedReadHalf, book: Arc<Book>, events: mpsc::UnboundedSender<Event>) {
    let mut input = BufReader::new(input);
    let mut line = Vec::new();
    let mut garbage = 0;
    while garbage < GARBAGE_LINES {
        match next_line(&mut input, &mut line).await {
            Ok(Next::Line) => {}
            Ok(Next::TooLong) => {
                garbage = if fail(&line, &book) { 0 } else { garbage + 1 };
                // A line that is read as usual needs no such room.
                line = Vec::new();
                continue;
            }
            Ok(Next::End) => break,
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

/// What comes next.
enum Next {
    /// A line with its end.
    Line,
    /// One that is too long, of which the end is left.
    TooLong,
    /// The end of file, also in the middle of a line; or what is no line of QMP and does not end.
    End,
}

async fn next_line(input: &mut BufReader<OwnedReadHalf>, line: &mut Vec<u8>) -> io::Result<Next> {
    line.clear();
    input.take(LONGEST_LINE).read_until(b'\n', line).await?;
    if line.ends_with(b"\n") {
        return Ok(Next::Line);
    }
    if (line.len() as u64) < LONGEST_LINE {
        return Ok(Next::End);
    }
    tracing::warn!(bytes = LONGEST_LINE, "monitor line too long");
    Ok(if line.starts_with(b"{") && skipped(input, line).await? { Next::TooLong } else { Next::End })
}

/// Reads on to the end of `line` and keeps only that; `false` at end of file.
async fn skipped(input: &mut BufReader<OwnedReadHalf>, line: &mut Vec<u8>) -> io::Result<bool> {
    while !line.ends_with(b"\n") {
        let bytes = input.fill_buf().await?;
        if bytes.is_empty() {
            return Ok(false);
        }
        let count = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1);
        line.extend_from_slice(&bytes[..count]);
        line.drain(..line.len().saturating_sub(END));
        input.consume(count);
    }
    Ok(true)
}

/// Fails the command whose reply ends with `end`; `false` when that is the end of something else.
fn fail(end: &[u8], book: &Book) -> bool {
    let id = id_at(end);
    if let Some(id) = id {
        book.fail_too_long(id);
    }
    id.is_some()
}

/// The id with which a reply ends: `…, "id": 42}`. QEMU writes it last, but for errors, which are short.
///
/// A quote within a text has a backslash before it, and the id within an object has two braces after it.
fn id_at(end: &[u8]) -> Option<u64> {
    let end = std::str::from_utf8(end.rsplit(|byte| *byte == b',').next()?).ok()?;
    end.trim().strip_prefix("\"id\":")?.strip_suffix('}')?.trim().parse().ok()
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

#[cfg(test)]
mod test {
    use super::id_at;

    #[test]
    fn the_id_of_a_reply_is_read_from_its_end() {
        assert_eq!(id_at(b"0x00\\r\\n\", \"id\": 42}\r\n"), Some(42));
        assert_eq!(id_at(b"[1, 2], \"id\":7}\n"), Some(7));
    }

    #[test]
    fn what_the_reply_holds_is_not_its_id() {
        for end in ["x, \\\"id\\\": 42}\"}\r\n", "{\"a\": 1, \"id\": 42}}\r\n", "\"id\": \"x\"}\n", "}\n", ""] {
            assert_eq!(id_at(end.as_bytes()), None, "{end}");
        }
    }
}
