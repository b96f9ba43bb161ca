//! Telling the kernel something through a file, in a process that may be left behind.
//!
//! A driver that does not come back from `unbind` keeps the writer in uninterruptible sleep, which no signal ends. Were
//! that a thread of vmrun, vmrun could never exit.

use super::ApplyError;
use crate::host::{Root, TELLS_OF};
use crate::process::{Launch, Running, Stdin, bearing, start};
use crate::unit::Bdf;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write;
use std::fs;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;
use tokio::time::timeout;

/// How long the kernel may take for one write. A card with much memory takes a second or two.
const DEADLINE: Duration = Duration::from_secs(15);

/// How long it may take to reset a device. It gives one that does not answer a minute for each way that it tries; Linux:
/// `PCIE_RESET_READY_POLL_MS`, `drivers/pci/pci.c`.
const RESET_DEADLINE: Duration = Duration::from_secs(150);

/// What a helper bears besides [`TELLS_OF`], for the one who looks whether it still hangs: the file that it writes to.
const FILE_VARIABLE: &str = "VMRUN_TELLS";

/// How long a helper that took too long may take to end, before it is killed and left.
const GRACE: Duration = Duration::from_secs(1);

/// The answer that is waited for.
pub(in crate::apply) type Told<'a> = Pin<Box<dyn Future<Output = Result<(), Fault>> + 'a>>;

/// Who writes into the files of the kernel.
pub(in crate::apply) trait Hand {
    /// Writes `value` to the file at the absolute path `path` below `root`.
    fn tell<'a>(&'a self, root: &'a Root, path: &'a str, value: &'a str) -> Told<'a>;
}

/// Why the kernel did not take what it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::apply) enum Fault {
    /// It refused, for this reason.
    No(String),
    /// It did not come back; with what is known of where it is.
    Stuck(String),
}

impl Fault {
    /// The error of a deed that failed by this fault; `what` is the beginning of the sentence.
    pub(super) fn of(self, what: &str) -> ApplyError {
        match self {
            Self::No(why) => ApplyError::Refused(format!("{what}: {why}")),
            Self::Stuck(place) => ApplyError::Stuck(format!("{what}: {place}")),
        }
    }
}

/// A process for each write: coreutils' `tee`, which tells the kernel's reason.
pub(in crate::apply) struct Helper {
    /// How long the kernel may take.
    deadline: Duration,
}

impl Default for Helper {
    fn default() -> Self {
        Self { deadline: DEADLINE }
    }
}

impl Hand for Helper {
    fn tell<'a>(&'a self, root: &'a Root, path: &'a str, value: &'a str) -> Told<'a> {
        let resets = path.ends_with("/reset") || path.ends_with("/reset_subordinate");
        let deadline = if resets { self.deadline.max(RESET_DEADLINE) } else { self.deadline };
        Box::pin(tell(root, path, value, deadline))
    }
}

/// A helper, of this run or of one before, that has not come back from telling the kernel something about `bdf`: its
/// process, and the file that it writes to.
///
/// The kernel holds the function's lock as long, and whoever as much as reads its `driver_override` hangs as well; Linux:
/// `driver_override_show`, `drivers/pci/pci-sysfs.c`.
pub(in crate::apply) fn hanging(root: &Root, bdf: Bdf) -> Option<(u32, String)> {
    let helpers = bearing(TELLS_OF, folder(root, bdf).as_os_str(), FILE_VARIABLE);
    helpers.into_iter().map(|(file, helper)| (helper.pid, file)).next()
}

fn folder(root: &Root, bdf: Bdf) -> PathBuf {
    root.resolve(format!("/sys/bus/pci/devices/{bdf}"))
}

/// The function that is told of by `value` to the file at `path`: it is one of them, or a part of one.
fn told_of(path: &str, value: &str) -> Option<Bdf> {
    path.split('/').chain([value]).rev().find_map(|part| part.parse().ok())
}

