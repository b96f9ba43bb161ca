//! Values of the kernel that are every guest's: the last one that wants them so puts them back.
//!
//! Each guest has such a value in its own journal, the state before included, also when it found it as it wanted it. So
//! who ends looks into the journals of those that live: with one that wants the same there is nothing to put back, and
//! the state before stands there too. One lock makes sure that two do not look at each other.

use super::journal::{Damage, Journal};
use super::step::chosen;
use super::{ApplyError, Standing, standing};
use crate::host::Root;
use crate::plan::Change;
use nix::fcntl::{Flock, FlockArg};
use std::fs::{self, File};
use std::path::Path;

/// Holds the folder of all runs, so that only one of them makes or takes back such a change at a time.
pub(super) async fn lock(dir: &Path) -> Result<Flock<File>, ApplyError> {
    let path = dir.parent().unwrap_or(dir).to_owned();
    let work = tokio::task::spawn_blocking(move || {
        let folder = File::open(&path).map_err(ApplyError::io("open", &path))?;
        Flock::lock(folder, FlockArg::LockExclusive).map_err(|(_, errno)| ApplyError::io("lock", &path)(errno.into()))
    });
    work.await.unwrap_or_else(|error| Err(ApplyError::Refused(format!("internal error: {error}"))))
}

/// The value of `path` before any guest changed it, from the journals beside the one in `dir`; `None` when no guest has.
///
/// A run that died and has not put it back counts too: it is not asked again once another guest has the value.
pub(super) fn origin(dir: &Path, boot_id: &str, path: &str) -> Option<String> {
    before(dir, boot_id, path, |standing| !matches!(standing, Standing::Stopped | Standing::Foreign))
}

/// Whether another guest that lives wants `path` as it is.
pub(super) fn wanted_by_others(dir: &Path, boot_id: &str, path: &str) -> bool {
    before(dir, boot_id, path, lives).is_some()
}

/// Whether another guest that lives has the bridge `name`, which is made for all that want it.
pub(super) fn bridge_wanted_by_others(dir: &Path, boot_id: &str, name: &str) -> bool {
    let wants = |change: Change| matches!(change, Change::Bridge { name: theirs, .. } if theirs == name).then_some(());
    among_others(dir, boot_id, lives, wants).is_some()
}

fn lives(standing: Standing) -> bool {
    matches!(standing, Standing::Running | Standing::Orphan)
}

/// Refuses `value` for `path` while another guest that lives wants another one.
pub(super) fn not_otherwise(
    root: &Root,
    (dir, boot_id): (&Path, &str),
    path: &str,
    value: &str,
) -> Result<(), ApplyError> {
    let text = root.text(path).unwrap_or_default();
    let found = chosen(&text);
    if found == value || !wanted_by_others(dir, boot_id, path) {
        return Ok(());
    }
    Err(ApplyError::Refused(format!("{path} holds `{found}`, as another guest that runs wants it, not `{value}`")))
}

/// Whether `path` holds neither what a guest put there nor what was there before: somebody else set it, and means it.
pub(super) fn overruled(root: &Root, path: &str, known: [&str; 2]) -> Option<String> {
    let text = root.text(path)?;
    let found = chosen(&text);
    (!known.contains(&found)).then(|| found.to_owned())
}

fn before(dir: &Path, boot_id: &str, path: &str, counts: impl Fn(Standing) -> bool) -> Option<String> {
    among_others(dir, boot_id, counts, |change| match change {
        Change::Shared { path: theirs, from, .. } if theirs == path => Some(from),
        _ => None,
    })
}

/// What `pick` takes of the changes of the other guests that count, the first there is.
fn among_others<T>(
    dir: &Path,
    boot_id: &str,
    counts: impl Fn(Standing) -> bool,
    pick: impl Fn(Change) -> Option<T>,
) -> Option<T> {
    let siblings = fs::read_dir(dir.parent()?).ok()?.flatten().map(|entry| entry.path());
    let others = siblings.filter(|other| other != dir && counts(standing(other)));
    let journals = others.filter_map(|other| Journal::load(&other, Damage::PassOver).ok()?);
    let records = journals.map(|journal| journal.record().clone()).filter(|record| record.boot_id == boot_id);
    records.flat_map(|record| record.changes).find_map(|(_, change)| pick(change))
}

#[cfg(test)]
mod test {
    use super::super::journal::Damage;
    use super::super::step::Ground;
    use super::super::{Instance, Journal, Lease};
    use crate::host::Root;
    use crate::plan::Change;
    use std::fs;

    const GOVERNOR: &str = "/sys/devices/system/cpu/cpu2/cpufreq/scaling_governor";
    const PREFERENCE: &str = "/sys/devices/system/cpu/cpu2/cpufreq/energy_performance_preference";

