//! Reading a card's option ROM through sysfs. Nothing is ever written to the ROM.

use super::ApplyError;
use crate::host::Root;
use crate::unit::{Bdf, LARGEST_ROM};
use nix::sys::signal::SigSet;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// The option ROM of the function at `bdf`, as the kernel reads it from the card.
///
/// The kernel shows it after a "1" was written to the file `rom`, and until "0" is. It is put back as it was in every
/// case, and the signals that would end the process wait until then. Linux: `Documentation/ABI/testing/sysfs-bus-pci`,
/// `pci_write_rom()`.
///
/// # Errors
/// When the function has no ROM, may not be read by this user, or the kernel finds no image in it.
pub fn read_rom(root: &Root, bdf: Bdf) -> Result<Vec<u8>, ApplyError> {
    let path = root.resolve(format!("/sys/bus/pci/devices/{bdf}/rom"));
    let file = File::options().read(true).write(true).open(&path).map_err(|error| unopened(bdf, &path, error))?;
    let waiting = SigSet::all().thread_swap_mask(nix::sys::signal::SigmaskHow::SIG_BLOCK);
    let read = shown(&file, &path);
    if let Ok(before) = waiting {
        // It was valid a moment ago.
        _ = before.thread_set_mask();
    }
    read
}

fn unopened(bdf: Bdf, path: &Path, error: io::Error) -> ApplyError {
    match error.kind() {
        ErrorKind::NotFound => ApplyError::Refused(format!("{bdf} has no option ROM that the kernel knows of")),
        _ => ApplyError::io("open", path)(error),
    }
}

/// Reads the ROM, which is shown only meanwhile unless it was shown before.
fn shown(file: &File, path: &Path) -> Result<Vec<u8>, ApplyError> {
    // A file that is not shown refuses to be read, with EINVAL.
    if file.read_at(&mut [0], 0).is_ok() {
        return content(file, path);
    }
    let shown = Shown::new(file, path)?;
    let read = content(file, path);
    let hidden = shown.hide();
    read.and_then(|bytes| hidden.map(|()| bytes))
}

fn content(file: &File, path: &Path) -> Result<Vec<u8>, ApplyError> {
    let mut bytes = Vec::new();
    let read = file.take(LARGEST_ROM as u64 + 1).read_to_end(&mut bytes);
    match read {
        Ok(_) => Ok(bytes),
        Err(error) if error.raw_os_error() == Some(nix::libc::EIO) => Err(ApplyError::Refused(format!(
            "the kernel finds no image in {}: the card sleeps, or its ROM is not readable",
            path.display()
        ))),
        Err(error) => Err(ApplyError::io("read", path)(error)),
    }
}

/// A ROM that the kernel shows until this is gone.
struct Shown<'a> {
    file: &'a File,
    path: PathBuf,
    hidden: bool,
}

impl<'a> Shown<'a> {
    fn new(file: &'a File, path: &Path) -> Result<Self, ApplyError> {
        file.write_all_at(b"1\n", 0).map_err(ApplyError::io("write", path))?;
        Ok(Self { file, path: path.to_owned(), hidden: false })
    }

    fn hide(mut self) -> Result<(), ApplyError> {
        self.hidden = true;
        // The kernel takes "0" for a yes unless it is exactly these two bytes.
        self.file.write_all_at(b"0\n", 0).map_err(ApplyError::io("write", &self.path))
    }
}

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        if !self.hidden {
            // Only when reading panicked; there is nobody to tell.
            _ = self.file.write_all_at(b"0\n", 0);
        }
    }
}

#[cfg(test)]
mod test {
    use super::read_rom;
    use crate::host::Root;

    #[test]
    fn a_function_without_a_rom_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let error = read_rom(&Root::at(folder.path()), "01:00.1".parse().unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "0000:01:00.1 has no option ROM that the kernel knows of");
    }
}
