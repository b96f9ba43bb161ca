//! `vmrun host` beside the listers that people know from guides: shell loops over sysfs with `lspci` and `lsusb`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use super::scene::VMRUN;
use crate::host::{self, Host, Layout, Lost};
use serde_json::Value;

/// Prints a line for each device of each IOMMU group: the lister in the guide that this project began with, as it stands
/// there.
const GROUPS: &str = r#"shopt -s nullglob
for d in /sys/kernel/iommu_groups/*/devices/*; do
    n=${d#*/iommu_groups/*}; n=${n%%/*}
    printf 'IOMMU Group %s ' "$n"
    lspci -nns "${d##*/}"
done;"#;

/// Prints the devices below their IOMMU group, with a mark before each that the kernel can reset: that guide's second
/// lister.
const RESETS: &str = r#"for iommu_group in $(find /sys/kernel/iommu_groups/ -maxdepth 1 -mindepth 1 -type d);do echo "IOMMU group $(basename "$iommu_group")"; for device in $(\ls -1 "$iommu_group"/devices/); do if [[ -e "$iommu_group"/devices/"$device"/reset ]]; then echo -n "[RESET]"; fi; echo -n $'\t';lspci -nns "$device"; done; done"#;

/// Prints each USB bus with its controller and group, and below it what is plugged in: that guide's third lister.
const USB: &str = r#"for usb_ctrl in $(find /sys/bus/usb/devices/usb* -maxdepth 0 -type l); do pci_path="$(dirname "$(realpath "${usb_ctrl}")")"; echo "Bus $(cat "${usb_ctrl}/busnum") --> $(basename $pci_path) (IOMMU group $(basename $(realpath $pci_path/iommu_group)))"; lsusb -s "$(cat "${usb_ctrl}/busnum"):"; echo; done"#;

#[test]
fn gpu_groups_agree_line_for_line_with_the_listers() {
    assert_groups_agree(&Layout::GPU);
}

#[test]
fn shared_group_groups_agree_line_for_line_with_the_listers() {
    assert_groups_agree(&Layout::SHARED_GROUP);
}

#[test]
fn no_reset_groups_agree_line_for_line_with_the_listers() {
    assert_groups_agree(&Layout::NO_RESET);
}

#[test]
fn vf_groups_agree_line_for_line_with_the_listers() {
    assert_groups_agree(&Layout::VF);
}

/// Asserts that vmrun shows every line of both group listers, and no other.
///
/// A mark stands where the kernel has a file `reset`, which is what both sides read. The kernel makes that file for a
/// function alone in its slot when it finds it, before it finds the others; for the first function of a card the reset
/// of the bus that it promises is then refused. vmrun shows the method beside the mark, as the listers do not.
fn assert_groups_agree(layout: &Layout) {
    let (groups, resets, shown) =
        host::on(layout, |host| Ok((bash(host, GROUPS)?, bash(host, RESETS)?, view(host, "groups")?)));
    let functions: Vec<_> = shown["groups"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|group| !group["group"].is_null())
        .flat_map(|group| group["functions"].as_array().unwrap())
        .collect();
    assert!(functions.len() > 3, "{shown}");
    let line = |function: &&Value| format!("IOMMU Group {} {}", function["iommu_group"], lspci(function));
    assert_eq!(sorted(functions.iter().map(line).collect()), sorted(groups.lines().map(str::to_owned).collect()));
    let marked = |function: &&Value| {
        let mark = if function["resettable"] == true { "[RESET]" } else { "" };
        format!("IOMMU group {}: {mark}\t{}", function["iommu_group"], lspci(function))
    };
    assert_eq!(sorted(functions.iter().map(marked).collect()), sorted(under_heads(&resets)));
}

/// Lines that do not begin with a heading, after the heading above them.
fn under_heads(text: &str) -> Vec<String> {
    let mut head = "";
    let mut lines = Vec::new();
    for line in text.lines() {
        if line.starts_with("IOMMU group") {
            head = line;
        } else {
            lines.push(format!("{head}: {line}"));
        }
    }
    lines
}

/// A function as `lspci -nn` writes it; pciutils: `format_name`, `lib/names.c`.
fn lspci(function: &Value) -> String {
    let name = |which: &str| function["names"][which].as_str();
    let number = |what: &str| function[what].as_u64().unwrap_or(0);
    let class = number("class") >> 8;
    let class = name("class").map_or(format!("Class [{class:04x}]"), |name| format!("{name} [{class:04x}]"));
    let called = match (name("vendor"), name("device")) {
        (Some(vendor), Some(device)) => format!("{vendor} {device}"),
        (Some(vendor), None) => format!("{vendor} Device"),
        (None, _) => "Device".to_owned(),
    };
    let (vendor, device) = (number("vendor"), number("device"));
    let revision = number("revision");
    let revision = if revision > 0 { format!(" (rev {revision:02x})") } else { String::new() };
    // Of the only domain it leaves out the number.
    let bdf = function["bdf"].as_str().unwrap();
    let bdf = bdf.strip_prefix("0000:").unwrap_or(bdf);
    format!("{bdf} {class}: {called} [{vendor:04x}:{device:04x}]{revision}")
}

