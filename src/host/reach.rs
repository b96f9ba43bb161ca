//! What the user that QEMU runs as may open.

use super::{Host, Root, user};
use nix::unistd::{AccessFlags, Gid, Uid, access};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// An account as the kernel judges it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// User id.
    pub uid: u32,
    /// Id of the group that its files get.
    pub gid: u32,
    /// Ids of the other groups that it is a member of; `group(5)`.
    pub groups: Vec<u32>,
}

/// What keeps an account from something.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bars {
    /// From reading it; `None` when nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<Barred>,
    /// From reading and writing it, or from making something in it; `None` when nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write: Option<Barred>,
}

/// Where an account is stopped, and what would let it through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Barred {
    /// It, or a folder on the way to it.
    pub at: PathBuf,
    /// Ids of groups whose members are let through; empty when no group's are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<u32>,
}

/// Groups that are tried for one thing: that of a folder or two and its own.
const TRIES: usize = 4;

impl Account {
    /// The account `login`, with `group` in the place of its own when that is given; `None` when one of them is unknown.
    pub(super) fn find(root: &Root, login: &str, group: Option<&str>) -> Option<Self> {
        let (uid, own) = user::ids(root, login)?;
        let all = user::groups(root);
        let gid = match group {
            Some(name) => all.iter().find(|group| group.name == name)?.gid,
            None => own,
        };
        let member = all.iter().filter(|group| group.members.iter().any(|member| member == login));
        Some(Self { uid, gid, groups: member.map(|group| group.gid).chain([own]).collect() })
    }

    /// What keeps it, without its other groups, from each of `paths`; those from which nothing does are left out.
    pub(super) fn bars(&self, root: &Root, paths: &[PathBuf]) -> BTreeMap<PathBuf, Bars> {
        let bars = |path: &PathBuf| {
            let place = root.resolve(path);
            // What is not there is made in its folder.
            let (place, made) = match place.exists() {
                true => (place.canonicalize().unwrap_or(place), false),
                // A node comes with its module, and its mode with it.
                false if path.starts_with("/dev") => return None,
                false => (place.parent()?.to_owned(), true),
            };
            let read = if made { None } else { self.barred(root, &place, AccessFlags::R_OK) };
            let write = self.barred(root, &place, AccessFlags::R_OK | AccessFlags::W_OK);
            (read.is_some() || write.is_some()).then(|| (path.clone(), Bars { read, write }))
        };
        paths.iter().filter_map(bars).collect()
    }

    fn barred(&self, root: &Root, place: &Path, how: AccessFlags) -> Option<Barred> {
        let mut groups = Vec::new();
        let first = self.stopped_at(place, how, &groups)?;
        let mut at = Some(first.clone());
        while let Some(stop) = at.take() {
            let known = groups.len() < TRIES && letting_in(&stop, place, how).is_some_and(|gid| add(&mut groups, gid));
            if !known {
                groups.clear();
                break;
            }
            at = self.stopped_at(place, how, &groups);
        }
        Some(Barred { at: shown(root, &first), groups })
    }

    /// Where it is stopped on the way to `place`, with `groups` beside its own; `None` when it gets there. The kernel
    /// itself is asked, by a thread that becomes this account, so access control lists and the like count.
    fn stopped_at(&self, place: &Path, how: AccessFlags, groups: &[u32]) -> Option<PathBuf> {
        let ask = || match self.enter(groups) {
            Ok(()) => first_closed(place, how),
            // Not root: only who we are ourselves can be asked for.
            Err(_) => None,
        };
        std::thread::scope(|scope| scope.spawn(ask).join()).ok().flatten()
    }

    /// Makes the calling thread, and no other, this account; `setresuid(2)`, "C library/kernel differences".
    fn enter(&self, groups: &[u32]) -> rustix::io::Result<()> {
        if Uid::effective().as_raw() == self.uid {
            return Ok(());
        }
        let gid = |raw| rustix::fs::Gid::from_raw(raw);
        let groups: Vec<_> = groups.iter().copied().map(gid).collect();
        set_thread_groups(&groups)?;
        set_thread_res_gid(gid(self.gid), gid(self.gid), gid(self.gid))?;
        let uid = rustix::fs::Uid::from_raw(self.uid);
        set_thread_res_uid(uid, uid, uid)
    }
}

fn first_closed(place: &Path, how: AccessFlags) -> Option<PathBuf> {
    let mut folders: Vec<_> = place.ancestors().skip(1).collect();
    folders.reverse();
    let closed = folders.into_iter().find(|folder| access(*folder, AccessFlags::X_OK).is_err());
    let how = if place.is_dir() { how | AccessFlags::X_OK } else { how };
    closed.or_else(|| access(place, how).is_err().then_some(place)).map(Path::to_owned)
}

