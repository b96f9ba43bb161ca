//! What is kept of each run: its profile, its plan, its command line, its events, what QEMU and everything around it
//! printed.

use super::{Order, sentence};
use crate::plan::{GuestClock, Kept};
use nix::libc;
use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Runs that are kept, this one among them.
const KEPT: usize = 10;
/// Name of the file with the guest's PCI addresses, and with its clock, in its state folder.
const ADDRESSES: &str = "addresses.json";
/// Name of the folder of runs in the guest's state folder.
const RUNS: &str = "runs";
/// Name of QEMU's log in a run's folder.
pub(super) const QEMU_LOG: &str = "qemu.log";
/// Name of the events in a run's folder.
pub(super) const EVENTS: &str = "events.jsonl";

/// Name of the profile's texts in a run's folder.
const PROFILE: &str = "profile.json";

/// What is known of a run when it begins.
pub(super) struct Begun<'a> {
    argv: Vec<String>,
    plan_json: &'a [u8],
    profile_json: &'a [u8],
}

impl<'a> Begun<'a> {
    /// That of a run that carries out `order`.
    pub(super) fn of(order: &'a Order) -> Self {
        Self { argv: order.plan.argv.words(), plan_json: &order.plan_json, profile_json: &order.profile_json }
    }
}

/// Makes the folder of a run that begins now below `state`, the guest's state folder. Named by the time in UTC, so that they
/// sort.
///
/// # Errors
/// When a folder or a file cannot be made; with its path.
pub(super) fn make(state: &Path, begun: &Begun<'_>) -> Result<PathBuf, String> {
    let Begun { argv, plan_json, profile_json } = begun;
    let runs = state.join(RUNS);
    let named = |path: &Path, error: &io::Error| {
        let fix = match error.kind() {
            io::ErrorKind::PermissionDenied => "; set XDG_STATE_HOME or VMRUN_STATE_DIR to a folder of yours",
            _ => "",
        };
        format!("cannot make {}: {}{fix}", path.display(), sentence(error))
    };
    // What lies beside the guest's own folder is for everybody: `vmrun isolate` shows a user what root has written.
    let above = state.parent().unwrap_or(state);
    for (folder, mode) in [(above, 0o755), (&runs, 0o700)] {
        DirBuilder::new().recursive(true).mode(mode).create(folder).map_err(|error| named(folder, &error))?;
    }
    let dir = fresh(&runs).map_err(|error| named(&runs, &error))?;
    for (name, text) in [("plan.json", *plan_json), (PROFILE, profile_json), ("argv", lines(argv).as_bytes())] {
        let path = dir.join(name);
        write(&path, text).map_err(|error| named(&path, &error))?;
    }
    Ok(dir)
}