async fn tell(root: &Root, path: &str, value: &str, deadline: Duration) -> Result<(), Fault> {
    let file = root.resolve(path);
    let mut env = BTreeMap::from([("LC_ALL".to_owned(), OsString::from("C"))]);
    if let Some(bdf) = told_of(path, value) {
        env.insert(TELLS_OF.to_owned(), folder(root, bdf).into());
        env.insert(FILE_VARIABLE.to_owned(), file.clone().into());
    }
    let launch = Launch {
        argv: vec!["tee".to_owned(), "--".to_owned(), file.display().to_string()],
        env,
        stdin: Stdin::Bytes(value.as_bytes().into()),
        ..Launch::default()
    };
    let mut helper = start(&launch).map_err(|error| Fault::No(format!("the helper could not be run: {error}")))?;
    let mut said = String::new();
    let mut listen = |line: &str| {
        if let Some(complaint) = line.strip_prefix("tee: ") {
            complaint.clone_into(&mut said);
        }
    };
    if timeout(deadline, helper.ended(&mut listen)).await.is_err() {
        return Err(stuck(helper, deadline).await);
    }
    helper.drain(&mut listen).await;
    match helper.reap() {
        end if end.is_success() => Ok(()),
        end if said.is_empty() => Err(Fault::No(end.to_string())),
        // `tee: PATH: No such device`
        _ => Err(Fault::No(said.rsplit(": ").next().unwrap_or(&said).to_lowercase())),
    }
}

async fn stuck(mut helper: Running, deadline: Duration) -> Fault {
    let pid = helper.id().pid;
    let mut text = format!("not done after {}", humantime::format_duration(deadline));
    if let Some(place) = place(pid) {
        // Writing to a string cannot fail.
        let _ = write!(text, ", in the kernel at {place}");
    }
    let end = helper.stop(GRACE, &mut |_| {}).await;
    if end == crate::process::End::Stuck {
        let _ = write!(text, "; process {pid} hangs there and is left behind");
    }
    Fault::Stuck(text)
}

/// Where in the kernel process `pid` sleeps, innermost call first; only root may see it.
fn place(pid: u32) -> Option<String> {
    let stack = fs::read_to_string(format!("/proc/{pid}/stack")).ok()?;
    let calls: Vec<&str> = stack.lines().filter_map(|line| line.split(' ').nth(1)?.split('+').next()).take(6).collect();
    (!calls.is_empty()).then(|| calls.join(" < "))
}

#[cfg(test)]
mod test {
    use super::{Fault, Hand, Helper, told_of};
    use crate::host::Root;
    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;
    use std::fs;
    use std::time::Duration;

    #[tokio::test]
    async fn a_value_is_written_or_the_reason_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path());
        fs::write(folder.path().join("file"), "before").unwrap();
        assert_eq!(Helper::default().tell(&root, "/file", "after").await, Ok(()));
        assert_eq!(fs::read_to_string(folder.path().join("file")).unwrap(), "after");
        let refused = Helper::default().tell(&root, "/", "x").await;
        assert_eq!(refused, Err(Fault::No("is a directory".into())));
    }

    #[test]
    fn a_helper_knows_of_which_function_it_tells() {
        let of = |path: &str, value: &str| told_of(path, value).map(|bdf| bdf.to_string());
        assert_eq!(of("/sys/bus/pci/drivers/nvidia/unbind", "0000:01:00.1").as_deref(), Some("0000:01:00.1"));
        assert_eq!(of("/sys/bus/pci/devices/0000:01:00.0/power/control", "on").as_deref(), Some("0000:01:00.0"));
        assert_eq!(of("/sys/bus/pci/rescan", "1"), None);
    }

    #[tokio::test]
    async fn a_write_that_does_not_come_back_is_left() {
        let folder = tempfile::tempdir().unwrap();
        mkfifo(&folder.path().join("unbind"), Mode::S_IRWXU).unwrap();
        let helper = Helper { deadline: Duration::from_millis(100) };
        let fault = helper.tell(&Root::at(folder.path()), "/unbind", "x").await;
        let Err(Fault::Stuck(place)) = fault else { panic!("{fault:?}") };
        assert!(place.starts_with("not done after 100ms"), "{place}");
    }
}
