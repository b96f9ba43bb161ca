//! The profile as it is written: each table with the reason for what stands in it.

use super::choice::Choice;
use super::found::{Found, screen, told};
use crate::cli::args::GuestKind;
use crate::host::DiscKind;
use std::fmt::Write as _;
use std::path::Path;

/// The profile of `choice`, which commands find by `word`; editors find its language at `schema`.
pub(super) fn profile(choice: &Choice, found: &Found, word: &str, schema: &str) -> String {
    let mut text = format!("#:schema {schema}\n");
    head(choice, word, &mut text);
    cpu(choice, found, word, &mut text);
    memory(choice, &mut text);
    firmware(choice, &mut text);
    disk(choice, &mut text);
    net(choice, &mut text);
    card(choice, &mut text);
    input(choice, &mut text);
    sound(choice, &mut text);
    install(choice, found, &mut text);
    text
}

/// A string of TOML.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn path(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

fn head(choice: &Choice, word: &str, text: &mut String) {
    let Choice { name, guest, card, discs, .. } = choice;
    let root = if card.is_some() { "sudo " } else { "" };
    _ = writeln!(text, "# Made by `vmrun new`, and yours to change: vmrun edit {word}\n#");
    if !discs.is_empty() {
        _ = writeln!(text, "#   vmrun run {word} --variant install      the installation, once");
    }
    _ = writeln!(text, "#   {root}vmrun run {word}\n\nschema = 1\nname = {}\n", quoted(name.as_str()));
    if *guest != GuestKind::Other {
        _ = writeln!(text, "# `vmrun plan {word}` shows what follows from it.");
    }
    _ = writeln!(text, "guest = \"{}\"", guest.name());
}

fn cpu(choice: &Choice, found: &Found, word: &str, text: &mut String) {
    let (all, threads) = (found.cores().len(), found.threads());
    let each = if threads > 1 { format!(", each with its {threads} threads") } else { String::new() };
    _ = writeln!(text, "\n# Whole cores of the host's {all}{each}.\n# `vmrun plan {word}` shows which ones, and why.");
    _ = writeln!(text, "[cpu]\ncores = {}\nthreads = {threads}", choice.cores);
    if found.most_cores() > 0 {
        text.push_str("pinning = \"auto\"\n");
    }
}

fn memory(choice: &Choice, text: &mut String) {
    text.push('\n');
    if choice.card.is_some() {
        text.push_str("# A card holds all of it while the guest runs. Huge pages make the guest faster;\n");
        text.push_str("# where there are too few, the kernel uses those that it has.\n");
    }
    _ = writeln!(text, "[memory]\nsize = \"{}\"", choice.memory);
    if choice.card.is_some() {
        text.push_str("hugepages = \"2M\"\nfallback = \"thp\"\n");
    }
}

/// The store and the TPM lie beside the disk, so that they are the same whoever starts the guest.
fn firmware(choice: &Choice, text: &mut String) {
    let folder = choice.disk.path.parent().filter(|folder| !folder.starts_with("/dev"));
    let beside = |end: &str| folder.map(|folder| path(&folder.join(format!("{}{end}", choice.name))));
    let windows11 = choice.guest == GuestKind::Windows11;
    if windows11 {
        text.push_str("\n# Windows 11 asks for Secure Boot and a TPM. What both remember lies beside the disk.\n");
    } else {
        text.push_str("\n# UEFI, which a passed card needs too. Its variables lie beside the disk.\n");
    }
    text.push_str("[firmware]\nkind = \"uefi\"\n");
    if windows11 {
        text.push_str("secure_boot = true\n");
    }
    if let Some(store) = beside("-vars.fd") {
        _ = writeln!(text, "nvram = {store}");
    }
    if windows11 {
        text.push_str("\n[tpm]\n");
        if let Some(state) = beside("-tpm") {
            _ = writeln!(text, "state = {state}");
        }
    }
}

fn disk(choice: &Choice, text: &mut String) {
    if !choice.has_virtio() {
        text.push_str("\n# sata, for which Windows has a driver; virtio is faster, once its driver is installed.");
    }
    _ = writeln!(text, "\n[[disk]]\nfile = {}\nformat = \"{}\"", path(&choice.disk.path), choice.disk.format);
    if !choice.has_virtio() {
        text.push_str("bus = \"sata\"\n");
    }
}

