//! What earlier attempts have left: pci-stub, other files that tell vfio-pci what to take, modules that are gone.

use super::Draft;
use super::modprobe::CONF;
use crate::host::Boot;
use crate::plan::{Class, Problem};
use std::path::Path;

pub(super) fn judge(boot: &Boot, draft: &mut Draft) {
    for (path, text) in boot.below("/etc/modprobe.d").filter(|(path, _)| *path != Path::new(CONF)) {
        for line in text.lines() {
            judge_modprobe(path, line, draft);
        }
    }
    for argument in boot.command_line.split_whitespace() {
        judge_argument(argument, draft);
    }
    for (path, text) in &boot.files {
        let lines = text.iter().flat_map(|text| text.lines());
        for line in lines.filter(|line| !line.trim_start().starts_with('#')) {
            judge_image_line(path, line, draft);
        }
    }
}

fn judge_modprobe(path: &Path, line: &str, draft: &mut Draft) {
    let plain = line.replace('_', "-");
    let words: Vec<_> = plain.split_whitespace().collect();
    match words.as_slice() {
        ["options", "pci-stub", ..] => draft.note(stub(format!("{} has `{}`", path.display(), line.trim()))),
        ["options", "vfio-pci", rest @ ..] if rest.iter().any(|word| word.starts_with("ids=")) => draft.refuse(
            Problem::new(Class::Invalid, "", format!("{} has `{}`", path.display(), line.trim()))
                .why("modprobe would hand both lists of ids to vfio-pci, which takes one of them")
                .fix("take that line out, and name those devices here too"),
        ),
        ["install", "vfio-pci", ..] => draft.refuse(
            Problem::new(Class::Invalid, "", format!("{} has `{}`", path.display(), line.trim()))
                .why("modprobe runs one such line, and which one is not said")
                .fix("take that line out"),
        ),
        _ => {}
    }
}

fn judge_argument(argument: &str, draft: &mut Draft) {
    let plain = argument.replace('_', "-");
    if plain.starts_with("pci-stub.ids=") {
        draft.note(stub(format!("the kernel is told `{argument}`")));
    }
    if plain.starts_with("vfio-pci.ids=") {
        draft.note(
            Problem::new(Class::Invalid, "", format!("the kernel is told `{argument}`"))
                .why("it comes after the list in modprobe.d, and takes its place")
                .fix("take it out of the kernel's arguments"),
        );
    }
}

fn stub(what: String) -> Problem {
    Problem::new(Class::Invalid, "", what)
        .why("pci-stub is the way of before Linux 4.1; it takes the card before vfio-pci can, and leaves it running at full power")
        .fix("take it out")
}

/// Lists of modules that go into images.
fn judge_image_line(path: &Path, line: &str, draft: &mut Draft) {
    let is_list = path.starts_with("/etc/initramfs-tools/modules")
        || ["MODULES", "add_drivers", "force_drivers", "modules"]
            .iter()
            .any(|name| line.trim_start().starts_with(name));
    let names =
        |module: &str| line.split(|c: char| !(c.is_alphanumeric() || "_-".contains(c))).any(|word| word == module);
    if !is_list || path.starts_with("/etc/modprobe.d") {
        return;
    }
    if names("vfio_virqfd") {
        draft.note(
            Problem::new(Class::Invalid, "", format!("{} names the module vfio_virqfd", path.display()))
                .why("Linux has no such module since 6.2, and images are not made without it")
                .fix("take it out: older kernels load it by themselves"),
        );
    }
    if names("pci-stub") || names("pci_stub") {
        draft.note(stub(format!("{} names the module pci-stub", path.display())));
    }
}
