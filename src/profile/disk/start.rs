//! Whether the guest's firmware can start one of its disks.

use super::Disk;
use crate::host::Boots;
use crate::plan::{Class, Draft, Problem};
use crate::profile::boot_order::BootOrder;
use crate::profile::scene::Scene;

/// Notes when every disk that the firmware tries is made for another firmware: the guest ends in the firmware's shell, or
/// before a black screen, and nothing says why.
pub(super) fn judge(disks: &[Disk], order: &BootOrder, scene: &Scene, draft: &mut Draft) {
    // A kernel is started without a disk, and what the network sends is not known.
    if scene.kernel || order.nets.iter().any(Option::is_some) {
        return;
    }
    let tried = disks.iter().zip(&order.disks).enumerate().filter(|(_, (_, index))| index.is_some());
    let tried: Option<Vec<(usize, Boots)>> =
        tried.map(|(i, (disk, _))| boots(disk, scene).map(|boots| (i, boots))).collect();
    let Some(tried) = tried else { return };
    let can = |boots: Boots, uefi: bool| if uefi { boots.efi } else { boots.bios };
    if tried.iter().any(|(_, boots)| can(*boots, scene.uefi)) {
        return;
    }
    if let Some((i, _)) = tried.iter().find(|(_, boots)| can(*boots, !scene.uefi)) {
        let file = disks[*i].paths(scene.setting).unwrap_or_default();
        draft.warn(problem(*i, &file.display().to_string(), scene.uefi));
    }
}

/// What can start `disk`; nothing can where there is no disc.
fn boots(disk: &Disk, scene: &Scene) -> Option<Boots> {
    match disk.paths(scene.setting) {
        Some(path) => scene.host.images.get(&path)?.boots,
        None => Some(Boots::default()),
    }
}

fn problem(i: usize, file: &str, uefi: bool) -> Problem {
    let key = format!("disk[{i}].file");
    if uefi {
        Problem::new(Class::Invalid, key, format!("{file} starts by a BIOS, and the guest has UEFI firmware"))
            .why("it has no EFI system partition, and UEFI ends in its shell, \"Shell>\"")
            .fix("leave [firmware] out   # or convert the guest: vmrun why uefi-shell")
    } else {
        Problem::new(Class::Invalid, key, format!("{file} starts by UEFI, and the guest has a BIOS"))
            .why("there is no code in its boot sector, and a BIOS says that there is no bootable device")
            .fix("[firmware]\nkind = \"uefi\"")
    }
}
