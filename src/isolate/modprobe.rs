//! What modprobe is told: which devices vfio-pci takes, and that it comes before their drivers.

use super::{Draft, MARK, Request};
use crate::host::{Boot, Module, PciFunction};
use crate::plan::{Class, Problem};
use std::fmt::Write as _;

/// The file with modprobe's options.
pub const CONF: &str = "/etc/modprobe.d/vmrun-vfio.conf";

/// The script that gives functions to vfio-pci by their address.
pub const SCRIPT: &str = "/usr/local/sbin/vmrun-vfio-override";

/// How vfio-pci learns what it shall take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// By vendor and device id, which no other function has.
    Ids,
    /// By address, with a script that runs in the place of loading it.
    Addresses,
}

/// Drivers that may take a device of a vendor; vendor, base class, names. More than one kernel's worth: a name that a
/// kernel does not have does no harm.
const DRIVERS: [(Option<u16>, u32, &[&str]); 7] = [
    (Some(0x10de), 0x03, &["nouveau", "nova_core", "nvidia", "nvidia_drm"]),
    (Some(0x1002), 0x03, &["amdgpu", "radeon"]),
    (Some(0x8086), 0x03, &["i915", "xe"]),
    (None, 0x04, &["snd_hda_intel"]),
    (None, 0x01, &["nvme", "ahci"]),
    // Audio, USB and serial functions of NVIDIA cards.
    (None, 0x0c, &["xhci_pci", "i2c_nvidia_gpu", "ucsi_ccg"]),
    (None, 0x02, &["e1000e", "igb", "igc", "ixgbe", "r8169"]),
];

/// Names of vfio-pci and its helpers, which count as no driver.
const OURS: [&str; 3] = ["vfio-pci", "pci-stub", "pciback"];

/// By ids when these are the devices' own, else by address.
pub(super) fn form(pci: &[PciFunction], boot: &Boot, request: &Request, draft: &mut Draft) -> Form {
    let taken = &draft.proposal.functions;
    let same = |a: &PciFunction, b: &PciFunction| (a.vendor, a.device) == (b.vendor, b.device);
    let twin = pci.iter().find(|other| !taken.contains(other) && taken.iter().any(|mine| same(mine, other)));
    if twin.is_none() && !request.by_address {
        return Form::Ids;
    }
    if boot.vfio_pci == Some(Module::Builtin) {
        let why_address = twin.map_or("binding by address was asked for".to_owned(), |twin| {
            format!("{} has the same ids {:04x}:{:04x} and stays with the host", twin.bdf, twin.vendor, twin.device)
        });
        draft.refuse(
            Problem::new(
                Class::Impossible,
                "",
                "this kernel has vfio-pci built in, and runs no script before it takes devices",
            )
            .why(why_address)
            .fix("leave the binding to `vmrun run`, which goes by address; or use a kernel with vfio-pci as a module"),
        );
    }
    Form::Addresses
}

pub(super) fn write(form: Form, boot: &Boot, draft: &mut Draft) {
    if boot.vfio_pci.is_none() {
        let what = format!("no vfio-pci is found for the running kernel {}", boot.release);
        draft.note(
            Problem::new(Class::Missing, "", what).fix("if `modinfo vfio-pci` finds none either, use another kernel"),
        );
    }
    let functions = draft.proposal.functions.clone();
    // A built-in driver has no options in files.
    if boot.vfio_pci != Some(Module::Builtin) {
        draft.write(boot, CONF, conf(form, &functions));
    }
    if form == Form::Addresses {
        draft.write(boot, SCRIPT, script(&functions));
    }
}

/// `10de:13c2,10de:0fbb`: each pair once.
pub(super) fn ids(functions: &[PciFunction]) -> String {
    let mut ids: Vec<String> = Vec::new();
    for function in functions {
        let id = format!("{:04x}:{:04x}", function.vendor, function.device);
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    ids.join(",")
}

fn conf(form: Form, functions: &[PciFunction]) -> String {
    let mut text = format!("{MARK}\n");
    for function in functions {
        _ = writeln!(text, "# {} {:04x}:{:04x}", function.bdf, function.vendor, function.device);
    }
    _ = match form {
        Form::Ids => writeln!(text, "options vfio-pci ids={}", ids(functions)),
        Form::Addresses => writeln!(text, "install vfio-pci {SCRIPT} $CMDLINE_OPTS"),
    };
    for driver in drivers(functions) {
        _ = writeln!(text, "softdep {driver} pre: vfio-pci");
    }
    text
}

/// Drivers that would take the functions: those that have them now, and those that are known to.
fn drivers(functions: &[PciFunction]) -> Vec<String> {
    let now =
        functions.iter().filter_map(|function| function.driver.as_deref()).filter(|driver| !OURS.contains(driver));
    let known = functions.iter().flat_map(|function| {
        let fits = |row: &&(Option<u16>, u32, &[&str])| {
            row.0.is_none_or(|vendor| vendor == function.vendor) && row.1 == function.class >> 16
        };
        DRIVERS.iter().filter(fits).flat_map(|(_, _, names)| names.iter().copied())
    });
    let mut drivers: Vec<_> = now.chain(known).map(|driver| driver.replace('-', "_")).collect();
    drivers.sort();
    drivers.dedup();
    drivers
}

fn script(functions: &[PciFunction]) -> String {
    let mut text = format!("#!/bin/sh\n{MARK}\n{SCRIPT_BODY}");
    for function in functions {
        _ = writeln!(text, "give {} 0x{:04x}:0x{:04x}", function.bdf, function.vendor, function.device);
    }
    // Without -i it would run this script again, and again.
    text + "\nexec modprobe -i vfio-pci \"$@\"\n"
}

/// The script up to its list. It runs under the small shells of initramfs images.
const SCRIPT_BODY: &str = "\
# modprobe runs it in the place of loading vfio-pci. It gives whole IOMMU groups to it, by address.

# give ADDRESS VENDOR:DEVICE: addresses move when cards are put in or taken out, so a function with other ids is left alone.
give() {
    device=/sys/bus/pci/devices/$1
    if [ ! -e \"$device/driver_override\" ]; then
        echo \"vmrun: there is no PCI function $1\" >/dev/kmsg
        return
    fi
    read -r vendor <\"$device/vendor\"
    read -r id <\"$device/device\"
    if [ \"$vendor:$id\" != \"$2\" ]; then
        echo \"vmrun: $1 is $vendor:$id, not $2; left alone\" >/dev/kmsg
        return
    fi
    echo vfio-pci >\"$device/driver_override\"
}

";
