//! The bus for `tests/fuzz`: any bytes from it.

use super::message::Message;

/// Reads all messages in `bytes` and what vmrun wants of each.
///
/// # Panics
/// When a message takes no bytes, or more than there are.
pub fn fuzz_bus(mut bytes: &[u8]) {
    while let Ok(Some((message, length))) = Message::decode(bytes) {
        assert!((1..=bytes.len()).contains(&length), "{length} of {} bytes", bytes.len());
        let _ = (message.truth(), message.text(), message.long());
        bytes = &bytes[length..];
    }
}

#[cfg(test)]
#[test]
fn whatever_the_bus_says_is_read_or_refused() {
    crate::supervise::mutate::feed(&["tests/fuzz/corpus/bus"], 20_000, fuzz_bus);
}
