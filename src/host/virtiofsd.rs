//! The daemon that shares folders by virtiofs.

use super::Root;
use crate::unit::Version;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A virtiofsd. There are two programs of that name: QEMU had one in C until 7.2, numbered like QEMU, and the one in
/// Rust that replaced it counts from 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Virtiofsd {
    /// Its path.
    pub path: PathBuf,
    /// Its version.
    pub version: Version,
    /// Whether it is QEMU's, in C.
    pub of_qemu: bool,
}

/// Long enough for a program that only prints its version, on a busy machine.
const WITHIN: Duration = Duration::from_secs(5);

/// The first of `places` that tells its version.
pub(super) fn read(root: &Root, places: &[PathBuf]) -> Option<Virtiofsd> {
    places.iter().filter(|path| root.executable(path)).find_map(|path| ask(root, path))
}

fn ask(root: &Root, path: &Path) -> Option<Virtiofsd> {
    let said = root.output(path, &["--version"], WITHIN)?;
    // `virtiofsd version 7.2.22 (Debian …)` in C, `virtiofsd 1.13.2` in Rust.
    let rest = said.lines().next()?.strip_prefix("virtiofsd ")?;
    let (of_qemu, rest) = rest.strip_prefix("version ").map_or((false, rest), |rest| (true, rest));
    let version = rest.split_whitespace().next()?.parse().ok()?;
    Some(Virtiofsd { path: path.to_owned(), version, of_qemu })
}

#[cfg(test)]
mod test {
    use super::{Virtiofsd, read};
    use crate::host::tree::lay_out;
    use std::path::PathBuf;

    #[test]
    fn both_programs_of_the_name_are_told_apart() {
        let tree = lay_out(&[]);
        tree.install("/c/virtiofsd", "#!/bin/sh\necho 'virtiofsd version 7.2.22 (Debian 1:7.2+dfsg-7)'\n");
        tree.install("/rust/virtiofsd", "#!/bin/sh\necho 'virtiofsd 1.13.2'\n");
        let found = |path: &str| read(&tree.root, &["/none/virtiofsd".into(), PathBuf::from(path)]);
        let of = |path: &str, version: &str, of_qemu| {
            Some(Virtiofsd { path: path.into(), version: version.parse().unwrap(), of_qemu })
        };
        assert_eq!(found("/c/virtiofsd"), of("/c/virtiofsd", "7.2.22", true));
        assert_eq!(found("/rust/virtiofsd"), of("/rust/virtiofsd", "1.13.2", false));
        assert_eq!(read(&tree.root, &["/none/virtiofsd".into()]), None);
    }
}
