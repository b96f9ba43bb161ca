//! `vmrun host` beside the listers that people know: shell loops over sysfs with `lspci` and `lsusb`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use super::scene::VMRUN;
use crate::host::{self, Host, Layout, Lost};
use serde_json::Value;

/// A line for each device of each IOMMU group: the group, a mark if the device has a reset, and what lspci says of it.
const GROUPS: &str = "for device in /sys/kernel/iommu_groups/*/devices/*; do
                          group=${device%/devices/*}
                          mark=
                          if [ -e $device/reset ]; then mark='[RESET] '; fi
                          echo \"IOMMU group ${group##*/} $mark$(lspci -nns ${device##*/})\"
                      done | sort";

/// A line for each USB bus with its controller and group, and what lsusb says of each device on it, up to its ids.
const USB: &str = "for bus in /sys/bus/usb/devices/usb*; do
                       number=$(cat $bus/busnum)
                       controller=$(dirname $(realpath $bus))
                       group=$(basename $(realpath $controller/iommu_group))
                       echo \"bus $number of ${controller##*/} in IOMMU group $group\"
                       lsusb -s $number: | cut -d ' ' -f 1-6
                   done | sort";

#[test]
fn the_page_for_people_says_what_the_listers_say() {
    let (listed, page) =
        host::on(&Layout::GPU, |host| Ok((host.ask(GROUPS)?, host.ask(&format!("COLUMNS=140 {VMRUN} host groups"))?)));
    for line in listed.lines().filter(|line| line.contains(" 01:00.")) {
        let (before, after) = line.split_once(" 01:").unwrap();
        let (class, _) = after[5..].split_once(" [").unwrap();
        let ids = after.rsplit_once('[').unwrap().1.split_once(']').unwrap().0;
        let address = format!("  0000:01:{}  {class}: ", &after[..4]);
        let found = page.lines().skip_while(|other| !other.starts_with(&address)).nth(1).unwrap_or_default();
        assert!(found.contains(&format!("[{ids}]")), "{line}\n{page}");
        assert_eq!(found.contains("[RESET]"), before.contains("[RESET]"), "{line}\n{page}");
    }
    let group = listed.lines().find(|line| line.contains(" 01:00.0")).unwrap().split(' ').nth(2).unwrap();
    assert!(page.contains(&format!("group {group}: ")), "{page}");
    assert!(page.contains("device = \"01:00\""), "{page}");
}

#[test]
fn usb_agrees_line_for_line_with_the_listers_and_the_keyboard_is_found() {
    let (listed, shown) = host::on(&Layout::USB, |host| Ok((host.ask(USB)?, view(host, "usb")?)));
    let controllers = shown["controllers"].as_array().unwrap();
    let lines = sorted(controllers.iter().flat_map(bus_lines).collect());
    assert_eq!(lines, listed);
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
            let mut lines = vec![format!("bus {number} of {bdf} in IOMMU group {group}"), device(1, &bus["id"])];
            let hubs = bus["hubs"].as_array().into_iter().flatten();
            let plugged = hubs.chain(entry["devices"].as_array().unwrap());
            lines.extend(plugged.map(|it| device(it["number"].as_u64().unwrap(), &it["id"])));
            lines
        })
        .collect()
}
