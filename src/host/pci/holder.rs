//! Processes that hold device nodes of PCI functions. Source: `proc(5)`, `cgroups(7)`.

use super::super::{Root, user};
use super::PciFunction;
use super::node::nodes;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// A process that holds a device node of a function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PciHolder {
    /// Its process id.
    pub pid: u32,
    /// Its name, `/proc/PID/comm`.
    pub program: String,
    /// Who it runs as; `None` when that user has no account here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The unit or scope of systemd that it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The nodes that it holds.
    pub nodes: Vec<PathBuf>,
}

/// Fills in who holds each of `functions`.
///
/// Files of other users' processes are hidden from all but root (`ptrace(2)`), so to a user this is a part.
pub(in crate::host) fn read(root: &Root, functions: &mut [PciFunction]) {
    let nodes = nodes(root, functions);
    let accounts: BTreeMap<u32, String> =
        user::read(root).into_iter().rev().map(|account| (account.uid, account.name)).collect();
    // By number, so that what is shown is in order.
    let pids: BTreeSet<u32> = root.names("/proc").iter().filter_map(|name| name.parse().ok()).collect();
    for pid in pids {
        let open: BTreeSet<PathBuf> = open(root, pid).filter(|path| nodes.contains_key(path)).collect();
        if open.is_empty() {
            continue;
        }
        for function in functions.iter_mut() {
            let held = open.iter().filter(|path| nodes.get(*path).is_some_and(|of| of.contains(&function.bdf)));
            let held: Vec<_> = held.cloned().collect();
            if !held.is_empty() {
                function.holders.push(holder(root, pid, held, &accounts));
            }
        }
    }
}

/// What the descriptors of `pid` lead to.
fn open(root: &Root, pid: u32) -> impl Iterator<Item = PathBuf> {
    let folder = format!("/proc/{pid}/fd");
    root.names(&folder).into_iter().filter_map(move |descriptor| root.link(format!("{folder}/{descriptor}")))
}

fn holder(root: &Root, pid: u32, nodes: Vec<PathBuf>, accounts: &BTreeMap<u32, String>) -> PciHolder {
    let uid = root.line(format!("/proc/{pid}/status"), "Uid:");
    let uid = uid.and_then(|line| line.split_ascii_whitespace().nth(1)?.parse().ok());
    PciHolder {
        pid,
        program: root.text(format!("/proc/{pid}/comm")).unwrap_or_default(),
        user: uid.and_then(|uid: u32| accounts.get(&uid).cloned()),
        unit: root.text(format!("/proc/{pid}/cgroup")).and_then(|text| unit(&text)),
        nodes,
    }
}

/// The innermost service or scope among the control groups of a process.
fn unit(cgroups: &str) -> Option<String> {
    let is_unit = |part: &&str| [".service", ".scope"].iter().any(|end| part.ends_with(end));
    cgroups.lines().find_map(|line| line.splitn(3, ':').nth(2)?.rsplit('/').find(is_unit).map(str::to_owned))
}

#[cfg(test)]
mod test {
    use super::unit;
    use crate::host::tree::lay_out;
    use crate::host::{Area, Host, PciFunction, PciHolder, Wants};

    #[test]
    fn the_innermost_unit_is_named() {
        let shell = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-kitty.scope/tab\n";
        assert_eq!(unit(shell).as_deref(), Some("app-kitty.scope"));
        let old = "12:devices:/system.slice/gdm.service\n1:name=systemd:/system.slice/gdm.service\n0::/\n";
        assert_eq!(unit(old).as_deref(), Some("gdm.service"));
        assert_eq!(unit("0::/\n"), None);
    }

    #[test]
    fn who_has_the_card_open_is_named_with_user_and_unit() {
        let tree = lay_out(&[
            ("/sys/bus/pci/devices/0000:06:00.0/vendor", "0x10de\n"),
            ("/sys/bus/pci/devices/0000:06:00.0/device", "0x13c2\n"),
            ("/sys/bus/pci/devices/0000:06:00.0/class", "0x030000\n"),
            ("/sys/devices/pci0000:00/0000:00:03.1/0000:06:00.0/drm/card1/uevent", "MAJOR=226\nDEVNAME=dri/card1\n"),
            ("/sys/devices/virtual/mem/null/uevent", "DEVNAME=null\n"),
            ("/sys/dev/char/x", ""),
            ("/proc/driver/nvidia/gpus/0000:06:00.0/information", "Model: \t GTX\nDevice Minor: \t 0\n"),
            ("/proc/812/comm", "Xorg\n"),
            ("/proc/812/status", "Name:\tXorg\nUid:\t1000\t1000\t1000\t1000\n"),
            ("/proc/812/cgroup", "0::/user.slice/user-1000.slice/session-2.scope\n"),
            ("/proc/812/fd/x", ""),
            ("/proc/93/fd/x", ""),
            ("/etc/passwd", "alice:x:1000:1000::/home/alice:/bin/sh\n"),
        ]);
        tree.link("/sys/dev/char/226:1", "../../devices/pci0000:00/0000:00:03.1/0000:06:00.0/drm/card1");
        tree.link("/sys/dev/char/1:3", "../../devices/virtual/mem/null");
        tree.link("/proc/812/fd/9", "/dev/dri/card1");
        tree.link("/proc/812/fd/10", "/dev/dri/card1");
        tree.link("/proc/812/fd/11", "/dev/nvidia0");
        tree.link("/proc/93/fd/0", "/dev/null");

        let asked = |areas: &[Area]| Wants { areas: areas.iter().copied().collect(), ..Wants::default() };
        let read = |areas| Host::read_for(&tree.root, &tree.caller, &asked(areas)).pci.remove(0);

        let xorg = PciHolder {
            pid: 812,
            program: "Xorg".to_owned(),
            user: Some("alice".to_owned()),
            unit: Some("session-2.scope".to_owned()),
            nodes: vec!["/dev/dri/card1".into(), "/dev/nvidia0".into()],
        };
        assert_eq!(read(&[Area::Holders]).holders, [xorg]);
        assert_eq!(read(&[]), PciFunction { holders: Vec::new(), ..read(&[Area::Holders]) }, "nobody asked");
    }
}
