//! The journal, spoken to directly. systemd: Native Journal Protocol.

use crate::cli::output::Weight;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

/// Where the journal listens.
pub(super) const SOCKET: &str = "/run/systemd/journal/socket";

/// Writes `text` into the journal that listens at `socket`. Without a journal there is nothing to write to.
pub(super) fn write(socket: &Path, weight: Weight, text: &str) {
    if let Err(error) = UnixDatagram::unbound().and_then(|sender| sender.send_to(&entry(weight, text), socket)) {
        tracing::debug!(%error, "the journal could not be told");
    }
}

/// An entry; the message with its length before it, since it may have lines.
fn entry(weight: Weight, text: &str) -> Vec<u8> {
    let head = format!("PRIORITY={}\nSYSLOG_IDENTIFIER=vmrun\nMESSAGE\n", weight as u8);
    [head.as_bytes(), &(text.len() as u64).to_le_bytes(), text.as_bytes(), b"\n"].concat()
}

#[cfg(test)]
mod test {
    use super::write;
    use crate::cli::output::Weight;
    use std::os::unix::net::UnixDatagram;

    #[test]
    fn a_message_of_several_lines_is_one_entry() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let journal = UnixDatagram::bind(&socket).unwrap();
        write(&socket, Weight::Error, "one\ntwo");
        let mut bytes = [0; 256];
        let length = journal.recv(&mut bytes).unwrap();
        assert_eq!(bytes[..length], *b"PRIORITY=3\nSYSLOG_IDENTIFIER=vmrun\nMESSAGE\n\x07\0\0\0\0\0\0\0one\ntwo\n");
    }
}
