//! The kernel of the emulated host: Debian's, unpacked from its package by `contrib/test-setup`.

use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::support::setup;

/// A kernel that QEMU can start without firmware, and its modules.
pub(crate) struct Kernel {
    /// Uncompressed ELF image. QEMU enters it by its PVH note; unpacking the compressed image in the emulated CPU would
    /// take a third of the boot.
    pub(crate) elf: PathBuf,
    /// The folder with `modules.dep` in it, named as the kernel's release.
    pub(crate) modules: PathBuf,
}

/// Held by the thread that looks for the decompressed image, and makes it.
static UNPACKING: Mutex<()> = Mutex::new(());

impl Kernel {
    /// The kernel of the set-up, `VMRUN_TEST_KERNEL` and `VMRUN_TEST_MODULES`; decompressed below `cache` if that is
    /// not done yet.
    pub(crate) fn find(cache: &Path) -> Self {
        let compressed = resolved("VMRUN_TEST_KERNEL");
        let modules = resolved("VMRUN_TEST_MODULES");
        let elf = cache.join(elf_name(&compressed));
        // Hosts of two layouts boot at the same time in one process.
        let _turn = UNPACKING.lock().unwrap_or_else(PoisonError::into_inner);
        if !elf.exists() {
            decompress(&compressed, &elf);
        }
        Self { elf, modules }
    }
}

/// The path that the set-up calls `name`, without links, so that it ends in the kernel's release.
fn resolved(name: &str) -> PathBuf {
    let path = setup::path(name);
    path.canonicalize().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A name that another build of the same release does not share.
fn elf_name(compressed: &Path) -> String {
    let name = compressed.file_name().expect("a file has a name").to_string_lossy();
    let metadata = compressed.metadata().unwrap_or_else(|error| panic!("{}: {error}", compressed.display()));
    format!("{name}.{}.{}.elf", metadata.mtime(), metadata.len())
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
    // Written beside and renamed: another process may be looking for it now.
    let partial = elf.with_extension(std::process::id().to_string());
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
