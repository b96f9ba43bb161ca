//! The packages, made of this build by the tools of their distributions. Debian's is put into a folder tree of its own,
//! used there, and removed without a trace.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// The name of the sources' folder in an archive of them.
const RELEASE: &str = concat!("vmrun-", env!("CARGO_PKG_VERSION"));

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|why| panic!("{command:?}: {why}"));
    let said = [&*output.stdout, &output.stderr].concat();
    assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&said));
    String::from_utf8(output.stdout).unwrap()
}

fn text(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// This build as a release has it: without what debuggers read.
fn stripped(folder: &Path) -> PathBuf {
    let path = folder.join("stripped");
    run(Command::new("strip").arg("-o").arg(&path).arg(env!("CARGO_BIN_EXE_vmrun")));
    path
}

/// The package of `binary`, hardly packed.
fn package(binary: &Path, folder: &Path) -> PathBuf {
    fs::create_dir(folder).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/package-deb");
    let mut command = Command::new(script);
    command.arg(binary).arg(folder).env("VMRUN_DEB_OPTIONS", "-Zgzip -z1");
    PathBuf::from(run(command.env("SOURCE_DATE_EPOCH", "1700000000")).trim_end())
}

/// A tree that knows of no package, for dpkg.
struct Tree(TempDir);

impl Tree {
    fn new() -> Self {
        let tree = tempfile::tempdir().unwrap();
        for folder in ["info", "updates", "triggers"] {
            fs::create_dir_all(tree.path().join("var/lib/dpkg").join(folder)).unwrap();
        }
        fs::write(tree.path().join("var/lib/dpkg/status"), "").unwrap();
        Self(tree)
    }

    fn dpkg(&self, words: &[&str]) -> String {
        let root = format!("--root={}", self.0.path().display());
        run(Command::new("dpkg").args([&root, "--force-depends", "--force-not-root", "--log=/dev/null"]).args(words))
    }

    /// Files and links, without those of dpkg.
    fn files(&self) -> Vec<String> {
        let mut files = files_below(self.0.path());
        files.retain(|file| !file.starts_with("var/lib/dpkg"));
        files
    }
}

#[test]
fn the_package_installs_works_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let binary = stripped(folder.path());
    let [one, two] = ["one", "two"].map(|name| package(&binary, &folder.path().join(name)));
    assert!(fs::read(&one).unwrap() == fs::read(two).unwrap(), "two packages of one build differ");
    let tree = Tree::new();
    tree.dpkg(&["--install", one.to_str().unwrap()]);
    let files = tree.files();
    for file in [
        "usr/bin/vmrun",
        "usr/share/man/man1/vmrun.1.gz",
        "usr/share/man/man1/vmrun-run.1.gz",
        "usr/share/man/man5/vmrun-profile.5.gz",
        "usr/lib/systemd/system/vmrun@.service",
        "usr/lib/systemd/user/vmrun@.service",
        "usr/share/polkit-1/actions/org.vmrun.policy",
        "usr/share/doc/vmrun/README.md",
        "usr/share/doc/vmrun/copyright",
        "usr/share/doc/vmrun/changelog.gz",
    ] {
        assert!(files.iter().any(|it| it == file), "{file} is missing\n{}", files.join("\n"));
    }
    let installed = tree.0.path().join("usr/bin/vmrun");
    assert!(run(Command::new(&installed).arg("--version")).starts_with("vmrun "));
    let profile = tree.0.path().join("usr/share/doc/vmrun/profiles/demo.toml");
    run(Command::new(&installed).arg("plan").arg(profile).args(["--set", "machine.accel=tcg"]));
    for file in
        ["bash-completion/completions/vmrun", "zsh/vendor-completions/_vmrun", "fish/vendor_completions.d/vmrun.fish"]
    {
        let text = fs::read_to_string(tree.0.path().join("usr/share").join(file)).unwrap();
        assert!(text.contains("vmrun") && !text.contains("/tmp/") && !text.contains("target/"), "{file}\n{text}");
    }
    tree.dpkg(&["--verify", "vmrun"]);
    tree.dpkg(&["--purge", "vmrun"]);
    assert_eq!(tree.files(), Vec::<String>::new());
}

#[test]
fn debians_own_checker_finds_nothing_in_the_package() {
    let folder = tempfile::tempdir().unwrap();
    let package = package(&stripped(folder.path()), &folder.path().join("deb"));
    let mut lintian = Command::new("lintian");
    run(lintian.args(["--allow-root", "--fail-on", "error,warning"]).arg(package));
}

