//! The Debian package: made of this build, put into a folder tree of its own, used there, and removed without a trace.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

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
        let found = run(Command::new("find").arg(self.0.path()).args([
            "-mindepth",
            "1",
            "-not",
            "-type",
            "d",
            "-printf",
            "%P\\n",
        ]));
        found.lines().filter(|line| !line.starts_with("var/lib/dpkg")).map(str::to_owned).collect()
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
    the_rpm_has(&files);
    tree.dpkg(&["--verify", "vmrun"]);
    tree.dpkg(&["--purge", "vmrun"]);
    assert_eq!(tree.files(), Vec::<String>::new());
}

/// The RPM's list of files names each of `files`, where Debian has no place of its own for it.
fn the_rpm_has(files: &[String]) {
    let spec = text("contrib/vmrun.spec");
    let (_, listed) = spec.split_once("%files\n").unwrap();
    let listed: Vec<&str> = listed.lines().filter_map(|line| line.strip_prefix('/')).collect();
    let named = |file: &str| {
        listed.iter().any(|entry| match entry.split_once('*') {
            Some((start, end)) => file.starts_with(start) && file.ends_with(end),
            None => file == *entry || file.strip_prefix(entry).is_some_and(|rest| rest.starts_with('/')),
        })
    };
    let files = files.iter().map(|file| file.replace("zsh/vendor-completions", "zsh/site-functions"));
    assert_eq!(files.filter(|file| !named(file)).collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn all_packages_are_of_one_version() {
    let version = env!("CARGO_PKG_VERSION");
    assert!(text("contrib/PKGBUILD").lines().any(|line| line == format!("pkgver={version}")));
    assert!(text("contrib/vmrun.spec").lines().any(|line| line == format!("Version:        {version}")));
    assert!(text("contrib/CHANGELOG.md").lines().any(|line| line == format!("## {version}")));
}
