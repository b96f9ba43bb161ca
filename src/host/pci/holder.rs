//! Processes that hold device nodes of PCI functions. Source: `proc(5)`, `cgroups(7)`.

use super::super::{Root, user};
use super::PciFunction;
use super::node::nodes;
use crate::unit::Bdf;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Not;
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
    /// Whether that unit is one of its user's own manager, not of the system's.
    #[serde(default, skip_serializing_if = "Not::not")]
    pub of_user_manager: bool,
    /// The nodes that it holds.
    pub nodes: Vec<PathBuf>,
}

impl PciHolder {
    /// Whether the driver would wait for it. Input devices and the control nodes of sound are let go of by themselves when
    /// their device goes, as if they were unplugged.
    #[must_use]
    pub fn hinders(&self) -> bool {
        const WAITED_FOR: [&str; 5] = ["/dev/dri/", "/dev/nvidia", "/dev/kfd", "/dev/vfio/", "/dev/snd/pcm"];
        self.nodes.iter().any(|node| WAITED_FOR.iter().any(|start| node.to_string_lossy().starts_with(start)))
    }
}

/// Those who hold the function at `bdf` now, and the nodes that lead to it.
pub(in crate::host) fn now(root: &Root, bdf: Bdf) -> (Vec<PciHolder>, Vec<PathBuf>) {
    let mut functions = super::read(root);
    functions.retain(|function| function.bdf == bdf);
    let nodes = nodes(root, &functions).into_iter().filter(|(_, of)| of.contains(&bdf)).map(|(node, _)| node).collect();
    read(root, &mut functions);
    (functions.into_iter().flat_map(|function| function.holders).collect(), nodes)
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
    let unit = root.text(format!("/proc/{pid}/cgroup")).and_then(|text| unit(&text));
    let (unit, of_user_manager) = unit.map_or((None, false), |(unit, users)| (Some(unit), users));
    PciHolder {
        pid,
        program: root.text(format!("/proc/{pid}/comm")).unwrap_or_default(),
        user: uid.and_then(|uid: u32| accounts.get(&uid).cloned()),
        unit,
        of_user_manager,
        nodes,
    }
}

/// The innermost service or scope among the control groups of a process, and whether it lies within the service of a
/// user's manager; `user@.service(5)`.
fn unit(cgroups: &str) -> Option<(String, bool)> {
    let is_unit = |part: &&str| [".service", ".scope"].iter().any(|end| part.ends_with(end));
    let path = |line: &str| {
        let mut parts = line.splitn(3, ':').nth(2)?.rsplit('/');
        let unit = parts.find(is_unit)?.to_owned();
        let users = parts.any(|part| part.starts_with("user@") && part.ends_with(".service"));
        Some((unit, users))
    };
    cgroups.lines().find_map(path)
}

#[cfg(test)]
mod test {
    use super::unit;
    use crate::host::tree::lay_out;
    use crate::host::{Area, Host, PciFunction, PciHolder, Wants};

    #[test]
    fn the_innermost_unit_is_named() {
        let shell = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-kitty.scope/tab\n";
        assert_eq!(unit(shell), Some(("app-kitty.scope".to_owned(), true)));
        let old = "12:devices:/system.slice/gdm.service\n1:name=systemd:/system.slice/gdm.service\n0::/\n";
        assert_eq!(unit(old), Some(("gdm.service".to_owned(), false)));
        let session = "0::/user.slice/user-1000.slice/session-2.scope\n";
        assert_eq!(unit(session), Some(("session-2.scope".to_owned(), false)));
        assert_eq!(unit("0::/user.slice/user-1000.slice/user@1000.service/init.scope\n").unwrap().0, "init.scope");
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
            of_user_manager: false,
            nodes: vec!["/dev/dri/card1".into(), "/dev/nvidia0".into()],
        };
        assert_eq!(read(&[Area::Holders]).holders, [xorg]);
        assert_eq!(read(&[Area::Names]), PciFunction { holders: Vec::new(), ..read(&[Area::Holders]) }, "nobody asked");
    }
}