/// The profile's texts, as JSON, that the run with the folder `run` was started with; `None` when they were not kept.
///
/// # Errors
/// When they cannot be read.
pub(super) fn profile(run: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(run.join(PROFILE)) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Keeps the guest's PCI addresses in the state folder of the guest, of whose folders of runs `run` is one.
///
/// # Errors
/// When it cannot be written; the old ones stay then.
pub(super) fn keep_addresses(run: &Path, kept: &Kept) -> io::Result<()> {
    let state = state_of(run)?;
    let before = kept_addresses(state).ok();
    // Of the clock the guest itself is the last to know.
    let clock = before.as_ref().map_or(kept.clock(), Kept::clock);
    let kept = kept.clone().with_clock(clock);
    // The usual start changes nothing; then the disk is left alone.
    match before.is_some_and(|before| before == kept) {
        true => Ok(()),
        false => store(state, &kept),
    }
}

/// Keeps how the guest set its clock, likewise.
///
/// # Errors
/// When it cannot be written, or what is kept already cannot be read; that stays then.
pub(super) fn keep_clock(run: &Path, clock: GuestClock) -> io::Result<()> {
    let state = state_of(run)?;
    store(state, &kept_addresses(state)?.with_clock(Some(clock)))
}

/// How the guest set its clock, of whose folders of runs `run` is one; `None` when it never has, or nobody knows.
pub(super) fn kept_clock(run: &Path) -> Option<GuestClock> {
    kept_addresses(state_of(run).ok()?).ok()?.clock()
}

fn state_of(run: &Path) -> io::Result<&Path> {
    run.parent().and_then(Path::parent).ok_or_else(|| io::ErrorKind::NotFound.into())
}

fn store(state: &Path, kept: &Kept) -> io::Result<()> {
    let (file, fresh) = (state.join(ADDRESSES), state.join(format!("{ADDRESSES}.next")));
    let mut text = serde_json::to_vec_pretty(kept)?;
    text.push(b'\n');
    let mut options = OpenOptions::new();
    let mut out =
        options.write(true).create(true).truncate(true).mode(0o600).custom_flags(libc::O_NOFOLLOW).open(&fresh)?;
    io::Write::write_all(&mut out, &text)?;
    // Synced, since it is of use after the next boot of the host, whatever ends this one.
    out.sync_all()?;
    fs::rename(fresh, file)
}

/// The PCI addresses that are kept in `state`, the guest's state folder; none when it never ran.
///
/// # Errors
/// When the file is there, and cannot be read or understood.
pub fn kept_addresses(state: &Path) -> io::Result<Kept> {
    match fs::read(state.join(ADDRESSES)) {
        Ok(text) => Ok(serde_json::from_slice(&text)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Kept::default()),
        Err(error) => Err(error),
    }
}

/// The log of QEMU in the folder `dir` of a run, to be appended to. A link is not followed.
pub(super) fn qemu_log(dir: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
    options.open(dir.join(QEMU_LOG))
}

/// Folder of the newest run below `state`, the guest's state folder; `None` when there was none.
#[must_use]
pub fn latest_run(state: &Path) -> Option<PathBuf> {
    sorted(&state.join(RUNS)).pop()
}

fn fresh(runs: &Path) -> io::Result<PathBuf> {
    let stem = humantime::format_rfc3339_millis(SystemTime::now()).to_string().replace(':', "-");
    // Several runs within a millisecond: a clock that was set back, or runs made without a guest. Above the highest, since
    // lower ones may be free again.
    let of_now = |(time, _): &(String, u32)| *time == stem.trim_end_matches('Z');
    let theirs = sorted(runs).iter().rev().map(|run| age(run)).find(of_now);
    for number in theirs.map_or(1, |(_, number)| number.saturating_add(1)).. {
        let dir = runs.join(if number == 1 { stem.clone() } else { format!("{stem}-{number}") });
        match DirBuilder::new().mode(0o700).create(&dir) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made.map(|()| dir),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    io::Write::write_all(&mut file, text)
}

/// One word a line, each quoted for a shell.
fn lines(argv: &[String]) -> String {
    argv.iter().fold(String::new(), |mut text, word| {
        let quoted = shlex::try_quote(word).unwrap_or(word.into());
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{quoted} \\");
        text
    })
}

/// Removes the oldest runs, of which `run` is the newest. A start does not wait for it: it takes as long as all that is
/// written down of a run.
pub(super) fn prune(run: &Path) {
    let all = run.parent().map(sorted).unwrap_or_default();
    for old in &all[..all.len().saturating_sub(KEPT)] {
        // One that cannot be removed costs space, not the run.
        if let Err(error) = fs::remove_dir_all(old) {
            tracing::warn!(path = %old.display(), %error, "old run not removed");
        }
    }
}

fn sorted(runs: &Path) -> Vec<PathBuf> {
    let mut all: Vec<_> = fs::read_dir(runs).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    all.sort_by_cached_key(|run| age(run));
    all
}

/// What a run is sorted by: its time, and its number among those of one millisecond. By the letters alone, the tenth of
/// them would come before the second.
fn age(run: &Path) -> (String, u32) {
    let name = run.file_name().unwrap_or_default().to_string_lossy();
    let (time, number) = name.split_once("Z-").unwrap_or((name.trim_end_matches('Z'), "1"));
    (time.to_owned(), number.parse().unwrap_or(u32::MAX))
}

#[cfg(test)]
mod test {
    use super::{
        Begun, KEPT, keep_addresses, keep_clock, kept_addresses, kept_clock, latest_run, make, profile, prune, sorted,
    };
    use crate::plan::{Chipset, ClockBase, GuestClock, Kept};
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn begun(argv: &[&str]) -> Begun<'static> {
        let argv = argv.iter().map(ToString::to_string).collect();
        Begun { argv, plan_json: b"{}", profile_json: b"[]" }
    }

    #[test]
    fn ten_runs_are_kept_and_the_newest_is_found() {
        let state = tempfile::tempdir().unwrap();
        let made: Vec<_> = (0..KEPT + 3).map(|_| make(state.path(), &begun(&["-name", "a b"])).unwrap()).collect();
        prune(&made[KEPT + 2]);
        assert_eq!(sorted(&state.path().join("runs")), made[3..]);
        assert_eq!(latest_run(state.path()).as_ref(), made.last());
        assert_eq!(fs::read_to_string(made.last().unwrap().join("argv")).unwrap(), "-name \\\n'a b' \\\n");
        assert_eq!(profile(made.last().unwrap()).unwrap().unwrap(), b"[]");
        assert!(profile(state.path()).unwrap().is_none());
    }

    #[test]
    fn the_guests_own_folder_is_its_owners_alone_and_the_one_above_is_not() {
        let root = tempfile::tempdir().unwrap();
        make(&root.path().join("lib/vmrun/guest"), &begun(&[])).unwrap();
        let mode = |path: &str| fs::metadata(root.path().join(path)).unwrap().permissions().mode() & 0o777;
        let modes = ["lib", "lib/vmrun", "lib/vmrun/guest", "lib/vmrun/guest/runs"].map(mode);
        assert_eq!(modes, [0o755, 0o755, 0o700, 0o700]);
    }

    #[test]
    fn runs_of_one_millisecond_are_sorted_by_number() {
        let state = tempfile::tempdir().unwrap();
        let names = ["08-59.676Z", "09-00.676Z", "09-00.676Z-2", "09-00.676Z-9", "09-00.676Z-10", "09-00.677Z"];
        for name in names.iter().rev() {
            fs::create_dir(state.path().join(name)).unwrap();
        }
        assert_eq!(sorted(state.path()), names.map(|name| state.path().join(name)));
    }

    #[test]
    fn addresses_are_kept_beside_the_runs() {
        let state = tempfile::tempdir().unwrap();
        let run = make(state.path(), &begun(&[])).unwrap();
        assert!(kept_addresses(state.path()).unwrap().is_empty());
        let kept = Kept::new(Chipset::Q35, [("disk /a,b.raw".to_owned(), "10.1".parse().unwrap())].into());
        keep_addresses(&run, &kept).unwrap();
        assert_eq!(kept_addresses(state.path()).unwrap(), kept);
        let clock = GuestClock { base: ClockBase::Localtime, ahead: Some(3600) };
        keep_clock(&run, clock).unwrap();
        // The plan of a start knows the clock of the one before.
        keep_addresses(&run, &kept).unwrap();
        assert_eq!(kept_clock(&run), Some(clock));
        fs::write(state.path().join("addresses.json"), "{").unwrap();
        assert!(kept_addresses(state.path()).is_err());
    }

    #[test]
    fn a_guest_that_never_ran_has_no_run() {
        assert_eq!(latest_run(std::path::Path::new("/nonexistent")), None);
    }
}
