//! How an entry lies in the journal: a line of its length, its checksum and its text.
//!
//! The file is as long as its room on the disk; what is not written yet are zeros, and the first zero is the end. An
//! entry whose line is not whole, at the end, was being written when vmrun or the machine died: its change was not
//! begun, since that waits for the entry to be on the disk.

use crate::unit::crc32;
use std::io::{self, Write as _};

/// Bytes before the text: eight digits of its length, a space, eight of its checksum, a space.
const HEAD: usize = 18;

/// What a journal's bytes hold.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Read<'b> {
    /// The texts of all whole entries, in order.
    pub(super) texts: Vec<&'b [u8]>,
    /// Where the next entry goes.
    pub(super) end: usize,
    /// Whether something broken stands before a whole entry: not a write that was cut short, but damage.
    pub(super) damaged: bool,
}

/// The line of an entry with this text, which has no line's end in it.
///
/// # Errors
/// When the text is longer than a length can say.
pub(super) fn line(text: &[u8]) -> io::Result<Vec<u8>> {
    if text.len() > 0xffff_ffff {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut line = Vec::with_capacity(HEAD + text.len() + 1);
    write!(line, "{:08x} {:08x} ", text.len(), crc32(text))?;
    line.extend_from_slice(text);
    line.push(b'\n');
    Ok(line)
}

/// Reads all entries.
pub(super) fn read(bytes: &[u8]) -> Read<'_> {
    let (mut texts, mut end, mut damaged, mut broken) = (Vec::new(), 0, false, false);
    let mut at = 0;
    while at < bytes.len() {
        match entry(&bytes[at..]) {
            Some((text, length)) => {
                damaged |= broken;
                texts.push(text);
                at += length;
                end = at;
            }
            // The room that is left, unless something stands behind it.
            None if bytes[at] == 0 && bytes[at..].iter().all(|byte| *byte == 0) => break,
            None => {
                broken = true;
                let next = bytes[at..].iter().position(|byte| *byte == b'\n');
                at = next.map_or(bytes.len(), |length| at + length + 1);
            }
        }
    }
    Read { texts, end, damaged }
}

/// The entry at the start of `bytes`, and the length of its line.
fn entry(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let number = |range: std::ops::Range<usize>| {
        let digits = std::str::from_utf8(bytes.get(range)?).ok()?;
        u32::from_str_radix(digits, 16).ok()
    };
    let length = usize::try_from(number(0..8)?).ok()?;
    let checksum = number(9..17)?;
    let text = bytes.get(HEAD..HEAD.checked_add(length)?)?;
    let whole = bytes.get(8) == Some(&b' ') && bytes.get(17) == Some(&b' ') && bytes.get(HEAD + length) == Some(&b'\n');
    (whole && crc32(text) == checksum).then_some((text, HEAD + length + 1))
}

#[cfg(test)]
mod test {
    use super::{Read, line, read};
    use proptest::prelude::*;

    fn journal(texts: &[&str]) -> Vec<u8> {
        texts.iter().flat_map(|text| line(text.as_bytes()).unwrap()).collect()
    }

    #[test]
    fn entries_are_read_as_they_were_written_up_to_the_room_that_is_left() {
        let mut bytes = journal(&["{}", "{\"a\":1}"]);
        let end = bytes.len();
        bytes.resize(4096, 0);
        assert_eq!(read(&bytes), Read { texts: vec![b"{}", b"{\"a\":1}"], end, damaged: false });
    }

    #[test]
    fn row_073_a_last_entry_that_was_cut_short_at_any_byte_is_passed_over() {
        let first = journal(&["first"]);
        let whole = journal(&["first", "second"]);
        for cut in first.len()..whole.len() {
            let mut bytes = whole[..cut].to_vec();
            bytes.resize(200, 0);
            let found = read(&bytes);
            assert_eq!((found.texts, found.end, found.damaged), (vec![&b"first"[..]], first.len(), false), "{cut}");
        }
    }

    #[test]
    fn row_073_a_broken_entry_before_a_whole_one_is_damage() {
        let mut bytes = journal(&["first", "second", "third"]);
        let at = journal(&["first"]).len() + 20;
        bytes[at] ^= 1;
        let found = read(&bytes);
        assert_eq!((found.texts, found.damaged), (vec![&b"first"[..], &b"third"[..]], true));
    }

    proptest! {
        #[test]
        fn row_073_no_bytes_at_all_make_it_fail(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let found = read(&bytes);
            prop_assert!(found.end <= bytes.len());
        }

        #[test]
        fn row_073_one_changed_bit_never_changes_what_is_read(at in 0_usize..60, bit in 0_u8..8) {
            let whole = journal(&["{\"seq\":1}", "{\"seq\":2}"]);
            let mut bytes = whole.clone();
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            for text in read(&bytes).texts {
                let known = [&b"{\"seq\":1}"[..], b"{\"seq\":2}"].contains(&text);
                prop_assert!(known, "{:?}", text);
            }
        }
    }
}
