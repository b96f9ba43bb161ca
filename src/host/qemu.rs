//! The QEMU program and its version.

use super::qemu_cache::{Cache, Identity};
use super::{Caller, Qemu, Root};
use crate::unit::Version;
use std::path::{Path, PathBuf};
use std::time::Duration;

const NAME: &str = "qemu-system-x86_64";

/// Where Red Hat's packages put the only QEMU they ship, outside of `PATH`.
const OUTSIDE: &str = "/usr/libexec/qemu-kvm";

/// How long a QEMU may take to tell its version, on the slowest disk; a healthy one takes 50 ms.
const PATIENCE: Duration = Duration::from_secs(20);

/// The QEMU `wanted`, or else the first in `PATH`, or else Red Hat's.
///
/// `None` when there is none, or when what is there does not tell a version as QEMU does.
pub(super) fn read(root: &Root, caller: &Caller, wanted: Option<&Path>) -> Option<Qemu> {
    let path = find(root, caller, wanted)?;
    let identity = Identity::of(root, &path)?;
    let cache = Cache::read(root, caller);
    if let Some(version) = cache.version(&identity) {
        return Some(Qemu { path, version });
    }
    // The identity was taken before the program runs: should it be replaced meanwhile, the entry matches nothing.
    let version = ask(root, &path)?;
    cache.keep(root, identity, version);
    Some(Qemu { path, version })
}

fn find(root: &Root, caller: &Caller, wanted: Option<&Path>) -> Option<PathBuf> {
    match wanted {
        Some(path) if path.components().count() > 1 => Some(path.to_owned()),
        Some(name) => in_path(root, caller, name),
        None => in_path(root, caller, Path::new(NAME)).or_else(|| Some(PathBuf::from(OUTSIDE))),
    }
    .filter(|path| is_program(root, path))
}

fn in_path(root: &Root, caller: &Caller, name: &Path) -> Option<PathBuf> {
    caller.path.iter().map(|folder| folder.join(name)).find(|path| is_program(root, path))
}

fn is_program(root: &Root, path: &Path) -> bool {
    root.metadata(path).is_ok_and(|meta| meta.is_file()) && root.executable(path)
}

fn ask(root: &Root, path: &Path) -> Option<Version> {
    version(&root.output(path, &["--version"], PATIENCE)?)
}

/// The version in `QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)`; QEMU `system/vl.c`, `version()`.
fn version(output: &str) -> Option<Version> {
    let rest = output.lines().next()?.strip_prefix("QEMU emulator version ")?;
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    rest[..end].parse().ok()
}

#[cfg(test)]
mod test {
    use super::{read, version};
    use crate::host::qemu_cache::{Cache, Identity};
    use crate::host::tree::{Tree, lay_out};
    use crate::host::{Qemu, Root};
    use crate::unit::Version;
    use std::path::Path;
    use std::time::Duration;

    const CACHE: &str = "/home/alice/.cache/vmrun/qemu.json";

    /// A program that answers as QEMU of `version` does, and leaves a line in `/runs` each time it is run.
    fn install(tree: &Tree, path: &str, version: &str) {
        let runs = tree.root.resolve("/runs");
        let answer = format!("QEMU emulator version {version} (Debian 1:{version}+dfsg-7)");
        tree.install(path, &format!("#!/bin/sh\necho run >> '{}'\necho '{answer}'\n", runs.display()));
    }

    fn runs(root: &Root) -> usize {
        root.text("/runs").unwrap_or_default().lines().count()
    }

    fn qemu(path: &str, version: &str) -> Qemu {
        Qemu { path: path.into(), version: version.parse().unwrap() }
    }

    #[test]
    fn the_version_is_read_in_the_forms_that_are_shipped() {
        let cases = [
            ("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)\nCopyright", "7.2.22"),
            ("QEMU emulator version 10.0.2", "10.0.2"),
            ("QEMU emulator version 10.1.90-dirty", "10.1.90"),
            ("QEMU emulator version 9.2.50 (v9.2.0-1-gabc)", "9.2.50"),
        ];
        for (text, expected) in cases {
            assert_eq!(version(text), expected.parse().ok(), "{text}");
        }
        assert_eq!(version("bash 5.2"), None);
        assert_eq!(version(""), None);
    }

    #[test]
    fn a_known_qemu_is_not_run_again_and_a_changed_one_is() {
        let tree = lay_out(&[]);
        install(&tree, "/usr/bin/qemu-system-x86_64", "7.2.22");
        let first = read(&tree.root, &tree.caller, None);
        let second = read(&tree.root, &tree.caller, None);
        assert_eq!((first.clone(), runs(&tree.root)), (Some(qemu("/usr/bin/qemu-system-x86_64", "7.2.22")), 1));
        assert_eq!(second, first);

        install(&tree, "/usr/bin/qemu-system-x86_64", "10.0.2");
        assert_eq!(read(&tree.root, &tree.caller, None), Some(qemu("/usr/bin/qemu-system-x86_64", "10.0.2")));
        assert_eq!(runs(&tree.root), 2);
        assert_eq!(read(&tree.root, &tree.caller, None), Some(qemu("/usr/bin/qemu-system-x86_64", "10.0.2")));
        assert_eq!(runs(&tree.root), 2);
    }

