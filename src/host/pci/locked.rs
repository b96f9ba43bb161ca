//! Functions that a driver does not let go of.
//!
//! The kernel holds the lock of a function while a driver is taken off it or given it. A driver that does not come back
//! keeps it for good, and whoever reads a file that wants the lock hangs as well, in a sleep that no signal ends. Linux:
//! `driver_override_show`, `drivers/pci/pci-sysfs.c`; `sriov_numvfs_show`, `drivers/pci/iov.c`.

use super::super::Root;
use crate::unit::Bdf;
use std::collections::BTreeSet;

/// Name of the variable in which a helper of vmrun bears the folder of the function that it tells the kernel something
/// about.
pub const TELLS_OF: &str = "VMRUN_TELLS_OF";

/// Where the runs are that may have left a helper behind; only root's have any. To look at all processes takes a
/// millisecond or two, so it is not done without a run.
const RUNS: &str = "/run/vmrun";

/// The program by which vmrun, and every guide, writes to such files.
const WRITER: &str = "tee";

/// Where the kernel is told of drivers and devices.
const BUS: &str = "/sys/bus/pci/";

/// Functions whose lock may be held for somebody who writes to a file of their bus now.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Locked {
    these: BTreeSet<Bdf>,
    /// Somebody else's process does not show which function it is about.
    any: bool,
}

impl Locked {
    pub(super) fn read(root: &Root) -> Self {
        let mut locked = Self::default();
        if root.names(RUNS).is_empty() {
            return locked;
        }
        let processes = root.names("/proc").into_iter().filter(|name| name.parse::<u32>().is_ok());
        for folder in processes.map(|pid| format!("/proc/{pid}")) {
            if root.text(format!("{folder}/comm")).as_deref() == Some(WRITER) {
                locked.add(root, &folder);
            }
        }
        locked
    }

    /// Whether a file of `bdf` that wants the lock is better not read.
    pub(super) fn holds(&self, bdf: Bdf) -> bool {
        self.any || self.these.contains(&bdf)
    }

    fn add(&mut self, root: &Root, folder: &str) {
        let words = |file: &str| root.bytes(format!("{folder}/{file}")).unwrap_or_default();
        let line = words("cmdline");
        let Some(file) = texts(&line).find(|word| word.starts_with(BUS)) else { return };
        let environment = words("environ");
        let told = texts(&environment).find_map(|line| line.strip_prefix(TELLS_OF)?.strip_prefix('='));
        let of = |path: &str| path.rsplit('/').find_map(|part| part.parse::<Bdf>().ok());
        match told.and_then(of).or_else(|| of(file)) {
            Some(bdf) => self.these.extend([bdf]),
            None => self.any = true,
        }
    }
}

/// The texts of a file of `/proc` that ends each with a zero.
fn texts(bytes: &[u8]) -> impl Iterator<Item = &str> {
    bytes.split(|byte| *byte == 0).filter_map(|text| std::str::from_utf8(text).ok())
}

#[cfg(test)]
mod test {
    use super::Locked;
    use crate::host::tree::lay_out;

    const RUN: (&str, &str) = ("/run/vmrun/windows/journal", "");
    const WRITER: (&str, &str) = ("/proc/7/comm", "tee\n");
    const UNBIND: (&str, &str) = ("/proc/7/cmdline", "tee\0--\0/sys/bus/pci/drivers/nvidia/unbind\0");
    const OF: (&str, &str) = ("/proc/7/environ", "LC_ALL=C\0VMRUN_TELLS_OF=/sys/bus/pci/devices/0000:06:00.0\0");

    fn held(files: &[(&str, &str)]) -> [bool; 2] {
        let tree = lay_out(files);
        let locked = Locked::read(&tree.root);
        ["0000:06:00.0", "0000:06:00.1"].map(|bdf| locked.holds(bdf.parse().unwrap()))
    }

    #[test]
    fn a_helper_that_has_not_come_back_keeps_its_function() {
        assert_eq!(held(&[RUN, WRITER, UNBIND, OF]), [true, false]);
        assert_eq!(held(&[WRITER, UNBIND, OF]), [false, false], "no run can have left it");
        assert_eq!(held(&[RUN, ("/proc/7/comm", "cat\n"), UNBIND, OF]), [false, false]);
    }

    #[test]
    fn of_somebody_elses_the_file_tells_or_it_may_be_any() {
        let override_ = "tee\0/sys/bus/pci/devices/0000:06:00.1/driver_override\0";
        assert_eq!(held(&[RUN, WRITER, ("/proc/7/cmdline", override_)]), [false, true]);
        assert_eq!(held(&[RUN, WRITER, UNBIND]), [true, true]);
        assert_eq!(held(&[RUN, WRITER, ("/proc/7/cmdline", "tee\0log\0")]), [false, false]);
    }
}
