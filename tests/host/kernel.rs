//! The kernel of the emulated host: Debian's, unpacked from its package by `contrib/test-setup`.

use std::env;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

/// Where `contrib/test-setup` unpacks the kernel package when the environment names no other place.
const UNPACKED: &str = "/var/cache/vmrun-test/kernel";

/// A kernel that QEMU can start without firmware, and its modules.
pub struct Kernel {
    /// Uncompressed ELF image. QEMU enters it by its PVH note; unpacking the compressed image in the emulated CPU would
    /// take a third of the boot.
    pub elf: PathBuf,
    /// The folder with `modules.dep` in it, named as the kernel's release.
    pub modules: PathBuf,
}

impl Kernel {
    /// Finds the kernel named by `VMRUN_TEST_KERNEL` (a `vmlinuz`) and `VMRUN_TEST_MODULES` (a folder
    /// `lib/modules/<release>`), or else the one below [`UNPACKED`], and decompresses it below `cache` if that is not done yet.
    pub fn find(cache: &Path) -> Self {
        let compressed = env::var_os("VMRUN_TEST_KERNEL")
            .map_or_else(|| last_entry(&Path::new(UNPACKED).join("boot"), "vmlinuz-"), PathBuf::from);
        let modules = env::var_os("VMRUN_TEST_MODULES")
            .map_or_else(|| last_entry(&Path::new(UNPACKED).join("lib/modules"), ""), PathBuf::from);
        let name = compressed.file_name().expect("the kernel's path ends in a file name");
        let elf = cache.join(name).with_extension("elf");
        if !elf.exists() {
            decompress(&compressed, &elf);
        }
        Self { elf, modules }
    }
}

/// The last entry of `folder`, by name, that starts with `prefix`.
fn last_entry(folder: &Path, prefix: &str) -> PathBuf {
    let listing = fs::read_dir(folder).unwrap_or_else(|error| {
        panic!("{}: {error}; `contrib/test-setup` unpacks a kernel for the emulated host there", folder.display())
    });
    listing
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix)))
        .max()
        .unwrap_or_else(|| panic!("{} has no {prefix}*; run `contrib/test-setup`", folder.display()))
}

/// Cuts the payload out of a bzImage and writes it, decompressed, to `elf`.
///
/// The setup header tells where it is: Linux, Documentation/x86/boot.rst, `payload_offset` and `payload_length`, counted
/// from the end of the real-mode sectors.
fn decompress(compressed: &Path, elf: &Path) {
    let image = fs::read(compressed).unwrap_or_else(|error| panic!("{}: {error}", compressed.display()));
    let setup_sectors = usize::from(image[0x1f1]);
    let start = (setup_sectors + 1) * 512 + field(&image, 0x248);
    // The last four bytes are the decompressed size, appended by the kernel's build and not part of the stream.
    let payload = &image[start..start + field(&image, 0x24c) - 4];
    let program = match payload {
        [0xfd, b'7', b'z', ..] => "xz",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "zstd",
        other => panic!("{} is compressed in a way unknown here: {:02x?}", compressed.display(), &other[..4]),
    };
    fs::create_dir_all(elf.parent().expect("the cache is a folder")).expect("the cache folder can be made");
    // Written beside and renamed: another test run may be looking for it now.
    let partial = elf.with_extension(format!("elf.{}", std::process::id()));
    fs::write(&partial, filter(program, payload)).unwrap_or_else(|error| panic!("{}: {error}", partial.display()));
    fs::rename(&partial, elf).unwrap_or_else(|error| panic!("{}: {error}", elf.display()));
}

/// The little-endian 32-bit field of the setup header at `offset`.
fn field(image: &[u8], offset: usize) -> usize {
    let bytes = image[offset..offset + 4].try_into().expect("four bytes");
    usize::try_from(u32::from_le_bytes(bytes)).expect("a 64-bit machine")
}

/// What `program -dc` makes of `input`.
fn filter(program: &str, input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program)
        .arg("-dc")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let mut stdin = child.stdin.take().expect("piped above");
    let output = thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input));
        child.wait_with_output().unwrap_or_else(|error| panic!("{program}: {error}"))
    });
    assert!(output.status.success(), "{program} -dc: {}", output.status);
    output.stdout
}
