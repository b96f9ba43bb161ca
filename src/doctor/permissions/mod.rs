//! What an ordinary user has to be granted so that a guest starts without root: rules of udev, limits, groups, huge pages
//! and polkit, and no more than that.

mod rule;

use crate::host::Host;
use crate::plan::{Access, Change, Contents, Lot, Opens, Step, What};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// A file that grants something, whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GrantFile {
    /// Where it belongs.
    pub path: String,
    /// What it holds.
    pub lines: Vec<String>,
}

/// All that a user needs for a guest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Permissions {
    /// Files to be written by root.
    pub files: Vec<GrantFile>,
    /// What root then does once.
    pub commands: Vec<String>,
    /// What the guest wants done at each start and nobody but root can do, as root would; nothing grants that.
    pub root_only: Vec<String>,
}

/// What `user` has to be granted on `host` for the guest of `contents`, whose profile is called `profile` on the command
/// line.
#[must_use]
pub fn permissions(contents: &Contents, host: &Host, user: &str, profile: &str) -> Permissions {
    let name = contents.name.as_str();
    let rules = rule::all(contents, user);
    let mut found = Permissions::default();
    let mut add = |path: String, lines: Vec<String>| {
        if !lines.is_empty() {
            found.files.push(GrantFile { path, lines });
        }
    };
    let has_rules = !rules.lines.is_empty();
    add(format!("/etc/udev/rules.d/70-vmrun-{name}.rules"), rules.lines);
    // limits.conf(5) counts in KiB.
    let locked = contents.locked_memory.map(|amount| format!("{user} - memlock {}", amount.bytes().div_ceil(1024)));
    add(format!("/etc/security/limits.d/vmrun-{name}.conf"), locked.into_iter().collect());
    add(format!("/etc/tmpfiles.d/vmrun-{name}.conf"), huge_pages(contents));
    add(format!("/etc/polkit-1/rules.d/70-vmrun-{name}.rules"), polkit(contents, user));
    let has_files = !found.files.is_empty();
    if !contents.devices.is_empty() {
        found
            .commands
            .push(format!("vmrun isolate --apply {profile}   # vfio-pci has its devices from the host's start"));
    }
    found.commands.extend(rules.groups.iter().map(|group| format!("usermod -aG {group} {user}")));
    found.commands.extend(contents.opens.iter().filter_map(|one| access(one, host, user)).collect::<BTreeSet<_>>());
    if has_rules {
        found.commands.push("udevadm control --reload && udevadm trigger".into());
    }
    if has_files {
        found
            .commands
            .push(format!("# then {user} logs in anew, and after the host's next start everything is as granted"));
    }
    found.root_only = root_only(contents);
    found
}

/// The pools that the guest takes its pages from, filled at the host's start; tmpfiles.d(5).
fn huge_pages(contents: &Contents) -> Vec<String> {
    let mut pools: BTreeMap<String, u64> = BTreeMap::new();
    for change in &contents.changes {
        if let Change::HugePages { node, size, take, .. } = change {
            let pool = format!("/sys/devices/system/node/node{node}/hugepages/hugepages-{}kB", size.bytes() / 1024);
            *pools.entry(pool).or_default() += take;
        }
    }
    pools.into_iter().map(|(pool, pages)| format!("w {pool}/nr_hugepages - - - - {pages}")).collect()
}

/// Leave to start and stop the system's units that the profile names, and no others; `polkit(8)`.
fn polkit(contents: &Contents, user: &str) -> Vec<String> {
    let units: BTreeSet<String> = contents
        .services
        .iter()
        .filter_map(|service| match &service.what {
            What::Unit { unit, user: None } => Some(format!("{unit:?}")),
            What::Unit { .. } | What::Command { .. } => None,
        })
        .collect();
    if units.is_empty() {
        return Vec::new();
    }
    let units = units.into_iter().collect::<Vec<_>>().join(", ");
    [
        "polkit.addRule(function(action, subject) {".to_owned(),
        format!("    if (action.id == \"org.freedesktop.systemd1.manage-units\" && subject.user == {user:?} &&"),
        format!("        [{units}].indexOf(action.lookup(\"unit\")) >= 0) {{"),
        "        return polkit.Result.YES;".to_owned(),
        "    }".to_owned(),
        "});".to_owned(),
    ]
    .into()
}

/// What lets the user at a file that it may not open.
fn access(one: &Opens, host: &Host, user: &str) -> Option<String> {
    let bars = host.barred.get(&one.path).filter(|_| matches!(one.lot, Lot::File | Lot::Folder))?;
    let (barred, letters) = match one.access {
        Access::Read => (bars.read.as_ref()?, "r"),
        Access::Write => (bars.write.as_ref()?, "rw"),
    };
    let letters = match (barred.at == one.path, one.lot) {
        (false, _) => "x",
        (true, Lot::Folder) => "rwx",
        (true, _) => letters,
    };
    Some(format!("setfacl -m u:{user}:{letters} {}   # {}", barred.at.display(), one.at))
}

/// Changes of the host that no right on a file allows.
fn root_only(contents: &Contents) -> Vec<String> {
    let granted = |change: &&Change| {
        matches!(
            change,
            // By rules of udev, tmpfiles and polkit; drivers by what binds at the host's start.
            Change::Owner { .. }
                | Change::HugePages { .. }
                | Change::Unit { .. }
                | Change::Driver { .. }
                | Change::Module { .. }
                | Change::Holders { .. }
                | Change::Hook { .. }
        )
    };
    let steps = contents.changes.iter().filter(|change| !granted(change)).flat_map(Change::steps);
    let mut seen = BTreeSet::new();
    steps
        .filter(|step| !matches!(step, Step::Revive(_)))
        .map(|step| step.to_string())
        .filter(|line| seen.insert(line.clone()))
        .collect()
}
