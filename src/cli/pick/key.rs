//! What a terminal sends for a key.

/// A key that means something to the chooser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Up,
    Down,
    First,
    Last,
    Digit(u8),
    Enter,
    Erase,
    Leave,
}

/// Sequences that begin with escape, as terminals in either cursor mode send them, and consoles.
const SEQUENCES: [(&[u8], Key); 10] = [
    (b"\x1b[A", Key::Up),
    (b"\x1bOA", Key::Up),
    (b"\x1b[B", Key::Down),
    (b"\x1bOB", Key::Down),
    (b"\x1b[H", Key::First),
    (b"\x1b[1~", Key::First),
    (b"\x1bOH", Key::First),
    (b"\x1b[F", Key::Last),
    (b"\x1b[4~", Key::Last),
    (b"\x1bOF", Key::Last),
];

/// The keys in `bytes`; what is no key of ours is passed over.
pub(super) fn decode(mut bytes: &[u8]) -> Vec<Key> {
    let mut keys = Vec::new();
    while let [first, rest @ ..] = bytes {
        if let Some((sequence, key)) = SEQUENCES.iter().find(|(sequence, _)| bytes.starts_with(sequence)) {
            keys.push(*key);
            bytes = &bytes[sequence.len()..];
            continue;
        }
        if let [0x1b, b'[' | b'O', more @ ..] = bytes {
            // Another key's sequence: parameters, then one letter or tilde.
            let end = more.iter().position(|byte| (0x40..=0x7e).contains(byte)).map_or(more.len(), |end| end + 1);
            bytes = &more[end..];
            continue;
        }
        keys.extend(single(*first));
        bytes = rest;
    }
    keys
}

fn single(byte: u8) -> Option<Key> {
    match byte {
        b'k' => Some(Key::Up),
        b'j' => Some(Key::Down),
        b'0'..=b'9' => Some(Key::Digit(byte - b'0')),
        b'\r' | b'\n' => Some(Key::Enter),
        0x08 | 0x7f => Some(Key::Erase),
        // Ctrl-C, Ctrl-D, escape.
        0x03 | 0x04 | 0x1b | b'q' => Some(Key::Leave),
        _ => None,
    }
}

#[cfg(test)]
mod test {
    use super::{Key, decode};

    #[test]
    fn arrows_of_every_terminal_are_arrows() {
        assert_eq!(decode(b"\x1b[A\x1bOA\x1b[B\x1bOBjk"), [Key::Up, Key::Up, Key::Down, Key::Down, Key::Down, Key::Up]);
    }

    #[test]
    fn escape_alone_leaves_and_other_keys_do_nothing() {
        assert_eq!(decode(b"\x1b"), [Key::Leave]);
        assert_eq!(decode(b"\x1b[15~\x1b[1;5Cx"), []);
        assert_eq!(decode(b"\x1b[1;5"), []);
    }

    #[test]
    fn numbers_and_ends_are_read() {
        assert_eq!(decode(b"12\x7f\r"), [Key::Digit(1), Key::Digit(2), Key::Erase, Key::Enter]);
        assert_eq!(decode(b"\x03"), [Key::Leave]);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_are_too_much(bytes: Vec<u8>) {
            proptest::prop_assert!(decode(&bytes).len() <= bytes.len());
        }
    }
}
