//! A folder with everything that a contestant needs, and a vmrun that keeps all of its own in it.

use super::{STAND_IN, marker, setup};
use std::env;
use std::fmt::Write;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// The vmrun that is measured, built as it is released.
pub(crate) const VMRUN: &str = env!("CARGO_BIN_EXE_vmrun");

/// Where run folders are on a real machine: in memory.
const RUN: &str = "/dev/shm";

pub(crate) struct Ground {
    dir: TempDir,
    runtime: TempDir,
}

impl Ground {
    /// An empty one. The stand-in in it asks the real QEMU `version` what vmrun asks of a QEMU it does not know.
    pub(crate) fn new(version: &str) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let ground = Self { dir, runtime: tempfile::tempdir_in(RUN).expect("a runtime folder") };
        fs::copy(env::current_exe().expect("this program"), ground.stand_in()).expect("the stand-in");
        std::os::unix::fs::symlink(real_qemu(version), ground.path("real")).expect("a link");
        fs::write(ground.path("marker.rom"), marker::rom()).expect("the marker firmware");
        ground
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn stand_in(&self) -> PathBuf {
        self.path(STAND_IN)
    }

    /// Says what the stand-in does once its guest may run.
    pub(crate) fn live(&self, life: &str) {
        fs::write(self.path("life"), life).expect("the stand-in's orders");
    }

    /// Writes a profile: each of `vcpus` on all host CPUs, since one host CPU does not take two, and `more` below.
    pub(crate) fn profile(&self, qemu: &Path, vcpus: usize, more: &str) -> PathBuf {
        let last = std::thread::available_parallelism().map_or(0, |cpus| usize::from(cpus) - 1);
        let pins = vec![format!("\"0-{last}\""); vcpus];
        let mut text =
            "schema = 1\nname = \"bench\"\n[machine]\naccel = \"tcg\"\n[memory]\nsize = \"256M\"\n".to_owned();
        let _ = writeln!(text, "[cpu]\ncores = {vcpus}\n[cpu.pinning]\nvcpus = [{}]", pins.join(", "));
        let _ = writeln!(text, "emulator = 0\n[firmware]\nimage = \"{}\"", self.path("marker.rom").display());
        let _ = writeln!(text, "{more}\n[qemu]\nbinary = \"{}\"\nargs = [{}]", qemu.display(), self.debug_port());
        let path = self.path("bench.toml");
        fs::write(&path, text).expect("the profile");
        path
    }

    /// Socket to which the marker firmware writes.
    pub(crate) fn first(&self) -> PathBuf {
        self.path("first.sock")
    }

    fn debug_port(&self) -> String {
        let chardev = format!("socket,id=first,path={}", self.first().display());
        format!("\"-chardev\", {chardev:?}, \"-device\", \"isa-debugcon,chardev=first,iobase={:#x}\"", marker::PORT)
    }

    /// A vmrun that writes only here, and to nobody.
    pub(crate) fn vmrun(&self, words: &[&str]) -> Command {
        self.program(Path::new(VMRUN), "", words)
    }

    /// Another vmrun, which keeps what it writes apart under `name`: it may remember other things of a QEMU.
    pub(crate) fn program(&self, vmrun: &Path, name: &str, words: &[&str]) -> Command {
        let installed = self.path(&format!("vmrun{name}"));
        if !installed.exists() {
            // Written as a package is installed: what a linker writes takes longer to start, and of what one system call
            // copies more is mapped than of a file that is read from a disk.
            let program = fs::read(vmrun).expect("a vmrun");
            fs::write(&installed, program).expect("a copy of vmrun");
            fs::set_permissions(&installed, fs::Permissions::from_mode(0o755)).expect("rights");
        }
        let mut command = Command::new(installed);
        command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.env("VMRUN_RUNTIME_DIR", self.runtime.path());
        for (variable, folder) in [("VMRUN_STATE_DIR", "state"), ("XDG_CACHE_HOME", "cache")] {
            command.env(variable, self.path(&format!("{folder}{name}")));
        }
        command
    }

    /// The words of the command line that vmrun makes of `profile`, without its own end of the monitor.
    pub(crate) fn argv(&self, profile: &Path) -> Vec<String> {
        let output = self.vmrun(&["plan", "--argv"]).arg(profile).stdout(Stdio::piped()).output().expect("a plan");
        let line = String::from_utf8(output.stdout).expect("text");
        let words = shlex::split(&line).expect("quoted as a shell reads it");
        assert!(words.len() > 2, "vmrun does not plan {}", profile.display());
        let own = |word: &String| word.starts_with("socket,id=qmp") || word.starts_with("chardev=qmp");
        let kept = (0..words.len()).filter(|&at| {
            let next = words.get(at + 1);
            !own(&words[at]) && !next.is_some_and(own)
        });
        kept.map(|at| words[at].clone()).collect()
    }
}

/// The vmruns that run in the same rounds, each by a name of its own: those behind `--beside`.
pub(crate) fn beside() -> Vec<(String, PathBuf)> {
    let words: Vec<String> = env::args().collect();
    let programs = words.windows(2).filter(|words| words[0] == "--beside").map(|words| PathBuf::from(&words[1]));
    programs.enumerate().map(|(at, program)| (format!("-{at}"), program)).collect()
}

pub(crate) fn real_qemu(version: &str) -> PathBuf {
    let qemu = setup::qemus().into_iter().find(|qemu| qemu.version == version);
    qemu.expect("a QEMU of that version").binary
}

/// A line on the machine and the programs.
pub(crate) fn machine() -> String {
    let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let load = text("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned();
    let version = Command::new(VMRUN).arg("--version").output().map(|output| output.stdout).unwrap_or_default();
    format!(
        "{}, {cpus} host CPUs, Linux {}, load {load} at the start. Milliseconds: median (lowest..highest).",
        String::from_utf8_lossy(&version).trim(),
        text("/proc/sys/kernel/osrelease").trim()
    )
}
