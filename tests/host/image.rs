//! The initial file system of the emulated host: busybox, a few modules and `init.sh`, as a cpio archive.

use std::fmt::{Display, Write as _};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::layout::{Init, Layout};
use crate::support::modules::load_order;
use crate::support::setup;

/// Modules that reach the root file system and the command channel; all others are loaded from that root.
const EARLY_MODULES: &[&str] = &["virtio_pci", "virtio_console", "9pnet_virtio", "9p", "overlay"];

/// Writes the initial file system for a host of `layout` that runs from `modules`, and returns its path.
///
/// The file lies in `cache` under the layout's name: it is cheap to make anew and harmless to keep.
pub(crate) fn build(cache: &Path, layout: &Layout, modules: &Path) -> PathBuf {
    let mut archive = Archive::default();
    for folder in ["bin", "dev", "modules", "proc", "sys", "lower", "writable", "root"] {
        archive.folder(folder);
    }
    archive.file("bin/busybox", &read(&setup::path("VMRUN_TEST_BUSYBOX")));
    archive.file("init", include_bytes!("init.sh"));
    archive.file("systemd", include_bytes!("systemd.sh"));
    archive.file("agent", include_bytes!("agent.sh"));
    archive.file("prepare", layout.prepare.as_bytes());
    archive.file("settings", settings(layout, modules).as_bytes());
    for (number, module) in load_order(modules, EARLY_MODULES).iter().enumerate() {
        archive.file(&format!("modules/{number:02}"), &read(&modules.join(module)));
    }
    let path = cache.join(format!("{}.cpio", layout.name));
    let failed = |error: &dyn Display| -> ! { panic!("{}: {error}", path.display()) };
    let mut partial = NamedTempFile::new_in(cache).unwrap_or_else(|error| failed(&error));
    partial.write_all(&archive.finish()).unwrap_or_else(|error| failed(&error));
    partial.persist(&path).unwrap_or_else(|error| failed(&error));
    path
}

/// The shell variables that the scripts read.
fn settings(layout: &Layout, modules: &Path) -> String {
    let modules = modules.to_str().expect("the path of the modules is UTF-8");
    let modules = shlex::try_quote(modules).expect("a path has no zero byte");
    let init = match layout.init {
        Init::Agent => "agent",
        Init::Systemd => "systemd",
    };
    format!("modules={modules}\nwanted='{}'\ninit={init}\n", layout.modules.join(" "))
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A cpio archive in the one format the kernel unpacks, "newc". Linux: Documentation/driver-api/early-userspace/buffer-format.rst.
#[derive(Default)]
struct Archive {
    bytes: Vec<u8>,
    inodes: u32,
}

impl Archive {
    fn folder(&mut self, name: &str) {
        self.entry(name, 0o040_755, &[]);
    }

    fn file(&mut self, name: &str, content: &[u8]) {
        self.entry(name, 0o100_755, content);
    }

    fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        self.bytes
    }

    fn entry(&mut self, name: &str, mode: u32, content: &[u8]) {
        self.inodes += 1;
        let size = u32::try_from(content.len()).expect("a file below 4 GiB");
        let name_size = u32::try_from(name.len() + 1).expect("a short name");
        // inode, mode, uid, gid, links, mtime, size, device and special device (major, minor each), name size, checksum
        let fields = [self.inodes, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name_size, 0];
        let mut header = "070701".to_owned();
        for field in fields {
            write!(header, "{field:08x}").expect("a String takes all");
        }
        self.bytes.extend(header.as_bytes());
        self.bytes.extend(name.as_bytes());
        self.bytes.push(0);
        self.align();
        self.bytes.extend(content);
        self.align();
    }

    /// Names and contents each end on a multiple of four bytes.
    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}
