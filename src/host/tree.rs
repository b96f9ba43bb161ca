//! Machines as text: trees of files that the tests of this floor lay out in a temporary folder.

use super::{Caller, Root};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;
use tempfile::TempDir;

/// A laid out tree, gone with this value, and alice, who looks at it.
pub(crate) struct Tree {
    pub(crate) root: Root,
    pub(crate) caller: Caller,
    _folder: TempDir,
}

/// A tree of `(path, content)`.
pub(crate) fn lay_out(files: &[(&str, &str)]) -> Tree {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::at(folder.path());
    for (path, content) in files {
        let path = root.resolve(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    Tree { root, caller: alice(), _folder: folder }
}

fn alice() -> Caller {
    let variables = [("HOME", "/home/alice"), ("PATH", "/usr/local/bin:/usr/bin")];
    let find = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    Caller::from_environment(1000, &find)
}

impl Tree {
    /// A symbolic link at `path` to `target`.
    pub(crate) fn link(&self, path: &str, target: &str) {
        symlink(target, self.root.resolve(path)).unwrap();
    }

    /// Lets everyone execute `path`.
    pub(crate) fn executable(&self, path: &str) {
        fs::set_permissions(self.root.resolve(path), Permissions::from_mode(0o755)).unwrap();
    }

    /// A new program at `path`.
    ///
    /// Another process writes it: were it open for writing here while another test forks, to run it would fail with
    /// `ETXTBSY`.
    pub(crate) fn install(&self, path: &str, script: &str) {
        let draft = self.root.resolve("/draft");
        fs::write(&draft, script).unwrap();
        let status =
            Command::new("install").args(["-D", "-m", "755"]).arg(draft).arg(self.root.resolve(path)).status().unwrap();
        assert!(status.success());
    }
}

/// Four cores with two threads each, numbered as on the seed's machine: CPU 4 is the second thread of core 0.
pub(crate) fn quad_core_with_threads() -> Vec<(&'static str, &'static str)> {
    vec![
        ("/sys/devices/system/cpu/online", "0-7\n"),
        ("/sys/devices/system/cpu/cpu0/topology/core_id", "0\n"),
        ("/sys/devices/system/cpu/cpu0/topology/physical_package_id", "0\n"),
        ("/sys/devices/system/cpu/cpu0/topology/thread_siblings_list", "0,4\n"),
        ("/sys/devices/system/cpu/cpu1/topology/core_id", "1\n"),
        ("/sys/devices/system/cpu/cpu1/topology/physical_package_id", "0\n"),
        ("/sys/devices/system/cpu/cpu1/topology/thread_siblings_list", "1,5\n"),
        ("/sys/devices/system/cpu/cpu2/topology/core_id", "2\n"),
        ("/sys/devices/system/cpu/cpu2/topology/physical_package_id", "0\n"),
        ("/sys/devices/system/cpu/cpu2/topology/thread_siblings_list", "2,6\n"),
        ("/sys/devices/system/cpu/cpu3/topology/core_id", "3\n"),
        ("/sys/devices/system/cpu/cpu3/topology/physical_package_id", "0\n"),
        ("/sys/devices/system/cpu/cpu3/topology/thread_siblings_list", "3,7\n"),
        ("/sys/devices/system/cpu/cpu4/topology/core_id", "0\n"),
        ("/sys/devices/system/cpu/cpu4/topology/thread_siblings_list", "0,4\n"),
        ("/sys/devices/system/cpu/cpu5/topology/core_id", "1\n"),
        ("/sys/devices/system/cpu/cpu5/topology/thread_siblings_list", "1,5\n"),
        ("/sys/devices/system/cpu/cpu6/topology/core_id", "2\n"),
        ("/sys/devices/system/cpu/cpu6/topology/thread_siblings_list", "2,6\n"),
        ("/sys/devices/system/cpu/cpu7/topology/core_id", "3\n"),
        ("/sys/devices/system/cpu/cpu7/topology/thread_siblings_list", "3,7\n"),
    ]
}

/// Two NUMA nodes with two CPUs each, taking turns, and pools of both page sizes.
pub(crate) fn two_nodes() -> Vec<(&'static str, &'static str)> {
    vec![
        ("/sys/devices/system/cpu/online", "0-3\n"),
        ("/sys/devices/system/node/online", "0-1\n"),
        ("/sys/devices/system/node/node0/cpulist", "0,2\n"),
        ("/sys/devices/system/node/node0/hugepages/hugepages-1048576kB/nr_hugepages", "4\n"),
        ("/sys/devices/system/node/node0/hugepages/hugepages-1048576kB/free_hugepages", "0\n"),
        ("/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages", "512\n"),
        ("/sys/devices/system/node/node0/hugepages/hugepages-2048kB/free_hugepages", "500\n"),
        ("/sys/devices/system/node/node1/cpulist", "1,3\n"),
        ("/sys/devices/system/node/node1/hugepages/hugepages-1048576kB/nr_hugepages", "8\n"),
        ("/sys/devices/system/node/node1/hugepages/hugepages-1048576kB/free_hugepages", "8\n"),
        ("/sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages", "0\n"),
        ("/sys/devices/system/node/node1/hugepages/hugepages-2048kB/free_hugepages", "0\n"),
        // Sums over both; they must not be taken for a node's own.
        ("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "512\n"),
        ("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "500\n"),
    ]
}
