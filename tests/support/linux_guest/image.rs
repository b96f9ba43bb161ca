//! Builds the image: initramfs, unified kernel image, FAT file system.

use std::fs;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::modules::load_order;
use crate::support::setup::run;

/// What goes into an image.
pub(super) struct Parts {
    /// Text of the first process, a script of busybox.
    pub(super) init: &'static str,
    /// Names of kernel modules, without `.ko`.
    pub(super) modules: &'static [&'static str],
    pub(super) command_line: String,
    /// A kernel that is an EFI program too (`CONFIG_EFI_STUB`).
    pub(super) kernel: PathBuf,
    /// Its modules, with `modules.dep`.
    pub(super) modules_dir: PathBuf,
    /// systemd's EFI stub.
    pub(super) stub: PathBuf,
    /// A static busybox.
    pub(super) busybox: PathBuf,
}

/// Builds beside `image` and renames, so that `image` is whole whenever it is there.
pub(super) fn build(parts: &Parts, image: &Path) {
    let beside = image.parent().expect("the folder for images");
    let work = tempfile::tempdir_in(beside).expect("a folder to build in");
    let initramfs = initramfs(parts, work.path());
    let program = unified_kernel_image(parts, &initramfs, work.path());
    let disk = fat_disk(&program, work.path());
    fs::rename(disk, image).expect("the finished image");
}

pub(super) fn initramfs(parts: &Parts, work: &Path) -> PathBuf {
    let root = work.join("root");
    for folder in ["bin", "dev", "mnt", "modules", "proc", "sys"] {
        fs::create_dir_all(root.join(folder)).expect("a folder of the initramfs");
    }
    fs::copy(&parts.busybox, root.join("bin/busybox")).expect("busybox");
    fs::write(root.join("init"), parts.init).expect("init");
    fs::set_permissions(root.join("init"), fs::Permissions::from_mode(0o755)).expect("its mode");

    let mut names = vec!["init".to_owned(), "bin".into(), "bin/busybox".into(), "dev".into(), "mnt".into()];
    names.extend(["modules", "modules/order", "proc", "sys"].map(str::to_owned));
    let mut order = String::new();
    for module in load_order(&parts.modules_dir, parts.modules) {
        let name = module.rsplit('/').next().expect("a name");
        fs::copy(parts.modules_dir.join(&module), root.join("modules").join(name)).expect("a module");
        order.push_str(name);
        order.push('\n');
        names.push(format!("modules/{name}"));
    }
    fs::write(root.join("modules/order"), order).expect("the load order");
    let archive = work.join("initramfs");
    pack(&root, &names, &archive);
    archive
}

/// An uncompressed cpio archive: the guest would spend more time unpacking than the firmware spends reading.
fn pack(root: &Path, names: &[String], archive: &Path) {
    let mut cpio = Command::new("cpio")
        .args(["--create", "--format=newc", "--quiet", "--owner=0:0"])
        .current_dir(root)
        .stdin(Stdio::piped())
        .stdout(File::create(archive).expect("the archive"))
        .spawn()
        .expect("cpio starts; contrib/test-setup installs it");
    let mut list = cpio.stdin.take().expect("its input");
    list.write_all(names.join("\n").as_bytes()).expect("the list of files");
    drop(list);
    assert!(cpio.wait().expect("cpio ends").success(), "cpio failed");
}

/// One EFI program; the stub finds kernel, initramfs and command line by the names of its sections.
fn unified_kernel_image(parts: &Parts, initramfs: &Path, work: &Path) -> PathBuf {
    const COMMAND_LINE_AT: u64 = 0x3_0000; // behind the stub's own sections, which end below 0x2_0000
    const KERNEL_AT: u64 = 0x10_0000;
    const PAGE: u64 = 0x1000;

    let command_line = work.join("command-line");
    fs::write(&command_line, format!("{}\0", parts.command_line)).expect("the command line");
    let kernel_end = KERNEL_AT + fs::metadata(&parts.kernel).expect("the kernel").len();
    let initramfs_at = kernel_end.next_multiple_of(PAGE);

    let program = work.join("BOOTX64.EFI");
    let mut objcopy = Command::new("objcopy");
    for (section, file, at) in [
        (".cmdline", command_line.as_path(), COMMAND_LINE_AT),
        (".linux", &parts.kernel, KERNEL_AT),
        (".initrd", initramfs, initramfs_at),
    ] {
        objcopy.arg("--add-section").arg(format!("{section}={}", file.display()));
        objcopy.arg("--change-section-vma").arg(format!("{section}={at:#x}"));
    }
    run(objcopy.arg(&parts.stub).arg(&program));
    program
}

/// A disk that is one FAT file system with `program` where firmware looks on a disk that no boot entry names.
fn fat_disk(program: &Path, work: &Path) -> PathBuf {
    const MIB: u64 = 1 << 20;
    let mib = fs::metadata(program).expect("the program").len().div_ceil(MIB) + 2;
    let disk = work.join("disk.img");
    File::create(&disk).and_then(|file| file.set_len(mib * MIB)).expect("the disk");
    // 64 heads of 32 sectors: a cylinder is 1 MiB, so the size comes out even.
    let sectors = (mib * MIB / 512).to_string();
    run(Command::new("mformat").arg("-i").arg(&disk).args(["-T", &sectors, "-h", "64", "-s", "32", "::"]));
    run(Command::new("mmd").arg("-i").arg(&disk).args(["::/EFI", "::/EFI/BOOT"]));
    run(Command::new("mcopy").arg("-i").arg(&disk).arg(program).arg("::/EFI/BOOT/BOOTX64.EFI"));
    disk
}
