//! A profile that a script carries in its comments, so that it can be had back from it.

use super::crc32;

/// What each of its lines begins with.
const MARK: &str = "#:";
/// The line above them, with the checksum of all before it behind.
const HEAD: &str = "# The profile that this was made of, for `vmrun import`. Checksum of the lines above: ";

/// A text that was found in the comments of another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    /// The text.
    pub text: String,
    /// The line of the carrier in which it begins, from 1.
    pub line: usize,
    /// Whether the carrier has been changed since.
    pub changed: bool,
}

impl Carried {
    /// `carrier` with `text` in comments at its end.
    #[must_use]
    pub fn put(carrier: &str, text: &str) -> String {
        let mut whole = format!("{carrier}{HEAD}{:08x}\n", crc32(carrier.as_bytes()));
        for line in text.lines() {
            whole.push_str(MARK);
            if !line.is_empty() {
                whole.push(' ');
                whole.push_str(line);
            }
            whole.push('\n');
        }
        whole
    }

    /// What `whole` carries; `None` when it carries nothing.
    #[must_use]
    pub fn find(whole: &str) -> Option<Self> {
        let at = whole.rfind(HEAD).filter(|at| *at == 0 || whole[..*at].ends_with('\n'))?;
        let (carrier, block) = whole.split_at(at);
        let mut lines = block.lines();
        let checksum = lines.next()?.strip_prefix(HEAD)?;
        let mut text = String::new();
        let mut more = false;
        for line in lines {
            match line.strip_prefix(MARK).filter(|_| !more) {
                Some(line) => {
                    text.push_str(line.strip_prefix(' ').unwrap_or(line));
                    text.push('\n');
                }
                None => more |= !line.trim().is_empty(),
            }
        }
        let changed = more || checksum != format!("{:08x}", crc32(carrier.as_bytes()));
        let line = carrier.matches('\n').count() + 2;
        (!text.is_empty()).then_some(Self { text, line, changed })
    }
}

#[cfg(test)]
mod test {
    use super::Carried;

    #[test]
    fn what_is_put_into_a_script_is_found_in_it() {
        let text = "schema = 1\n\n[cpu]\ncores = 2 # it's\n";
        let whole = Carried::put("#!/bin/sh\nexit\n", text);
        assert_eq!(Carried::find(&whole), Some(Carried { text: text.into(), line: 4, changed: false }));
        assert_eq!(Carried::find("#!/bin/sh\n"), None);
    }

    #[test]
    fn a_script_that_was_changed_is_known() {
        let whole = Carried::put("#!/bin/sh\nexit\n", "schema = 1\n");
        let changed = |whole: &str| Carried::find(whole).map(|carried| carried.changed);
        assert_eq!(changed(&whole.replace("exit", "exit 1")), Some(true));
        assert_eq!(changed(&format!("{whole}reboot\n")), Some(true));
        assert_eq!(changed(&format!("{whole}\n")), Some(false));
    }
}
