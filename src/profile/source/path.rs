//! Key paths as a person writes them: `cpu.cores`, `disk[0].file`.

use super::document::Turn;
use std::ops::Range;

/// A step of a path with its place in the path's text.
pub(super) type Step = (Turn, Range<usize>);

/// The steps of `text`; `None` when it is no path.
pub(super) fn steps(text: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut at = 0;
    loop {
        let key = &text[at..];
        let (key, length) = match key.strip_prefix('"') {
            Some(quoted) => quoted.find('"').map(|end| (&quoted[..end], end + 2))?,
            None => bare(key),
        };
        if key.is_empty() {
            return None;
        }
        steps.push((Turn::Key(key.to_owned()), at..at + length));
        at += length;
        while let Some(rest) = text[at..].strip_prefix('[') {
            let end = rest.find(']')?;
            steps.push((Turn::Index(rest[..end].trim().parse().ok()?), at..at + end + 2));
            at += end + 2;
        }
        match text[at..].strip_prefix('.') {
            Some(_) => at += 1,
            None => return text[at..].is_empty().then_some(steps),
        }
    }
}

fn bare(text: &str) -> (&str, usize) {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-')).unwrap_or(text.len());
    (&text[..end], end)
}

/// The steps without their places.
pub(super) fn turns(steps: &[Step]) -> Vec<Turn> {
    steps.iter().map(|(turn, _)| turn.clone()).collect()
}

#[cfg(test)]
mod test {
    use super::{steps, turns};
    use crate::profile::source::keys::written;

    #[test]
    fn a_path_is_read_as_it_is_written() {
        for path in ["cpu", "cpu.cores", "disk[0].file", "cpu.pinning.vcpus[3]", "a[1][2].b"] {
            assert_eq!(written(&turns(&steps(path).unwrap())), path);
        }
        assert_eq!(written(&turns(&steps("qemu.env.\"A.B\"").unwrap())), "qemu.env.A.B");
    }

    #[test]
    fn what_is_no_path_is_none() {
        for text in ["", ".", "cpu.", "cpu..cores", "disk[", "disk[x]", "a b", "[0]", "\"a"] {
            assert_eq!(steps(text), None, "{text}");
        }
    }
}