    /// Guests on a host of `intel_pstate`, whose CPU 2 follows the load.
    struct Machine(tempfile::TempDir);

    /// A run of a guest; its locks go with it, its journal does not.
    struct Guest {
        lease: Lease,
        _locks: Instance,
    }

    impl Machine {
        fn new() -> Self {
            let machine = Self(tempfile::tempdir().unwrap());
            fs::create_dir_all(machine.root().resolve(GOVERNOR).parent().unwrap()).unwrap();
            machine.set(GOVERNOR, "powersave");
            machine.set(PREFERENCE, "balance_power");
            fs::create_dir(machine.0.path().join("run")).unwrap();
            machine
        }

        fn root(&self) -> Root {
            Root::at(self.0.path().join("root"))
        }

        fn set(&self, path: &str, value: &str) {
            fs::write(self.root().resolve(path), format!("{value}\n")).unwrap();
        }

        fn holds(&self) -> [String; 2] {
            [GOVERNOR, PREFERENCE].map(|path| self.root().text(path).unwrap())
        }

        fn guest(&self, name: &str) -> Guest {
            let dir = self.0.path().join("run").join(name);
            let locks = Instance::claim(&dir).unwrap();
            let journal = Journal::load(&dir, Damage::Refuse).unwrap();
            let journal =
                journal.unwrap_or_else(|| Journal::new(&dir, name.to_owned().try_into().unwrap(), "boot".into()));
            Guest { lease: Lease::on(Ground::real(self.root()), journal), _locks: locks }
        }

        /// Starts a guest that wants its CPU as fast as can be, as a plan made now has it.
        async fn start(&self, name: &str) -> Guest {
            let guest = self.guest(name);
            let [governor, preference] = self.holds();
            for (path, from) in [(PREFERENCE, preference), (GOVERNOR, governor)] {
                guest.lease.make(&shared(path, &from)).await.unwrap();
            }
            guest
        }
    }

    fn shared(path: &str, from: &str) -> Change {
        Change::Shared { path: path.to_owned(), from: from.to_owned(), to: "performance".to_owned() }
    }

    const BEFORE: [&str; 2] = ["powersave", "balance_power"];
    const FAST: [&str; 2] = ["performance", "performance"];

    #[tokio::test]
    async fn the_last_of_two_guests_puts_back_what_was_before_the_first() {
        for first_ends_first in [true, false] {
            let machine = Machine::new();
            let (first, second) = (machine.start("first").await, machine.start("second").await);
            let (one, other) = if first_ends_first { (first, second) } else { (second, first) };
            assert_eq!(one.lease.undo().await, []);
            assert!(!one.lease.owes());
            assert_eq!(machine.holds(), FAST);
            assert_eq!(other.lease.undo().await, []);
            assert_eq!(machine.holds(), BEFORE);
        }
    }

    #[tokio::test]
    async fn what_was_before_a_run_that_died_is_not_lost_to_the_guest_after_it() {
        let machine = Machine::new();
        drop(machine.start("died").await);
        let second = machine.start("second").await;
        // As `vmrun recover` does; the guest that lives has it still.
        assert_eq!(machine.guest("died").lease.undo().await, []);
        assert_eq!(machine.holds(), FAST);
        assert_eq!(second.lease.undo().await, []);
        assert_eq!(machine.holds(), BEFORE);
    }

    #[tokio::test]
    async fn a_value_that_somebody_sets_meanwhile_is_theirs_and_nothing_is_owed() {
        let machine = Machine::new();
        let guest = machine.start("windows").await;
        machine.set(GOVERNOR, "schedutil");
        assert_eq!(guest.lease.undo().await, []);
        assert!(!guest.lease.owes());
        assert_eq!(machine.holds(), ["schedutil", "balance_power"]);
    }

    #[tokio::test]
    async fn two_guests_that_want_it_differently_cannot_both_have_it() {
        let machine = Machine::new();
        let first = machine.start("first").await;
        let second = machine.guest("second");
        let wish = Change::Shared { path: GOVERNOR.into(), from: "performance".into(), to: "powersave".into() };
        let error = second.lease.make(&wish).await.unwrap_err().to_string();
        assert!(error.contains("holds `performance`, as another guest that runs wants it, not `powersave`"), "{error}");
        assert!(!second.lease.owes());
        assert_eq!(first.lease.undo().await, []);
        assert_eq!(machine.holds(), BEFORE);
    }

    #[test]
    fn the_choice_of_several_words_stands_in_brackets() {
        let root = |text: &str| {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join("enabled"), text).unwrap();
            let at = Root::at(folder.path());
            super::overruled(&at, "/enabled", ["always", "never"])
        };
        assert_eq!(root("[always] madvise never\n"), None);
        assert_eq!(root("always [madvise] never\n").as_deref(), Some("madvise"));
    }
}
