//! Files with option ROMs.

use super::Root;
use crate::unit::{LARGEST_ROM, NoRom, OptionRom};
use std::path::Path;

/// What the file at `path` holds; `None` when no file is there, or it cannot be read.
pub(super) fn read(root: &Root, path: &Path) -> Option<Result<OptionRom, NoRom>> {
    let is_file = root.metadata(path).is_ok_and(|found| found.is_file());
    let bytes = is_file.then(|| root.head(path, LARGEST_ROM + 1))??;
    Some(OptionRom::parse(&bytes))
}

#[cfg(test)]
mod test {
    use super::read;
    use crate::host::tree::lay_out;
    use crate::unit::NoRom;
    use std::path::Path;

    #[test]
    fn a_file_that_is_no_rom_says_so_and_a_missing_one_is_another_matter() {
        let tree = lay_out(&[("/vm/card.rom", "404 not found")]);
        assert_eq!(read(&tree.root, Path::new("/vm/card.rom")), Some(Err(NoRom::NoImage)));
        assert_eq!(read(&tree.root, Path::new("/vm/none.rom")), None);
        assert_eq!(read(&tree.root, Path::new("/vm")), None);
    }
}
