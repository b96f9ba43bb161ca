//! Texts that are shared: what tells who somebody is gets a number in its place, the same wherever it stands.

use std::collections::BTreeMap;

/// What is private beyond what can be told by its form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Private {
    /// Login names.
    pub users: Vec<String>,
    /// Names of this machine.
    pub hosts: Vec<String>,
    /// Serial numbers.
    pub serials: Vec<String>,
}

/// `text` without user and host names, serial numbers, MAC addresses, UUIDs and names of disks that hold a serial number.
#[must_use]
pub fn masked(text: &str, private: &Private) -> String {
    let mut numbers = Numbers::default();
    let mut known: Vec<(&str, &'static str)> = Vec::new();
    let kinds = [(&private.users, "USER"), (&private.hosts, "HOST"), (&private.serials, "SERIAL")];
    for (names, kind) in kinds {
        // One letter would be found everywhere.
        known.extend(names.iter().filter(|name| name.len() > 1).map(|name| (name.as_str(), kind)));
    }
    // The longest first, so that a name within another does not spoil it.
    known.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut before = ' ';
    while let Some(next) = rest.chars().next() {
        let at_start = !is_word(before);
        let found = if at_start { private_at(rest, &known) } else { None };
        let (length, kind) = found.unwrap_or((0, ""));
        if length > 0 {
            out.push_str(&numbers.of(kind, &rest[..length]));
            before = 'x';
            rest = &rest[length..];
        } else {
            out.push(next);
            before = next;
            rest = &rest[next.len_utf8()..];
        }
    }
    out
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric()
}

/// Length and kind of what is private at the start of `text`.
fn private_at(text: &str, known: &[(&str, &'static str)]) -> Option<(usize, &'static str)> {
    let ends = |length: usize| text.is_char_boundary(length) && !text[length..].starts_with(is_word);
    if uuid(text) && ends(36) {
        return Some((36, "UUID"));
    }
    if mac(text) && ends(17) {
        return Some((17, "MAC"));
    }
    if let Some(name) = text.strip_prefix("by-id/") {
        let length = name.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.:".contains(c))).unwrap_or(name.len());
        return (length > 0).then_some(("by-id/".len() + length, "DISK"));
    }
    let named = known.iter().find(|(name, _)| text.starts_with(name) && ends(name.len()));
    named.map(|(name, kind)| (name.len(), *kind))
}

/// Whether `text` begins with six bytes in hex with `:` or `-` between.
fn mac(text: &str) -> bool {
    let Some(head) = text.as_bytes().get(..17) else { return false };
    let separator = head[2];
    (separator == b':' || separator == b'-')
        && head.iter().enumerate().all(|(at, byte)| match at % 3 {
            2 => *byte == separator,
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Whether `text` begins with 8-4-4-4-12 digits in hex.
fn uuid(text: &str) -> bool {
    let Some(head) = text.as_bytes().get(..36) else { return false };
    head.iter().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    })
}

/// A number for each private thing, by kind.
#[derive(Default)]
struct Numbers(BTreeMap<(String, String), usize>);

impl Numbers {
    fn of(&mut self, kind: &str, private: &str) -> String {
        let next = self.0.keys().filter(|(other, _)| other == kind).count() + 1;
        // A MAC address is one whether in capitals or not.
        let key = (kind.to_owned(), private.to_lowercase());
        let number = *self.0.entry(key).or_insert(next);
        let prefix = if kind == "DISK" { "by-id/" } else { "" };
        format!("{prefix}{kind}-{number}")
    }
}

#[cfg(test)]
mod test {
    use super::{Private, masked};

    fn private() -> Private {
        let list = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Private { users: list(&["alice", "al"]), hosts: list(&["tower"]), serials: list(&["60A44C413E8CF2A0"]) }
    }

    #[test]
    fn what_tells_who_somebody_is_gets_a_number_and_the_same_one_everywhere() {
        let text = "/home/alice/vm on tower: 52:54:00:AB:cd:ef, a3bf6450-d26b-4815-b564-b1c9b098a740;\n\
                    52:54:00:ab:cd:ef 52:54:00:00:00:01 \"60A44C413E8CF2A0\" (al)";
        let expected = "/home/USER-1/vm on HOST-1: MAC-1, UUID-1;\nMAC-1 MAC-2 \"SERIAL-1\" (USER-2)";
        assert_eq!(masked(text, &private()), expected);
    }

    #[test]
    fn the_name_of_a_disk_holds_its_serial_number() {
        let text = "file=/dev/disk/by-id/nvme-Samsung_SSD_990_S4EWNX0R1-part1,cache=none";
        assert_eq!(masked(text, &private()), "file=/dev/disk/by-id/DISK-1,cache=none");
    }

    #[test]
    fn words_that_only_begin_like_a_name_and_pci_addresses_stay() {
        let text = "also towers alice2 0000:01:00.0 10de:13c2 00:01:02:03:04 signal é52";
        assert_eq!(masked(text, &private()), text);
    }
}
