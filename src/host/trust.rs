//! Who else may write to a file that root is about to obey.

use super::{Root, user};
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

const STICKY: u32 = 0o1000;
const ANYBODY_WRITES: u32 = 0o002;
const GROUP_WRITES: u32 = 0o020;

/// Somebody whom nobody trusts and who may replace what stands at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stranger {
    /// The file, or a folder or link on the way to it.
    pub path: PathBuf,
    /// Who it is and why, like `belongs to uid 1001`.
    pub why: String,
    /// A command that keeps them out.
    pub fix: String,
}

/// The first on the way to `path`, links followed, that somebody else than the users in `trusted` may change or replace;
/// `None` when there is none, or nothing at the path.
///
/// Other than by its mode nobody writes to what is in a sticky folder, like `/tmp`, but its owner; `inode(7)`. The group
/// that a user has for himself alone is no other than he.
#[must_use]
pub fn stranger(root: &Root, path: &Path, trusted: &[u32]) -> Option<Stranger> {
    let mut looked = Vec::new();
    way(root, path, &mut looked, 0);
    looked.into_iter().find_map(|(path, meta)| judge(root, &path, &meta, trusted))
}

/// Every folder, link and file on the way to `path`; returns where it ends, without links.
fn way(root: &Root, path: &Path, looked: &mut Vec<(PathBuf, Metadata)>, links: u32) -> PathBuf {
    let mut here = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => _ = here.pop(),
            part => here.push(part),
        }
        let Ok(meta) = fs::symlink_metadata(root.resolve(&here)) else { return here };
        let is_link = meta.is_symlink();
        looked.push((here.clone(), meta));
        // As many links as the kernel follows; `path_resolution(7)`.
        if is_link
            && links < 40
            && let Ok(target) = fs::read_link(root.resolve(&here))
        {
            here.pop();
            here = way(root, &here.join(target), looked, links + 1);
        }
    }
    here
}

fn judge(root: &Root, path: &Path, meta: &Metadata, trusted: &[u32]) -> Option<Stranger> {
    let shown = path.display();
    let stranger = |why: String, fix: String| Some(Stranger { path: path.to_owned(), why, fix });
    if !trusted.contains(&meta.uid()) {
        return stranger(format!("belongs to uid {}", meta.uid()), format!("chown root: {shown}"));
    }
    // The mode of a link says nothing.
    let shared = meta.is_dir() && meta.mode() & STICKY != 0;
    if meta.is_symlink() || shared {
        return None;
    }
    if meta.mode() & ANYBODY_WRITES != 0 {
        return stranger("may be written to by anybody".into(), format!("chmod o-w {shown}"));
    }
    let group = (meta.mode() & GROUP_WRITES != 0 && meta.gid() != 0).then(|| group(root, meta.gid(), meta.uid()));
    match group {
        Some((name, false)) => stranger(format!("may be written to by group {name}"), format!("chmod g-w {shown}")),
        Some((_, true)) | None => None,
    }
}

/// What a group is called, and whether it is the group of the user `uid` alone: called like the user, with nobody else
/// in it. `group(5)`.
fn group(root: &Root, gid: u32, uid: u32) -> (String, bool) {
    let Some(group) = user::groups(root).into_iter().find(|group| group.gid == gid) else {
        return (gid.to_string(), false);
    };
    let users = user::read(root);
    let owner = users.iter().find(|user| user.uid == uid);
    let private =
        owner.is_some_and(|user| user.name == group.name && group.members.iter().all(|member| *member == user.name));
    (group.name, private)
}

#[cfg(test)]
mod test {
    use super::{Stranger, stranger};
    use crate::host::Root;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use std::path::Path;

    fn tree() -> (tempfile::TempDir, Root, Vec<u32>) {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("vm/below")).unwrap();
        fs::write(folder.path().join("vm/below/guest.toml"), "").unwrap();
        for path in ["vm", "vm/below"] {
            mode(folder.path(), path, 0o755);
        }
        mode(folder.path(), "vm/below/guest.toml", 0o644);
        let me = fs::metadata(folder.path()).unwrap().uid();
        let root = Root::at(folder.path());
        (folder, root, vec![me])
    }

    fn mode(folder: &Path, path: &str, mode: u32) {
        fs::set_permissions(folder.join(path), Permissions::from_mode(mode)).unwrap();
    }

    fn why(found: Option<Stranger>) -> Option<(String, String)> {
        found.map(|found| (found.path.display().to_string(), found.why))
    }

    #[test]
    fn row_107_whoever_may_write_to_a_file_or_a_folder_above_it_is_found() {
        let (folder, root, me) = tree();
        let file = Path::new("/vm/below/guest.toml");
        let anybody = |path: &str| Some((path.to_owned(), "may be written to by anybody".to_owned()));
        assert_eq!(stranger(&root, file, &me), None);
        mode(folder.path(), "vm", 0o777);
        assert_eq!(why(stranger(&root, file, &me)), anybody("/vm"));
        mode(folder.path(), "vm", 0o1777);
        assert_eq!(stranger(&root, file, &me), None, "sticky, like /tmp");
        mode(folder.path(), "vm/below/guest.toml", 0o646);
        assert_eq!(why(stranger(&root, file, &me)), anybody("/vm/below/guest.toml"));
    }

    #[test]
    fn row_107_a_link_leads_to_what_is_looked_at_too() {
        let (folder, root, me) = tree();
        fs::create_dir(folder.path().join("safe")).unwrap();
        symlink("../vm/below/guest.toml", folder.path().join("safe/guest.toml")).unwrap();
        let link = Path::new("/safe/guest.toml");
        assert_eq!(stranger(&root, link, &me), None);
        mode(folder.path(), "vm/below", 0o757);
        assert_eq!(stranger(&root, link, &me).unwrap().path, Path::new("/vm/below"));
        assert_eq!(stranger(&root, Path::new("/safe/none"), &me), None);
    }

    #[test]
    fn row_107_an_owner_who_is_not_trusted_is_named() {
        let (_folder, root, me) = tree();
        let found = stranger(&root, Path::new("/vm/below/guest.toml"), &[me[0] + 1]).unwrap();
        assert_eq!((found.why, found.fix), (format!("belongs to uid {}", me[0]), "chown root: /".to_owned()));
    }

    #[test]
    fn row_107_a_group_that_its_owner_has_for_himself_is_no_stranger() {
        let (folder, root, me) = tree();
        let gid = fs::metadata(folder.path()).unwrap().gid();
        let file = Path::new("/vm/below/guest.toml");
        mode(folder.path(), "vm/below/guest.toml", 0o664);
        // Root's own group is trusted whatever it is called.
        let known = gid == 0;
        assert_eq!(stranger(&root, file, &me).is_none(), known);
        fs::create_dir(folder.path().join("etc")).unwrap();
        fs::write(folder.path().join("etc/passwd"), format!("alice:x:{}:{gid}::/home/alice:/bin/sh\n", me[0])).unwrap();
        fs::write(folder.path().join("etc/group"), format!("alice:x:{gid}:\n")).unwrap();
        assert_eq!(stranger(&root, file, &me), None);
        fs::write(folder.path().join("etc/group"), format!("alice:x:{gid}:mallory\n")).unwrap();
        assert_eq!(stranger(&root, file, &me).is_none(), known);
    }
}
