//! The images that a qcow2 image is based on, down to the last. QEMU: `docs/interop/qcow2.rst`.

use super::{id, magic};
use crate::host::Root;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

/// The name of the image below is in the first cluster, near its start.
const HEAD: usize = 1 << 16;
/// The longest name. QEMU: `block/qcow2.c`.
const LONGEST: usize = 1023;
/// Longer chains are told as such; who made one by purpose would not start a guest from it.
const MOST: usize = 16;
/// The header extension that names the format of the image below.
const FORMAT: u32 = 0xe279_2aca;

/// The images below one.
#[derive(Default)]
pub(super) struct Chain {
    /// Which things they are, as far as the chain is whole.
    pub(super) ids: Vec<String>,
    /// Why they cannot be opened; `None` when they can, or when one leads to what is no file.
    pub(super) broken: Option<String>,
}

/// What lies below the qcow2 image at `path`.
pub(super) fn read(root: &Root, path: &Path) -> Chain {
    let mut chain = Chain::default();
    chain.broken = chain.follow(root, path);
    chain
}

impl Chain {
    /// Goes down from `path`; says why when it comes to no end.
    fn follow(&mut self, root: &Root, path: &Path) -> Option<String> {
        let mut seen = vec![path.to_owned()];
        loop {
            let above = seen.last().expect("it begins with one");
            let Below { file, is_raw } = below(root, above)?;
            let shown = above.display();
            let Ok(meta) = root.metadata(&file) else {
                return Some(format!("{} is not there, and {shown} is based on it", file.display()));
            };
            if seen.contains(&file) {
                return Some(format!("{shown} is based on {}, which is based on it", file.display()));
            }
            if seen.len() == MOST {
                return Some(format!("more than {MOST} images are based on each other, the last of them {shown}"));
            }
            // What is no file is not read: a pipe would never end.
            if !(meta.is_file() || meta.file_type().is_block_device()) {
                return None;
            }
            self.ids.push(id(&meta));
            if is_raw {
                return None;
            }
            seen.push(file);
        }
    }
}

struct Below {
    file: PathBuf,
    is_raw: bool,
}

/// What the image at `path` is based on; `None` for nothing, and for what no file is.
fn below(root: &Root, path: &Path) -> Option<Below> {
    if magic::read(root, path)? != "qcow2" {
        return None;
    }
    let head = root.head(path, HEAD)?;
    let (at, length) = (usize::try_from(long(&head, 8)?).ok()?, number(&head, 16)? as usize);
    if at == 0 || length > LONGEST {
        return None;
    }
    let name = std::str::from_utf8(head.get(at..at.checked_add(length)?)?).ok()?;
    let name = name.strip_prefix("file:").unwrap_or(name);
    // QEMU's own mark of a protocol: `nbd:`, `json:`.
    let is_elsewhere = name.find(':').is_some_and(|colon| !name[..colon].contains('/'));
    if name.is_empty() || is_elsewhere {
        return None;
    }
    let file = path.parent().unwrap_or(Path::new("/")).join(name);
    Some(Below { file, is_raw: extension(&head).is_some_and(|format| format == b"raw") })
}

/// The format that the header says the image below has.
fn extension(head: &[u8]) -> Option<&[u8]> {
    let mut at = if number(head, 4)? == 2 { 72 } else { number(head, 100)? as usize };
    loop {
        let (kind, length) = (number(head, at)?, number(head, at.checked_add(4)?)? as usize);
        let data = head.get(at + 8..(at + 8).checked_add(length)?)?;
        match kind {
            FORMAT => return Some(data),
            0 => return None,
            _ => at += 8 + length.next_multiple_of(8),
        }
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

#[cfg(test)]
mod test {
    use super::read;
    use crate::host::tree::{Tree, lay_out};
    use std::fs;
    use std::path::Path;

    /// A header of version 3 with the name of the image below, and its format where there is one.
    fn header(below: &str, format: &str) -> Vec<u8> {
        let mut bytes = vec![0; 104];
        bytes[..8].copy_from_slice(b"QFI\xfb\0\0\0\x03");
        bytes[100..104].copy_from_slice(&104_u32.to_be_bytes());
        if !format.is_empty() {
            bytes.extend(0xe279_2aca_u32.to_be_bytes());
            bytes.extend(u32::try_from(format.len()).unwrap().to_be_bytes());
            bytes.extend(format.as_bytes());
            bytes.resize(bytes.len().next_multiple_of(8), 0);
        }
        bytes.extend([0; 8]);
        if !below.is_empty() {
            let at = bytes.len() as u64;
            bytes[8..16].copy_from_slice(&at.to_be_bytes());
            bytes[16..20].copy_from_slice(&u32::try_from(below.len()).unwrap().to_be_bytes());
            bytes.extend(below.as_bytes());
        }
        bytes
    }

    fn images(all: &[(&str, &str, &str)]) -> Tree {
        let tree = lay_out(&[("/vm/base.raw", "x")]);
        for (name, below, format) in all {
            fs::write(tree.root.resolve(format!("/vm/{name}")), header(below, format)).unwrap();
        }
        tree
    }

    fn said(tree: &Tree) -> Option<String> {
        read(&tree.root, Path::new("/vm/a")).broken
    }

    #[test]
    fn a_chain_that_is_whole_is_none_that_is_broken() {
        assert_eq!(said(&images(&[("a", "", "")])), None);
        assert_eq!(said(&images(&[("a", "b", "qcow2"), ("b", "/vm/base.raw", "raw")])), None);
        assert_eq!(said(&images(&[("a", "nbd://server/disk", "raw")])), None);
    }

    #[test]
    fn the_images_below_are_known_whatever_path_leads_to_them() {
        let tree = images(&[("a", "link", "qcow2"), ("b", "/vm/base.raw", "raw")]);
        tree.link("/vm/link", "b");
        let id = |path: &str| crate::host::image::read(&tree.root, Path::new(path)).unwrap().id;
        assert_eq!(read(&tree.root, Path::new("/vm/a")).ids, [id("/vm/b"), id("/vm/base.raw")]);
        assert!(read(&tree.root, Path::new("/vm/base.raw")).ids.is_empty());
    }

    #[test]
    fn row_062_an_image_that_another_is_based_on_and_that_is_not_there_is_named() {
        let told = said(&images(&[("a", "b", ""), ("b", "file:lost.qcow2", "")])).unwrap();
        assert_eq!(told, "/vm/lost.qcow2 is not there, and /vm/b is based on it");
    }

    #[test]
    fn row_062_images_that_are_based_on_each_other_are_named() {
        let told = said(&images(&[("a", "b", ""), ("b", "a", "")])).unwrap();
        assert_eq!(told, "/vm/b is based on /vm/a, which is based on it");
    }

    #[test]
    fn whatever_a_header_says_is_survived() {
        let whole = header("b", "qcow2");
        for (at, length) in [(0, 0), (8, 8), (16, 4), (100, 4), (104, 8)] {
            let mut bytes = whole.clone();
            bytes[at..at + length].fill(0xff);
            let tree = images(&[]);
            for cut in 0..=bytes.len() {
                fs::write(tree.root.resolve("/vm/a"), &bytes[..cut]).unwrap();
                let _ = said(&tree);
            }
        }
    }
}
