//! Masks of host CPUs as hexadecimal digits, as older files of the kernel have them.

use super::CpuSet;

/// The CPUs of `text`, like `ff` or `00000000,000000ff`: groups of 32 bits, the highest first. `None` when it is no mask.
///
/// Source: `bitmap_print_to_pagebuf`, Linux `lib/bitmap-str.c`.
#[must_use]
pub fn read_mask(text: &str) -> Option<CpuSet> {
    let digits: Vec<u32> = text.chars().filter(|c| *c != ',').map(|c| c.to_digit(16)).collect::<Option<_>>()?;
    if digits.is_empty() {
        return None;
    }
    let bits = (0..).step_by(4).zip(digits.iter().rev());
    Some(
        bits.flat_map(|(base, digit)| (0..4).filter(move |bit| digit >> bit & 1 == 1).map(move |bit| base + bit))
            .collect(),
    )
}

/// `cpus` in as many digits as `like` has; the kernel shows all masks of a machine in the same number.
#[must_use]
pub fn write_mask(cpus: &CpuSet, like: &str) -> String {
    let mut base = u32::try_from(like.chars().filter(|c| *c != ',').count()).unwrap_or(0) * 4;
    let digit = |base: u32| (0..4).filter(|bit| cpus.contains(base + bit)).map(|bit| 1 << bit).sum::<u32>();
    let written = like.chars().map(|c| {
        if c == ',' {
            return c;
        }
        base -= 4;
        char::from_digit(digit(base), 16).unwrap_or('0')
    });
    written.collect()
}

#[cfg(test)]
mod test {
    use super::{read_mask, write_mask};

    #[test]
    fn a_mask_is_read_and_written_in_the_kernels_shape() {
        let read = |text: &str| read_mask(text).unwrap().to_string();
        assert_eq!(read("0f"), "0-3");
        assert_eq!(read("00000001,80000000"), "31-32");
        assert_eq!(write_mask(&"31-32".parse().unwrap(), "00000000,00000000"), "00000001,80000000");
        assert_eq!(write_mask(&"0-1,6".parse().unwrap(), "ff"), "43");
        assert_eq!(write_mask(&"0-1".parse().unwrap(), "f"), "3");
    }

    #[test]
    fn what_is_no_mask_is_none() {
        assert_eq!(read_mask(""), None);
        assert_eq!(read_mask("0-3"), None);
    }
}
