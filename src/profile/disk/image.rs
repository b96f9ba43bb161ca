//! What stands in the way of a disk on this host: another disk of the same image, a mount, a format.

use super::Disk;
use super::io::Format;
use crate::host::{Holder, Image};
use crate::plan::{Class, Draft, Problem};
use crate::profile::scene::Scene;
use std::path::{Path, PathBuf};

/// Judges the images of `disks` by what the host knows of them.
pub(super) fn judge(disks: &[Disk], scene: &Scene, draft: &mut Draft) {
    judge_same(disks, scene, draft);
    judge_below(disks, scene, draft);
    for (i, disk) in disks.iter().enumerate() {
        let Some(path) = disk.paths(scene.setting) else { continue };
        let Some(image) = scene.host.images.get(&path) else { continue };
        let key = format!("disk[{i}].file");
        judge_holders(disk, image, &path, &key, draft);
        judge_format(disk, image, &path, i, draft);
        judge_cache((disk, i), image, &path, scene, draft);
        warn_of_name(image, &path, &key, draft);
    }
}

fn judge_same(disks: &[Disk], scene: &Scene, draft: &mut Draft) {
    let paths: Vec<Option<PathBuf>> = disks.iter().map(|disk| disk.paths(scene.setting)).collect();
    let image = |i: usize| paths[i].as_ref().and_then(|path| scene.host.images.get(path));
    let same = |i: usize, j: usize| {
        let by_id = image(i).zip(image(j)).is_some_and(|(a, b)| !a.id.is_empty() && a.id == b.id);
        by_id || paths[i] == paths[j]
    };
    for (i, disk) in disks.iter().enumerate().filter(|(_, disk)| disk.file.is_some()) {
        let earlier = (0..i).find(|&earlier| same(i, earlier));
        let Some(first) = earlier.filter(|&first| !(disk.read_only() && disks[first].read_only())) else { continue };
        let shown = |i: usize| paths[i].as_deref().unwrap_or(Path::new("")).display().to_string();
        let (file, other) = (shown(i), shown(first));
        let mut what = format!("disk[{first}] and disk[{i}] are both {file}");
        if other != file {
            what = format!("disk[{first}] and disk[{i}] are one image: {other} and {file} lead to it");
        }
        draft.refuse(
            Problem::new(Class::Invalid, format!("disk[{i}].file"), what)
                .why("two writers on one image destroy its file system"),
        );
    }
}

/// QEMU would say so itself: it locks what an image is based on against writers. QEMU: `block/file-posix.c`, `raw_check_perm()`.
fn judge_below(disks: &[Disk], scene: &Scene, draft: &mut Draft) {
    let image = |disk: &Disk| scene.host.images.get(&disk.paths(scene.setting)?);
    let qcow2 = disks.iter().enumerate().filter(|(_, disk)| disk.format == Some(Format::Qcow2));
    for (i, Image { below, .. }) in qcow2.filter_map(|(i, disk)| Some((i, image(disk)?))) {
        let is_below = |disk: &Disk| image(disk).is_some_and(|other| below.contains(&other.id));
        for (j, _) in disks.iter().enumerate().filter(|(j, disk)| *j != i && !disk.read_only() && is_below(disk)) {
            let what = format!("disk[{i}] is based on disk[{j}], which the guest writes to");
            draft.refuse(
                Problem::new(Class::Invalid, format!("disk[{j}].file"), what)
                    .why("an image is worth nothing when what it is based on has changed")
                    .fix("readonly = true"),
            );
        }
    }
}

fn judge_holders(disk: &Disk, image: &Image, path: &Path, key: &str, draft: &mut Draft) {
    // A disc in the drive may well be mounted: nobody writes to it.
    if disk.cdrom {
        return;
    }
    let shown = path.display();
    for holder in &image.holders {
        let (what, fix) = match holder {
            Holder::Mounted(at) => {
                (format!("{shown} is mounted at {}", at.display()), format!("umount {}", at.display()))
            }
            Holder::Swap(swap) => {
                (format!("the host swaps to {}", swap.display()), format!("swapoff {}", swap.display()))
            }
            Holder::Device(name) => (
                format!("{shown} is held by /dev/{name}"),
                format!("lsblk /dev/{name}   # says of what; vgchange -an, mdadm --stop or losetup -d lets go"),
            ),
            Holder::Writer if disk.readonly => continue,
            Holder::Writer => {
                (format!("another process writes to {shown}"), format!("fuser -v {shown}   # says which"))
            }
        };
        let problem = Problem::new(Class::Busy, key, what).fix(fix);
        match disk.readonly {
            true => draft.warn(problem.why("what changes under a reader looks to it like a broken file system")),
            false => draft.refuse(problem.why("two writers on one image destroy its file system")),
        }
    }
}

fn judge_format(disk: &Disk, image: &Image, path: &Path, i: usize, draft: &mut Draft) {
    let Some(found) = image.begins_like.as_deref() else { return };
    let Some(format) = disk.format else { return };
    let (key, shown) = (format!("disk[{i}].format"), path.display());
    match format {
        Format::Qcow2 if found != "qcow2" => {
            let what = format!("{shown} is not a qcow2 image, it begins like {found}");
            draft.refuse(Problem::new(Class::Impossible, key, what).fix(remedy(found, path)));
        }
        Format::Raw if found != "raw" => {
            let what = format!("{shown} begins like a {found} image, and format is raw");
            draft.warn(
                Problem::new(Class::Impossible, key, what)
                    .why("the guest sees the image's own tables as its disk, and destroys them by its first write")
                    .fix(remedy(found, path)),
            );
        }
        Format::Qcow2 => {
            if let Some(broken) = &image.broken_chain {
                let problem = Problem::new(Class::Impossible, format!("disk[{i}].file"), broken.clone());
                draft.refuse(
                    problem.fix(format!("qemu-img rebase -u -F FORMAT -b IMAGE {shown}   # says where it is now")),
                );
            }
        }
        Format::Raw => {}
    }
}

/// QEMU would say so itself, when the host is prepared already. QEMU: `raw_open_common()`, `block/file-posix.c`.
fn judge_cache((disk, i): (&Disk, usize), image: &Image, path: &Path, scene: &Scene, draft: &mut Draft) {
    if disk.way(scene).cache.direct() && image.takes_direct == Some(false) {
        let what = format!("the file system of {} does not let its page cache be passed by", path.display());
        let problem = Problem::new(Class::Impossible, format!("disk[{i}].cache"), what);
        draft.refuse(problem.why("it does not open a file with O_DIRECT").fix("cache = \"writeback\""));
    }
}

fn remedy(found: &str, path: &Path) -> String {
    match found {
        "raw" | "qcow2" => format!("format = \"{found}\""),
        _ => {
            let word =
                shlex::try_quote(&path.to_string_lossy()).map_or_else(|_| "IMAGE".into(), std::borrow::Cow::into_owned);
            format!("qemu-img convert -p -f {found} -O qcow2 {word} NEW.qcow2   # and format = \"qcow2\"")
        }
    }
}

fn warn_of_name(image: &Image, path: &Path, key: &str, draft: &mut Draft) {
    let Some(stable) = &image.stable else { return };
    let what = format!("{} may be another disk after the next start of the host", path.display());
    draft.warn(
        Problem::new(Class::Invalid, key, what)
            .why("the kernel numbers disks in the order in which it finds them")
            .fix(format!("file = \"{}\"", stable.display())),
    );
}