#[test]
fn packages_for_rpm_and_pacman_hold_what_debians_holds() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let binary = stripped(folder);
    source(folder);
    let deb = unpacked(&package(&binary, &folder.join("deb")), ("dpkg-deb", "-x", ""));
    let expected: Vec<String> =
        deb.iter().map(|file| file.replace("zsh/vendor-completions", "zsh/site-functions")).collect();
    assert!(expected.len() > 20, "{expected:?}");
    for package in [rpm(&binary, folder), pacman(&binary, folder)] {
        let found = unpacked(&package, ("bsdtar", "-xf", "-C"));
        assert_eq!(found, expected, "{}", package.display());
    }
}

/// The sources as a release has them, in a folder and in an archive, for everybody to read.
fn source(folder: &Path) {
    fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
    let archive = folder.join(format!("{RELEASE}.tar.gz"));
    let mut tar = Command::new("tar");
    tar.args(["--exclude=./target", "--exclude=./.git", "--mode=a+rX", &format!("--transform=s,^\\.,{RELEASE},")]);
    run(tar.arg("-C").arg(env!("CARGO_MANIFEST_DIR")).arg("-czf").arg(&archive).arg("."));
    run(Command::new("tar").arg("-C").arg(folder).arg("-xzf").arg(archive));
}

/// The RPM of `binary`; a file that its list lacks, or has too many, ends rpmbuild.
fn rpm(binary: &Path, folder: &Path) -> PathBuf {
    let spec = folder.join(RELEASE).join("contrib/vmrun.spec");
    let mut build = Command::new("rpmbuild");
    let defines = [
        format!("_topdir {}/rpm", folder.display()),
        format!("_sourcedir {}", folder.display()),
        format!("vmrun_binary {}", binary.display()),
        "_binary_payload w1.gzdio".into(),
    ];
    for define in defines {
        build.arg("--define").arg(define);
    }
    run(build.args(["-bb", "--nodeps"]).arg(spec));
    only(&folder.join("rpm/RPMS/x86_64"))
}

/// The package of pacman, made by a user who is not root, as its maker demands.
fn pacman(binary: &Path, folder: &Path) -> PathBuf {
    let made = folder.join("pacman");
    fs::create_dir(&made).unwrap();
    fs::set_permissions(&made, Permissions::from_mode(0o777)).unwrap();
    let root = nix::unistd::geteuid().is_root();
    let mut make = Command::new(if root { "setpriv" } else { "env" });
    if root {
        make.args(["--reuid=65534", "--regid=65534", "--clear-groups", "env"]);
    }
    let packages = made.join("packages");
    for (name, place) in [("HOME", &made), ("BUILDDIR", &made), ("SRCDEST", &made), ("PKGDEST", &packages)] {
        make.arg(format!("{name}={}", place.display()));
    }
    make.arg(format!("VMRUN_BINARY={}", binary.display()));
    make.args(["PKGEXT=.pkg.tar", "sh", "-c", "mkdir $PKGDEST && makepkg --nodeps --nosign"]);
    run(make.current_dir(folder.join(RELEASE).join("contrib")));
    only(&packages)
}

/// The only file in `folder`.
fn only(folder: &Path) -> PathBuf {
    let mut found = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (first, more) = (found.next().unwrap(), found.next());
    assert_eq!(more, None);
    first
}

/// The files that `unpack` makes of `package`, without documents, for which each distribution has rules of its own, and
/// without what the maker of the package adds. The program among them is run.
fn unpacked(package: &Path, (tool, option, into): (&str, &str, &str)) -> Vec<String> {
    let tree = tempfile::tempdir().unwrap();
    run(Command::new(tool).arg(option).arg(package).args(into.split_whitespace()).arg(tree.path()));
    assert!(run(Command::new(tree.path().join("usr/bin/vmrun")).arg("--version")).starts_with("vmrun "));
    let mut files = files_below(tree.path());
    files.retain(|file| {
        let others = ["usr/share/doc/", "usr/share/licenses/", "usr/lib/.build-id/", "."];
        !others.iter().any(|start| file.starts_with(start))
    });
    files.sort();
    files
}

/// Files and links below `folder`, by their path there.
fn files_below(folder: &Path) -> Vec<String> {
    let found =
        run(Command::new("find").arg(folder).args(["-mindepth", "1", "-not", "-type", "d", "-printf", "%P\\n"]));
    found.lines().map(str::to_owned).collect()
}

#[test]
fn all_packages_are_of_one_version() {
    let version = env!("CARGO_PKG_VERSION");
    assert!(text("contrib/PKGBUILD").lines().any(|line| line == format!("pkgver={version}")));
    assert!(text("contrib/vmrun.spec").lines().any(|line| line == format!("Version:        {version}")));
    assert!(text("contrib/CHANGELOG.md").lines().any(|line| line == format!("## {version}")));
}