fn net(choice: &Choice, text: &mut String) {
    match choice.net.as_str() {
        "none" => return,
        "user" => text.push_str(
            "\n# Out, but not in. In by ssh: hostfwd = [\"tcp:127.0.0.1:2222:22\"]\n[[net]]\nmode = \"user\"\n",
        ),
        bridge => _ = writeln!(text, "\n[[net]]\nmode = \"bridge\"\nbridge = {}", quoted(bridge)),
    }
    if !choice.has_virtio() {
        text.push_str(
            "# As the disk: model = \"virtio\" is faster, once Windows has its driver.\nmodel = \"e1000e\"\n",
        );
    }
}

fn card(choice: &Choice, text: &mut String) {
    let Some(card) = &choice.card else {
        let video = if choice.guest == GuestKind::Linux { "virtio" } else { "std" };
        _ = write!(text, "\n[display]\n{}video = \"{video}\"\n", screen().lines);
        return;
    };
    if card.only {
        text.push_str("\n# The host's only card: its desktop ends for the guest, and is there again afterwards.\n");
        text.push_str("[gpu]\nmode = \"single\"\n");
    }
    _ = writeln!(text, "\n# {}, with what shares its IOMMU group.", card.name);
    for line in card.told.iter().chain(&card.care) {
        _ = writeln!(text, "#   {line}");
    }
    for (index, line) in card.lines.iter().enumerate() {
        let gap = if index > 0 && line == "[[pci]]" { "\n" } else { "" };
        _ = writeln!(text, "{gap}{line}");
        if line != "[[pci]]" && !card.resettable {
            text.push_str(
                "# The kernel cannot reset it: a second start may need a reboot of the host.\nallow_no_reset = true\n",
            );
        }
    }
}

fn input(choice: &Choice, text: &mut String) {
    if !choice.input.is_empty() {
        text.push_str("\n# Both control keys, pressed together, hand these over and back.");
    }
    for device in &choice.input {
        _ = writeln!(text, "\n[[input]]\nkind = \"evdev\"\ndevice = {}", path(device));
        if device.to_string_lossy().ends_with("-kbd") {
            text.push_str("grab_all = true\nrepeat = true\n");
        }
    }
}

fn sound(choice: &Choice, text: &mut String) {
    if let Some(driver) = &choice.sound {
        _ = writeln!(
            text,
            "\n[audio]\ndriver = \"{driver}\"\nmodel = \"hda\"\n# The guest starts without when the server is not there.\nrequired = false"
        );
    }
}

/// The variant for the installation: no card yet, so that a window shows it, and the discs.
fn install(choice: &Choice, found: &Found, text: &mut String) {
    let card = choice.card.is_some();
    let left_out = [
        ("\"pci\"", card),
        ("\"gpu\"", choice.card.as_ref().is_some_and(|card| card.only)),
        ("\"memory.hugepages\"", card),
        ("\"memory.fallback\"", card),
        ("\"cpu.pinning\"", card && found.most_cores() > 0),
        ("\"input\"", !choice.input.is_empty()),
    ];
    let left_out: Vec<_> = left_out.into_iter().filter(|(_, there)| *there).map(|(name, _)| name).collect();
    if choice.discs.is_empty() && left_out.is_empty() {
        return;
    }
    if !left_out.is_empty() {
        text.push_str("\n# `--variant install`: the installation, without what it cannot use.\n[variant.install]\n");
        _ = writeln!(text, "without = [{}]", left_out.join(", "));
    }
    if card {
        _ = write!(text, "\n[variant.install.display]\n{}video = \"std\"\n", screen().lines);
    }
    for (file, disc) in &choice.discs {
        if let Some(disc) = disc {
            _ = write!(text, "\n# {}", told(disc));
            if disc.kind() == DiscKind::VirtioWin {
                text.push_str(".\n# In Windows' installer: Load driver, then viostor\\w11\\amd64 on this disc.");
            }
        }
        _ = writeln!(text, "\n[[variant.install.disk]]\nfile = {}\ncdrom = true", path(file));
    }
}