    #[test]
    fn two_qemus_are_known_side_by_side() {
        let tree = lay_out(&[]);
        install(&tree, "/old/qemu", "7.2.22");
        install(&tree, "/new/qemu", "10.0.2");
        for _ in 0..2 {
            assert_eq!(read(&tree.root, &tree.caller, Some(Path::new("/old/qemu"))), Some(qemu("/old/qemu", "7.2.22")));
            assert_eq!(read(&tree.root, &tree.caller, Some(Path::new("/new/qemu"))), Some(qemu("/new/qemu", "10.0.2")));
        }
        assert_eq!(runs(&tree.root), 2);
    }

    #[test]
    fn every_part_of_the_identity_counts() {
        let tree = lay_out(&[]);
        install(&tree, "/qemu", "7.2.22");
        let identity = Identity::of(&tree.root, Path::new("/qemu")).unwrap();
        Cache::read(&tree.root, &tree.caller).keep(&tree.root, identity.clone(), Version::new(7, 2));
        let cache = Cache::read(&tree.root, &tree.caller);
        assert_eq!(cache.version(&identity), Some(Version::new(7, 2)));
        let others = [
            Identity { path: "/other".into(), ..identity.clone() },
            Identity { inode: identity.inode + 1, ..identity.clone() },
            Identity { size: identity.size + 1, ..identity.clone() },
            Identity { modified: (identity.modified.0, identity.modified.1 + 1), ..identity.clone() },
            Identity { changed: (identity.changed.0 + 1, identity.changed.1), ..identity.clone() },
        ];
        for other in others {
            assert_eq!(cache.version(&other), None, "{other:?}");
        }
    }

    #[test]
    fn a_broken_cache_is_passed_over_and_mended() {
        let tree = lay_out(&[(CACHE, "{\"programs\": [{")]);
        install(&tree, "/usr/bin/qemu-system-x86_64", "7.2.22");
        assert_eq!(read(&tree.root, &tree.caller, None), Some(qemu("/usr/bin/qemu-system-x86_64", "7.2.22")));
        assert_eq!(read(&tree.root, &tree.caller, None), Some(qemu("/usr/bin/qemu-system-x86_64", "7.2.22")));
        assert_eq!(runs(&tree.root), 1);
    }

    #[test]
    fn a_cache_that_cannot_be_written_costs_only_a_run() {
        let tree = lay_out(&[("/home/alice/.cache", "a file where the folder should be")]);
        install(&tree, "/usr/bin/qemu-system-x86_64", "7.2.22");
        for count in 1..=2 {
            assert_eq!(read(&tree.root, &tree.caller, None), Some(qemu("/usr/bin/qemu-system-x86_64", "7.2.22")));
            assert_eq!(runs(&tree.root), count);
        }
    }

    #[test]
    fn writing_the_cache_leaves_no_other_file() {
        let tree = lay_out(&[]);
        install(&tree, "/usr/bin/qemu-system-x86_64", "7.2.22");
        assert!(read(&tree.root, &tree.caller, None).is_some());
        assert_eq!(tree.root.names("/home/alice/.cache/vmrun"), ["qemu.json"]);
    }

    #[test]
    fn the_first_in_path_is_taken_then_red_hats_then_none() {
        let tree = lay_out(&[]);
        assert_eq!(read(&tree.root, &tree.caller, None), None);
        install(&tree, "/usr/libexec/qemu-kvm", "9.1.0");
        assert_eq!(read(&tree.root, &tree.caller, None), Some(qemu("/usr/libexec/qemu-kvm", "9.1.0")));
        install(&tree, "/usr/bin/qemu-system-x86_64", "7.2.22");
        assert_eq!(read(&tree.root, &tree.caller, None), Some(qemu("/usr/bin/qemu-system-x86_64", "7.2.22")));
        install(&tree, "/usr/local/bin/qemu-system-x86_64", "10.0.2");
        assert_eq!(read(&tree.root, &tree.caller, None), Some(qemu("/usr/local/bin/qemu-system-x86_64", "10.0.2")));
    }

    #[test]
    fn a_wanted_qemu_has_no_substitute() {
        let tree = lay_out(&[("/opt/qemu", "not executable")]);
        install(&tree, "/usr/bin/qemu-system-x86_64", "7.2.22");
        install(&tree, "/usr/bin/qemu-next", "10.0.2");
        assert_eq!(read(&tree.root, &tree.caller, Some(Path::new("/opt/none"))), None);
        assert_eq!(read(&tree.root, &tree.caller, Some(Path::new("/opt/qemu"))), None);
        let named = read(&tree.root, &tree.caller, Some(Path::new("qemu-next")));
        assert_eq!(named, Some(qemu("/usr/bin/qemu-next", "10.0.2")));
    }

    #[test]
    fn what_fails_or_is_no_qemu_is_none_and_is_not_kept() {
        let tree = lay_out(&[]);
        tree.install("/a", "#!/bin/sh\necho 'GNU bash, version 5.2'\n");
        tree.install("/b", "#!/bin/sh\necho 'QEMU emulator version 7.2.0'\nexit 1\n");
        assert_eq!(read(&tree.root, &tree.caller, Some(Path::new("/a"))), None);
        assert_eq!(read(&tree.root, &tree.caller, Some(Path::new("/b"))), None);
        assert!(!tree.root.exists(CACHE));
    }

    #[test]
    fn a_program_that_does_not_end_or_says_too_much_is_killed() {
        let tree = lay_out(&[]);
        tree.install(
            "/silent",
            "#!/bin/sh
exec sleep infinity
",
        );
        // Both calls wait for the program's end: that they come back shows it.
        assert_eq!(tree.root.output("/silent", &[], Duration::from_millis(50)), None);
        assert_eq!(tree.root.output("/endless", &[], Duration::from_secs(600)), None);
    }
}
