//! Memory that a guest could have.

use super::Root;
use crate::unit::Size;

/// `MemAvailable` of `/proc/meminfo`; `None` on a kernel before 3.14. Source: `proc_meminfo(5)`, which counts in KiB.
pub(super) fn available(root: &Root) -> Option<Size> {
    let line = root.line("/proc/meminfo", "MemAvailable:")?;
    let kib: u64 = line.split_ascii_whitespace().nth(1)?.parse().ok()?;
    kib.checked_mul(1024).map(Size::from_bytes)
}

#[cfg(test)]
mod test {
    use super::available;
    use crate::host::tree::lay_out;

    #[test]
    fn available_memory_is_read_in_kib() {
        let tree = lay_out(&[("/proc/meminfo", "MemTotal:  16777216 kB\nMemAvailable:   8388608 kB\nBuffers: 1 kB\n")]);
        assert_eq!(available(&tree.root), Some("8G".parse().unwrap()));
    }

    #[test]
    fn a_kernel_that_does_not_say_leaves_it_open() {
        let tree = lay_out(&[("/proc/meminfo", "MemTotal:  16777216 kB\n")]);
        assert_eq!(available(&tree.root), None);
    }
}
