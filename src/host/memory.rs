//! Memory of the host, and what a guest could have of it.

use super::Root;
use crate::unit::Size;

/// `MemTotal` of `/proc/meminfo`. Source: `proc_meminfo(5)`.
pub(super) fn total(root: &Root) -> Option<Size> {
    field(root, "MemTotal:")
}

/// `MemAvailable` of `/proc/meminfo`; `None` on a kernel before 3.14.
pub(super) fn available(root: &Root) -> Option<Size> {
    field(root, "MemAvailable:")
}

/// A size, which the kernel counts in KiB.
fn field(root: &Root, name: &str) -> Option<Size> {
    let line = root.line("/proc/meminfo", name)?;
    let kib: u64 = line.split_ascii_whitespace().nth(1)?.parse().ok()?;
    kib.checked_mul(1024).map(Size::from_bytes)
}

#[cfg(test)]
mod test {
    use super::{available, total};
    use crate::host::tree::lay_out;

    #[test]
    fn memory_is_read_in_kib() {
        let tree = lay_out(&[("/proc/meminfo", "MemTotal:  16777216 kB\nMemAvailable:   8388608 kB\nBuffers: 1 kB\n")]);
        assert_eq!(available(&tree.root), Some("8G".parse().unwrap()));
        assert_eq!(total(&tree.root), Some("16G".parse().unwrap()));
    }

    #[test]
    fn a_kernel_that_does_not_say_leaves_it_open() {
        let tree = lay_out(&[("/proc/meminfo", "MemTotal:  16777216 kB\n")]);
        assert_eq!(available(&tree.root), None);
    }
}
