//! What to type, for this distribution and this boot loader.

use super::Subject;
use crate::isolate;
use crate::plan::FileEdit;

/// The families of distributions whose packages and files are known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Debian,
    Fedora,
    Arch,
    Suse,
}

/// A package by the names that the families have for it.
pub(super) struct Package {
    pub(super) debian: &'static str,
    pub(super) fedora: &'static str,
    pub(super) arch: &'static str,
    pub(super) suse: &'static str,
}

fn family(subject: &Subject<'_>) -> Option<Family> {
    let os = &subject.host.system.os;
    let mut words = ["ID", "ID_LIKE"].iter().filter_map(|key| os.get(*key)).flat_map(|text| text.split_whitespace());
    let known = |word: &str| match word {
        "debian" | "ubuntu" => Some(Family::Debian),
        "fedora" | "rhel" | "centos" => Some(Family::Fedora),
        "arch" => Some(Family::Arch),
        "suse" | "opensuse" | "opensuse-tumbleweed" | "opensuse-leap" => Some(Family::Suse),
        _ => None,
    };
    words.find_map(known)
}

/// How `package` is installed.
pub(super) fn install(subject: &Subject<'_>, package: &Package) -> String {
    let Package { debian, fedora, arch, suse } = package;
    match family(subject) {
        Some(Family::Debian) => format!("sudo apt install {debian}"),
        Some(Family::Fedora) => format!("sudo dnf install {fedora}"),
        Some(Family::Arch) => format!("sudo pacman -S {arch}"),
        Some(Family::Suse) => format!("sudo zypper install {suse}"),
        None => format!("install it: {debian} on Debian, {fedora} on Fedora, {arch} on Arch"),
    }
}

/// How the kernel is told `argument` from the next boot on.
pub(super) fn add_argument(subject: &Subject<'_>, argument: &str) -> String {
    let proposal = isolate::kernel_arguments(&[argument], subject.boot);
    let Ok(proposal) = proposal else { return by_hand(subject, argument) };
    let lines = proposal.edits.iter().filter_map(changed);
    let commands = proposal.commands.iter().map(|command| format!("sudo {command}"));
    let steps: Vec<_> = lines.chain(commands).collect();
    if steps.is_empty() { by_hand(subject, argument) } else { format!("{}\nthen reboot", steps.join("\n")) }
}

/// The line that an edit changes, as it is to be.
fn changed(edit: &FileEdit) -> Option<String> {
    let (from, to) = (edit.from.as_deref().unwrap_or_default(), edit.to.as_deref()?);
    let line = to.lines().find(|line| !from.lines().any(|other| other == *line))?;
    Some(format!("in {}: {line}", edit.path.display()))
}

/// For a machine whose boot loader was not looked at.
fn by_hand(subject: &Subject<'_>, argument: &str) -> String {
    match family(subject) {
        Some(Family::Debian) => {
            format!("add {argument} to GRUB_CMDLINE_LINUX_DEFAULT in /etc/default/grub\nsudo update-grub\nthen reboot")
        }
        Some(Family::Fedora) => format!("sudo grubby --update-kernel=ALL --args=\"{argument}\"\nthen reboot"),
        _ => format!("add {argument} to the kernel's arguments in the boot loader's configuration, then reboot"),
    }
}

/// How the kernel is no more told `argument` from the next boot on.
pub(super) fn drop_argument(subject: &Subject<'_>, argument: &str) -> String {
    let boot = subject.boot;
    let file = if boot.has("/etc/kernel/cmdline") {
        Some(("/etc/kernel/cmdline", "kernel-install add-all"))
    } else if boot.has("/etc/default/grub") {
        let command = if boot.runs("update-grub") { "update-grub" } else { "grub-mkconfig -o /boot/grub/grub.cfg" };
        Some(("/etc/default/grub", command))
    } else {
        None
    };
    if boot.runs("grubby") || file.is_none() && family(subject) == Some(Family::Fedora) {
        return format!("sudo grubby --update-kernel=ALL --remove-args=\"{argument}\"\nthen reboot");
    }
    match file.or((family(subject) == Some(Family::Debian)).then_some(("/etc/default/grub", "update-grub"))) {
        Some((file, command)) => format!("take {argument} out of {file}\nsudo {command}\nthen reboot"),
        None => {
            format!("take {argument} out of the kernel's arguments in the boot loader's configuration, then reboot")
        }
    }
}

/// How a parameter of a kernel module is set for good.
pub(super) fn module_option(module: &str, option: &str) -> String {
    format!("echo 'options {module} {option}' | sudo tee /etc/modprobe.d/{module}.conf")
}
