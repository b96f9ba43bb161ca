//! Arguments of the kernel: only those that this machine needs.

use super::modprobe::{Form, ids};
use super::{Draft, Request, grub, loader};
use crate::host::{Boot, Module, PciFunction};
use crate::plan::{Class, Problem};

pub(super) fn write(form: Form, pci: &[PciFunction], boot: &Boot, request: &Request, draft: &mut Draft) {
    let grouped = pci.iter().any(|function| function.iommu_group.is_some());
    judge_iommu(grouped, boot, draft);
    let mut wanted = Vec::new();
    // Kernels that are built with INTEL_IOMMU_DEFAULT_ON make groups without it. AMD's is on unless it is switched off.
    if boot.intel && !grouped {
        wanted.push("intel_iommu=on".to_owned());
    }
    if request.passthrough {
        wanted.push("iommu=pt".to_owned());
    }
    if boot.vfio_pci == Some(Module::Builtin) && form == Form::Ids {
        wanted.push(format!("vfio-pci.ids={}", ids(&draft.proposal.functions)));
    }
    let wanted: Vec<_> = wanted.iter().map(String::as_str).collect();
    tell(&wanted, boot, draft);
}

/// Has the kernel be told those of `wanted` that it is not told yet, by the boot loader that is found.
pub(super) fn tell(wanted: &[&str], boot: &Boot, draft: &mut Draft) {
    let told: Vec<_> = boot.command_line.split_whitespace().collect();
    let wanted: Vec<_> = wanted.iter().copied().filter(|argument| !told.contains(argument)).collect();
    if wanted.is_empty() {
        return;
    }
    if boot.runs("kernelstub") && boot.has("/etc/kernelstub/configuration") {
        let line = wanted.join(" ");
        draft.commands(
            &format!("kernelstub --add-options \"{line}\""),
            &format!("kernelstub --delete-options \"{line}\""),
        );
    } else if boot.runs("grubby") {
        let line = wanted.join(" ");
        draft.commands(
            &format!("grubby --update-kernel=ALL --args=\"{line}\""),
            &format!("grubby --update-kernel=ALL --remove-args=\"{line}\""),
        );
    } else if loader::is_here(boot) {
        loader::write(&wanted, boot, draft);
    } else if boot.has(grub::PATH) {
        grub::write(&wanted, boot, draft);
    } else {
        draft.note(
            Problem::new(
                Class::Missing,
                "",
                format!("the kernel must be told `{}`, and no boot loader known here is found", wanted.join(" ")),
            )
            .fix("add it to the kernel's arguments in the boot loader's configuration"),
        );
    }
}

fn judge_iommu(grouped: bool, boot: &Boot, draft: &mut Draft) {
    let told = |argument: &str| boot.command_line.split_whitespace().any(|it| it == argument);
    for off in ["intel_iommu=off", "amd_iommu=off", "iommu=off"].into_iter().filter(|off| told(off)) {
        draft.refuse(
            Problem::new(Class::Impossible, "", format!("the kernel is told `{off}`"))
                .fix("take it out of the kernel's arguments"),
        );
    }
    if told("amd_iommu=on") {
        draft.note(
            Problem::new(Class::Invalid, "", "`amd_iommu=on` among the kernel's arguments does nothing")
                .why("AMD's IOMMU is on unless it is switched off, and the kernel knows no such value")
                .fix("take it out"),
        );
    }
    if !grouped {
        let fix = if boot.intel {
            "switch VT-d on in the firmware's setup too"
        } else {
            "switch SVM and IOMMU on in the firmware's setup"
        };
        draft.note(
            Problem::new(Class::Impossible, "", "the kernel has made no IOMMU groups yet")
                .why("whether more than this device must go with it shows only then")
                .fix(format!("{fix}; look again after the reboot")),
        );
    }
}
