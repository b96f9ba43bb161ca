//! `boot_index` of all tables: what the firmware tries first. Who gives a number has it, the others are dealt round it.

use super::disk::Disk;
use super::net::Net;
use crate::plan::{Class, Draft, Problem};
use std::collections::BTreeMap;

/// The devices' places in the boot order, as QEMU gets them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BootOrder {
    /// One for each disk; `None` for one that is never booted from.
    pub(super) disks: Vec<Option<u32>>,
    /// One for each network interface.
    pub(super) nets: Vec<Option<u32>>,
}

impl BootOrder {
    /// The order among `disks`, `nets` and, if there is a `[kernel]`, that. Notes who gives a number that is given
    /// already.
    pub(super) fn of(disks: &[Disk], nets: &[Net], has_kernel: bool, draft: &mut Draft) -> Self {
        let disks: Vec<_> = disks.iter().map(|disk| disk.boot_index).collect();
        let nets: Vec<_> = nets.iter().map(Net::boot_index).collect();
        judge(&disks, &nets, draft);
        Self::dealt(&disks, &nets, has_kernel)
    }

    fn dealt(disks: &[Option<u16>], nets: &[Option<u16>], has_kernel: bool) -> Self {
        // QEMU boots a kernel by an option ROM of its own, with bootindex 0 (`x86_load_linux`, `hw/i386/x86.c`), and
        // refuses a device with the same number. So all move up one, and their order stays.
        let first = u32::from(has_kernel);
        let given = |index: &Option<u16>| index.map(|index| u32::from(index) + first);
        let nets: Vec<_> = nets.iter().map(given).collect();
        // Under strict boot a disk without an index would never be tried. Where the user orders some disks, the others
        // are not for booting.
        let ordered = disks.iter().any(Option::is_some);
        let mut free = (first..).filter(|index| !nets.contains(&Some(*index)));
        let disks = disks.iter().map(|index| if ordered { given(index) } else { free.next() }).collect();
        Self { disks, nets }
    }
}

fn judge(disks: &[Option<u16>], nets: &[Option<u16>], draft: &mut Draft) {
    let keyed = |table: &'static str, all: &[Option<u16>]| {
        let given = all.iter().enumerate().filter_map(|(i, index)| Some((i, (*index)?)));
        given.map(|(i, index)| (format!("{table}[{i}]"), index)).collect::<Vec<_>>()
    };
    let given = [keyed("disk", disks), keyed("net", nets)].concat();
    let mut taken: BTreeMap<u16, &str> = BTreeMap::new();
    for (key, index) in &given {
        let Some(first) = taken.get(index) else {
            taken.insert(*index, key);
            continue;
        };
        let free = (0..=u16::MAX).find(|free| given.iter().all(|(_, index)| index != free)).unwrap_or_default();
        let what = format!("boot index {index} is taken by {first}");
        let problem = Problem::new(Class::Invalid, format!("{key}.boot_index"), what);
        draft.refuse(problem.fix(format!("boot_index = {free}   # or another one that nobody has")));
    }
}

#[cfg(test)]
mod test {
    use super::BootOrder;

    fn dealt(disks: &[Option<u16>], nets: &[Option<u16>], kernel: bool) -> (Vec<Option<u32>>, Vec<Option<u32>>) {
        let BootOrder { disks, nets } = BootOrder::dealt(disks, nets, kernel);
        (disks, nets)
    }

    #[test]
    fn disks_that_nobody_ordered_are_tried_in_their_order() {
        assert_eq!(dealt(&[None, None], &[None], false), (vec![Some(0), Some(1)], vec![None]));
    }

    #[test]
    fn disks_go_round_the_numbers_that_interfaces_have() {
        assert_eq!(dealt(&[None, None], &[Some(0), Some(2)], false), (vec![Some(1), Some(3)], vec![Some(0), Some(2)]));
    }

    #[test]
    fn a_disk_that_others_were_put_before_is_not_booted_from() {
        assert_eq!(dealt(&[Some(3), None], &[], false), (vec![Some(3), None], vec![]));
    }

    #[test]
    fn a_kernel_comes_before_all() {
        assert_eq!(dealt(&[None], &[Some(0)], true), (vec![Some(2)], vec![Some(1)]));
        assert_eq!(dealt(&[Some(0)], &[], true), (vec![Some(1)], vec![]));
    }
}
