//! Runs the freshly built vmrun on a profile, in folders of its own, and looks at what it leaves.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use tempfile::TempDir;

/// Longest wait for something that a working vmrun does at once; only a broken one reaches it.
const PATIENCE: Duration = Duration::from_secs(120);

/// Folders and a profile for one test.
pub(crate) struct Bench {
    dir: TempDir,
    qemu: PathBuf,
}

/// A vmrun that runs.
pub(crate) struct Run {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

/// A vmrun that has ended.
pub(crate) struct Ended {
    /// Its exit code; `None` when a signal ended it.
    pub(crate) code: Option<i32>,
    /// The signal that ended it.
    pub(crate) signal: Option<i32>,
    /// Its standard error, line by line.
    pub(crate) lines: Vec<String>,
}

impl Bench {
    /// Empty folders, with `qemu` as the emulator of every profile.
    pub(crate) fn new(qemu: &Path) -> Self {
        let dir = tempfile::tempdir().expect("a folder for the test");
        fs::create_dir(dir.path().join("runtime")).expect("a runtime folder");
        fs::write(dir.path().join("guest.elf"), vmrun::demo_image::GUEST_ELF).expect("the demo guest");
        Self { dir, qemu: qemu.to_owned() }
    }

    /// A path in the test's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a profile of a small guest that boots the demo guest, told `then`, with `more` tables below.
    pub(crate) fn profile(&self, then: &str, more: &str) -> PathBuf {
        self.write(
            "guest.toml",
            &format!(
                "schema = 1\nname = \"guest\"\n[machine]\naccel = \"tcg\"\n[memory]\nsize = \"64M\"\n\
                 [kernel]\nimage = \"guest.elf\"\nappend = \"report=brief {then}\"\n\
                 [[serial]]\nto = \"file\"\npath = \"serial.log\"\n[qemu]\nbinary = \"{}\"\n{more}",
                self.qemu.display()
            ),
        )
    }

    /// Writes a file into the test's folder.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).expect("a file of the test");
        path
    }

    /// What the guest wrote to its serial port so far.
    pub(crate) fn serial(&self) -> String {
        fs::read_to_string(self.path("serial.log")).unwrap_or_default()
    }

    /// Waits until the guest has written `text` to its serial port; a test that breaks here is ended by its runner.
    pub(crate) fn wait_for_serial(&self, text: &str) {
        while !self.serial().contains(text) {
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// vmrun with the test's folders in its environment.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vmrun"));
        command
            .env("VMRUN_RUNTIME_DIR", self.path("runtime"))
            .env("VMRUN_STATE_DIR", self.path("state"))
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env_remove("JOURNAL_STREAM")
            .stdin(Stdio::null());
        command
    }

    /// Starts vmrun with `arguments`, its standard error read line by line.
    pub(crate) fn start(&self, arguments: &[&str]) -> Run {
        self.start_command(self.command().args(arguments))
    }

    /// Starts `command`, a vmrun, its standard error read line by line.
    #[allow(clippy::unused_self, reason = "a run is of a bench")]
    pub(crate) fn start_command(&self, command: &mut Command) -> Run {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("vmrun starts");
        let stderr = child.stderr.take().expect("its standard error");
        let (send, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        Run { child, lines, seen: Vec::new() }
    }

    /// Runs vmrun with `arguments` to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        self.start(arguments).end()
    }

    /// Runs vmrun with `arguments` to its end and returns both its streams.
    pub(crate) fn output(&self, arguments: &[&str]) -> Output {
        self.command().args(arguments).output().expect("vmrun starts")
    }

    /// What a run left behind: entries of the runtime folder, and processes that name the test's folder.
    pub(crate) fn leftovers(&self) -> Vec<String> {
        let files = fs::read_dir(self.path("runtime")).into_iter().flatten().flatten();
        let files = files.map(|entry| entry.path().display().to_string());
        files.chain(processes_naming(self.dir.path())).collect()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        for process in processes_naming(self.dir.path()) {
            if let Some((pid, _)) = process.split_once(' ') {
                // A test that failed half-way leaves its guest; it goes with its folder.
                let _ = Command::new("kill").args(["-9", pid]).status();
            }
        }
    }
}

impl Run {
    /// Process id of vmrun.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until a line of its standard error contains `text`, and returns that line.
    ///
    /// # Panics
    /// When vmrun ends before it says so; the message holds what it said.
    pub(crate) fn until(&mut self, text: &str) -> String {
        loop {
            let Ok(line) = self.lines.recv_timeout(PATIENCE) else {
                panic!("vmrun did not say {text:?}, but:\n{}", self.seen.join("\n"));
            };
            self.seen.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Sends it a signal by name: `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill -{name}");
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Ended {
        use std::os::unix::process::ExitStatusExt;
        let status = self.child.wait().expect("vmrun is ours");
        let mut lines = std::mem::take(&mut self.seen);
        lines.extend(std::iter::from_fn(|| self.lines.recv_timeout(Duration::from_secs(5)).ok()));
        Ended { code: status.code(), signal: status.signal(), lines }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // Already gone in a test that passed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// All its standard error.
    pub(crate) fn text(&self) -> String {
        self.lines.join("\n")
    }
}

/// That a run ended with `code`, told `reason`, and left nothing.
pub(crate) fn assert_clean_end(bench: &Bench, ended: &Ended, code: i32, reason: &str) {
    assert_eq!(ended.code, Some(code), "{}", ended.text());
    assert!(ended.text().contains(reason), "{reason:?} is not in:\n{}", ended.text());
    assert_eq!(bench.leftovers(), Vec::<String>::new());
}

fn processes_naming(dir: &Path) -> Vec<String> {
    let needle = dir.display().to_string();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().into_string().ok()?.parse::<u32>().ok());
    pids.filter_map(|pid| {
        let line = String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/cmdline")).ok()?).replace('\0', " ");
        line.contains(&needle).then(|| format!("{pid} {line}"))
    })
    .collect()
}