/// The group whose members may pass `stop`, by its mode; root's own is nobody else's.
fn letting_in(stop: &Path, place: &Path, how: AccessFlags) -> Option<u32> {
    let meta = std::fs::metadata(stop).ok()?;
    let read_write = if how.contains(AccessFlags::W_OK) { 0o060 } else { 0o040 };
    let needed = match (stop == place, meta.is_dir()) {
        (true, true) => read_write | 0o010,
        (true, false) => read_write,
        (false, _) => 0o010,
    };
    (meta.mode() & needed == needed && meta.gid() != 0).then_some(Gid::from_raw(meta.gid()).as_raw())
}

fn add(groups: &mut Vec<u32>, gid: u32) -> bool {
    let new = !groups.contains(&gid);
    groups.push(gid);
    new
}

/// `place` as it is called by who sees `root` as `/`.
fn shown(root: &Root, place: &Path) -> PathBuf {
    let below = place.strip_prefix(root.resolve("/")).unwrap_or(place);
    Path::new("/").join(below)
}

impl Host {
    /// Looks what keeps the user that QEMU runs as from each of `paths`; root is kept from nothing.
    pub fn bar(&mut self, root: &Root, paths: &[PathBuf]) {
        let account = match &self.account {
            Some(account) => account.clone(),
            None => Account { uid: self.euid, gid: self.euid, groups: Vec::new() },
        };
        if account.uid != 0 {
            self.barred = account.bars(root, paths);
        }
    }
}

#[cfg(test)]
mod test {
    use super::{Account, Barred};
    use crate::host::tree::{Tree, lay_out};
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, chown};
    use std::path::PathBuf;

    fn tree() -> Tree {
        let passwd = "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n";
        let group = "root:x:0:\nalice:x:1000:\nkvm:x:102:bob,alice\ndisk:x:6:\n";
        let tree = lay_out(&[("/etc/passwd", passwd), ("/etc/group", group), ("/dev/kvm", ""), ("/vm/a/disk.img", "")]);
        for folder in ["/", "/dev", "/vm", "/vm/a"] {
            mode(&tree, folder, 0o755);
        }
        tree
    }

    fn mode(tree: &Tree, path: &str, mode: u32) {
        fs::set_permissions(tree.root.resolve(path), Permissions::from_mode(mode)).unwrap();
    }

    fn own(tree: &Tree, path: &str, gid: u32, bits: u32) {
        chown(tree.root.resolve(path), Some(0), Some(gid)).unwrap();
        mode(tree, path, bits);
    }

    #[test]
    fn an_account_is_found_with_its_groups() {
        let tree = tree();
        let alice = Account { uid: 1000, gid: 1000, groups: vec![102, 1000] };
        assert_eq!(Account::find(&tree.root, "alice", None), Some(alice.clone()));
        assert_eq!(Account::find(&tree.root, "alice", Some("disk")), Some(Account { gid: 6, ..alice }));
        assert_eq!(Account::find(&tree.root, "alice", Some("none")), None);
        assert_eq!(Account::find(&tree.root, "carol", None), None);
    }

    #[test]
    fn what_stops_an_account_is_named_and_the_groups_that_let_it_through() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        let tree = tree();
        let alice = Account::find(&tree.root, "alice", None).unwrap();
        let write = |path: &str| alice.bars(&tree.root, &[PathBuf::from(path)]).remove(&PathBuf::from(path))?.write;
        let barred = |at: &str, groups: &[u32]| Some(Barred { at: at.into(), groups: groups.to_vec() });
        own(&tree, "/dev/kvm", 102, 0o660);
        assert_eq!(write("/dev/kvm"), barred("/dev/kvm", &[102]));
        own(&tree, "/dev/kvm", 0, 0o660);
        assert_eq!(write("/dev/kvm"), barred("/dev/kvm", &[]));
        own(&tree, "/dev/kvm", 0, 0o666);
        assert_eq!(write("/dev/kvm"), None);
        own(&tree, "/vm/a", 102, 0o750);
        own(&tree, "/vm/a/disk.img", 6, 0o660);
        assert_eq!(write("/vm/a/disk.img"), barred("/vm/a", &[102, 6]));
        own(&tree, "/vm/a/disk.img", 6, 0o640);
        assert_eq!(write("/vm/a/disk.img"), barred("/vm/a", &[]));
        assert_eq!(write("/vm/new.log"), barred("/vm", &[]));
        mode(&tree, "/vm", 0o777);
        assert_eq!(write("/vm/new.log"), None);
    }
}
