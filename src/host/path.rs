//! What stands at the paths that a profile names.

use super::Root;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::io::ErrorKind;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

/// What stands at a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum PathFact {
    /// Nothing.
    Missing,
    /// A regular file of `size` bytes.
    File {
        /// Its length.
        size: u64,
        /// Whether vmrun's user may execute it.
        executable: bool,
    },
    /// A folder, with the paths of the regular files below it, sorted.
    Folder {
        /// Files below, relative to it; executables only.
        files: Vec<PathBuf>,
    },
    /// A block device.
    Block,
    /// A socket, a pipe or a character device.
    Other,
    /// It cannot be looked at, with the reason.
    Unreadable(String),
}

/// Levels of folders below a folder that are searched: enough for a tree of libvirt hooks, `NAME/prepare/begin/script`.
const DEPTH: usize = 3;

/// Entries of a folder that are looked at, nearest first; a share may hold millions, a folder of hooks a dozen.
const ENTRIES: usize = 4096;

/// What stands at `path`.
pub(super) fn read(root: &Root, path: &Path) -> PathFact {
    let found = match root.metadata(path) {
        Ok(found) => found,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return PathFact::Missing;
        }
        Err(error) => return PathFact::Unreadable(reason(&error)),
    };
    let kind = found.file_type();
    if kind.is_file() {
        PathFact::File { size: found.len(), executable: root.executable(path) }
    } else if kind.is_dir() {
        PathFact::Folder { files: executables(root, path) }
    } else if kind.is_block_device() {
        PathFact::Block
    } else {
        PathFact::Other
    }
}

/// The kernel's reason in lower case, without the number that the standard library adds.
fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

/// Executable regular files below `folder`, relative to it, sorted; links are followed, as a shell would.
fn executables(root: &Root, folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = VecDeque::from([(PathBuf::new(), 0)]);
    let mut left = ENTRIES;
    while let Some((below, depth)) = folders.pop_front() {
        for name in root.names(folder.join(&below)).into_iter().take(left) {
            left -= 1;
            let entry = below.join(name);
            match root.metadata(folder.join(&entry)) {
                Ok(meta) if meta.is_dir() && depth < DEPTH => folders.push_back((entry, depth + 1)),
                Ok(meta) if meta.is_file() && root.executable(folder.join(&entry)) => found.push(entry),
                _ => {}
            }
        }
    }
    found.sort();
    found
}

#[cfg(test)]
mod test {
    use super::{read, reason};
    use crate::host::PathFact;
    use crate::host::tree::{Tree, lay_out};
    use std::path::{Path, PathBuf};

    fn fact(tree: &Tree, path: &str) -> PathFact {
        read(&tree.root, Path::new(path))
    }

    #[test]
    fn a_file_has_its_size_and_says_whether_it_can_be_run() {
        let tree = lay_out(&[("/vm/disk.img", "12345"), ("/vm/hook", "#!/bin/sh\n")]);
        tree.executable("/vm/hook");
        assert_eq!(fact(&tree, "/vm/disk.img"), PathFact::File { size: 5, executable: false });
        assert_eq!(fact(&tree, "/vm/hook"), PathFact::File { size: 10, executable: true });
    }

    #[test]
    fn nothing_and_a_path_through_a_file_are_missing() {
        let tree = lay_out(&[("/vm/disk.img", "")]);
        assert_eq!(fact(&tree, "/vm/none"), PathFact::Missing);
        assert_eq!(fact(&tree, "/vm/disk.img/none"), PathFact::Missing);
    }

    #[test]
    fn a_folder_of_hooks_names_its_executables_to_the_third_level() {
        let hooks = ["/h/qemu", "/h/w/prepare/begin/b.sh", "/h/w/prepare/begin/a.sh", "/h/w/prepare/begin/deep/x/y.sh"];
        let tree = lay_out(&[hooks.map(|path| (path, "")).as_slice(), &[("/h/w/readme", "")]].concat());
        for path in hooks {
            tree.executable(path);
        }
        let files = ["qemu", "w/prepare/begin/a.sh", "w/prepare/begin/b.sh"].map(PathBuf::from).to_vec();
        assert_eq!(fact(&tree, "/h"), PathFact::Folder { files });
    }

    #[test]
    fn a_folder_that_links_to_itself_has_an_end() {
        let tree = lay_out(&[("/h/a", "")]);
        tree.executable("/h/a");
        tree.link("/h/again", ".");
        let files = ["a", "again/a", "again/again/a", "again/again/again/a"].map(PathBuf::from).to_vec();
        assert_eq!(fact(&tree, "/h"), PathFact::Folder { files });
    }

    #[test]
    fn a_socket_is_something_else_and_a_loop_of_links_unreadable() {
        let tree = lay_out(&[("/run/x", "")]);
        let _socket = std::os::unix::net::UnixListener::bind(tree.root.resolve("/run/socket")).unwrap();
        assert_eq!(fact(&tree, "/run/socket"), PathFact::Other);
        tree.link("/run/loop", "loop");
        let PathFact::Unreadable(why) = fact(&tree, "/run/loop") else { panic!("a loop was read") };
        assert!(why.contains("symbolic link"), "{why}");
        assert_eq!(reason(&std::io::Error::from_raw_os_error(13)), "permission denied");
    }
}