/// What a script of bash prints in the host.
fn bash(host: &mut Host, script: &str) -> Result<String, Lost> {
    host.ask(&format!("bash <<'SCRIPT'\n{script}\nSCRIPT"))
}

#[test]
fn the_page_for_people_says_what_the_listers_say() {
    let (listed, page) = host::on(&Layout::GPU, |host| {
        Ok((bash(host, RESETS)?, host.ask(&format!("COLUMNS=140 {VMRUN} host groups"))?))
    });
    let lines = under_heads(&listed);
    let mut card = lines.iter().filter(|line| line.contains("\t01:00.")).peekable();
    let (group, _) = card.peek().unwrap().split_once(": ").unwrap();
    assert!(page.contains(&format!("{}: ", group.trim_start_matches("IOMMU "))), "{page}");
    for line in card {
        let (before, after) = line.split_once("\t01:").unwrap();
        let (class, _) = after[5..].split_once(" [").unwrap();
        let ids = after.rsplit_once('[').unwrap().1.split_once(']').unwrap().0;
        let address = format!("  0000:01:{}  {class}: ", &after[..4]);
        let found = page.lines().skip_while(|other| !other.starts_with(&address)).nth(1).unwrap_or_default();
        assert!(found.contains(&format!("[{ids}]")), "{line}\n{page}");
        assert_eq!(found.contains("[RESET]"), before.contains("[RESET]"), "{line}\n{page}");
    }
    assert!(page.contains("device = \"01:00\""), "{page}");
}

#[test]
fn usb_agrees_line_for_line_with_the_listers_and_the_keyboard_is_found() {
    let (listed, shown) = host::on(&Layout::USB, |host| Ok((bash(host, USB)?, view(host, "usb")?)));
    let controllers = shown["controllers"].as_array().unwrap();
    let lines = sorted(controllers.iter().flat_map(bus_lines).collect());
    // What lsusb calls a device after its ids is the database's word on one side, and the device's own on the other.
    let listed = listed.lines().filter(|line| !line.is_empty());
    let listed = listed.map(|line| {
        let words = if line.contains(": ID ") { 6 } else { 7 };
        line.split(' ').take(words).collect::<Vec<_>>().join(" ")
    });
    assert_eq!(lines, sorted(listed.collect()));
    let keyboard = |controller: &Value| controller["controller"]["uses"].to_string().contains("keyboard");
    assert_eq!(controllers.iter().map(keyboard).collect::<Vec<_>>(), [false, true]);
    // The board of the emulated machine has a keyboard controller, with which the one on USB is not the only one.
    let only = shown["keyboards"].as_array().unwrap().len() == 1;
    assert_eq!(controllers.iter().map(|it| it["only_keyboard"].is_string()).collect::<Vec<_>>(), [false, only]);
}

/// What vmrun in the host shows, for programs.
fn view(host: &mut Host, name: &str) -> Result<Value, Lost> {
    Ok(serde_json::from_str(&host.ask(&format!("{VMRUN} host {name} --json"))?).unwrap())
}

fn sorted(mut lines: Vec<String>) -> String {
    lines.sort();
    lines.join("\n")
}

/// The lister's lines of a controller.
fn bus_lines(controller: &Value) -> Vec<String> {
    let function = &controller["controller"];
    let (bdf, group) = (function["bdf"].as_str().unwrap(), &function["iommu_group"]);
    let buses = controller["buses"].as_array().unwrap().iter();
    buses
        .flat_map(|entry| {
            let bus = &entry["bus"];
            let number = bus["number"].as_u64().unwrap();
            let device =
                |device: u64, id: &Value| format!("Bus {number:03} Device {device:03}: ID {}", id.as_str().unwrap());
            let mut lines = vec![format!("Bus {number} --> {bdf} (IOMMU group {group})"), device(1, &bus["id"])];
            let hubs = bus["hubs"].as_array().into_iter().flatten();
            let plugged = hubs.chain(entry["devices"].as_array().unwrap());
            lines.extend(plugged.map(|it| device(it["number"].as_u64().unwrap(), &it["id"])));
            lines
        })
        .collect()
}
