//! How much of a process's memory lies in transparent huge pages. Source: `/proc/PID/smaps`, `proc_pid_smaps(5)`.

use super::Root;
use crate::unit::Size;

/// Memory of a process, as far as the kernel has given it any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backed {
    /// What it has.
    pub touched: Size,
    /// Of that, what lies in transparent huge pages.
    pub huge: Size,
}

/// Fields that count memory in huge pages: private, shared, of a file.
const HUGE: [&str; 3] = ["AnonHugePages:", "ShmemPmdMapped:", "FilePmdMapped:"];

/// The mappings of process `pid` that are exactly as long as one of `sizes`, together. A process has other memory too,
/// which `smaps_rollup` would mix in.
///
/// The kernel walks all of the mappings for it: milliseconds for each gigabyte of small pages. `None` when it does not
/// tell, because the process is gone or another user's.
#[must_use]
pub fn mappings(root: &Root, pid: u32, sizes: &[Size]) -> Option<Backed> {
    let text = root.text(format!("/proc/{pid}/smaps"))?;
    let mut sum = (0, 0);
    let mut counts = false;
    for (name, kib) in text.lines().filter_map(field) {
        match name {
            "Size:" => counts = sizes.iter().any(|size| size.bytes() == kib << 10),
            "Rss:" if counts => sum.0 += kib << 10,
            name if counts && HUGE.contains(&name) => sum.1 += kib << 10,
            _ => {}
        }
    }
    Some(Backed { touched: Size::from_bytes(sum.0), huge: Size::from_bytes(sum.1) })
}

/// `Rss:                1024 kB`
fn field(line: &str) -> Option<(&str, u64)> {
    let mut words = line.split_ascii_whitespace();
    let name = words.next().filter(|name| name.ends_with(':'))?;
    let kib = words.next()?.parse().ok()?;
    words.next().filter(|unit| *unit == "kB").map(|_| (name, kib))
}

#[cfg(test)]
mod test {
    use super::{Backed, mappings};
    use crate::host::tree::lay_out;
    use crate::unit::Size;

    const SMAPS: &str = "7f0000000000-7f0080000000 rw-p 00000000 00:00 0 \n\
                         Size:            2097152 kB\nRss:             2000000 kB\nAnonHugePages:   1900000 kB\n\
                         ShmemPmdMapped:        0 kB\nVmFlags: rd wr mr mw me dd hg \n\
                         7f0090000000-7f0090200000 rw-p 00000000 00:00 0 [heap]\n\
                         Size:               2048 kB\nRss:                2048 kB\nAnonHugePages:      2048 kB\n";

    #[test]
    fn only_the_guests_memory_is_counted() {
        let tree = lay_out(&[("/proc/7/smaps", SMAPS)]);
        let kib = |kib: u64| Size::from_bytes(kib << 10);
        let expected = Backed { touched: kib(2_000_000), huge: kib(1_900_000) };
        assert_eq!(mappings(&tree.root, 7, &["2G".parse().unwrap()]), Some(expected));
        assert_eq!(mappings(&tree.root, 8, &[]), None);
    }
}
