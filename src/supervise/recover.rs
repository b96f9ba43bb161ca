//! The host put back after runs that died.

use super::patience::awaited;
use super::run::sentence;
use super::{Notice, Tell, clear_unborn};
use crate::apply::{self, ApplyError, Damage, Instance, Standing, Unrestored, standing};
use crate::host::Root;
use crate::unit::GuestName;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// How far a recovery goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zeal {
    /// What cannot be put back, and a journal that cannot be read, stay for a later try.
    Careful,
    /// A damaged journal is followed as far as it can be read, and what cannot be put back is given up.
    Forced,
}

impl Zeal {
    /// What it means for a damaged journal.
    #[must_use]
    pub fn damage(self) -> Damage {
        match self {
            Self::Careful => Damage::Refuse,
            Self::Forced => Damage::PassOver,
        }
    }
}

/// Puts the host back after the run in the run folder `dir` died; returns what could not be. What takes long is told.
///
/// # Errors
/// [`ApplyError::Busy`] and [`ApplyError::Orphan`] when the guest lives; else when its journal cannot be used.
pub async fn recover(
    root: Root,
    dir: &Path,
    boot_id: &str,
    zeal: Zeal,
    tell: Tell<'_>,
) -> Result<Vec<Unrestored>, ApplyError> {
    let claimed = async {
        clear_unborn(dir).await;
        Instance::claim(dir)
    };
    let instance = awaited(tell, || "the QEMU that the last run left to end".into(), claimed).await?;
    let recovered = apply::recover(root, dir, boot_id, zeal.damage());
    let recovered = awaited(tell, || "the host to be put back after the last run".into(), recovered).await?;
    let left = recovered.map(|recovered| recovered.left).unwrap_or_default();
    if left.is_empty() || zeal == Zeal::Forced {
        instance.release()?;
    }
    Ok(left)
}

/// Puts the host back after every run below `runs` that died, before a plan is made on what they left.
pub async fn recover_all(root: &Root, runs: &Path, boot_id: &str, tell: Tell<'_>) {
    for dir in owed(runs) {
        let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match recover(root.clone(), &dir, boot_id, Zeal::Careful, tell).await {
            Ok(left) if left.is_empty() => {
                let what = format!("the last run of {name} died before it put the host back; that is done now");
                tell(&Notice::Note(what));
            }
            Ok(left) => {
                let left: Vec<_> = left.iter().map(|left| format!("{}: {}", left.step, left.why)).collect();
                let what = format!("the last run of {name} died, and not all is put back: {}", left.join("; "));
                tell(&Notice::Warning(what));
            }
            // Another vmrun is at it, or has started the guest.
            Err(ApplyError::Busy(_) | ApplyError::Orphan) => {}
            Err(error) => tell(&Notice::Warning(format!("{name}: {}", sentence(&error)))),
        }
    }
}

/// The run folders below `runs` of runs that died and left something.
#[must_use]
pub fn owed(runs: &Path) -> Vec<PathBuf> {
    that_stand(runs, Standing::Owed)
}

/// Removes the run folders below `runs` of runs that died before they had a journal, or after: nothing is owed for them.
pub fn sweep(runs: &Path) {
    // Who comes meanwhile has the folder, and a stranger's stays.
    for instance in that_stand(runs, Standing::Stopped).iter().flat_map(|dir| Instance::claim(dir)) {
        if let Err(error) = instance.release() {
            tracing::warn!(error = sentence(&error), "an empty run folder stays");
        }
    }
}

fn that_stand(runs: &Path, wanted: Standing) -> Vec<PathBuf> {
    // What belongs to all guests together lies there too, under names that no guest has.
    let is_guests = |name: OsString| name.into_string().is_ok_and(|name| GuestName::try_from(name).is_ok());
    let entries = fs::read_dir(runs).into_iter().flatten().flatten().filter(|entry| is_guests(entry.file_name()));
    let mut found: Vec<_> =
        entries.map(|entry| entry.path()).filter(|dir| dir.is_dir() && standing(dir) == wanted).collect();
    found.sort();
    found
}

#[cfg(test)]
mod test {
    use super::sweep;
    use crate::apply::Instance;
    use std::fs;

    #[test]
    fn a_folder_of_a_run_that_came_to_nothing_goes_and_one_that_lives_or_owes_stays() {
        let runs = tempfile::tempdir().unwrap();
        let folder = |name: &str| runs.path().join(name);
        drop(Instance::claim(&folder("empty")).unwrap());
        drop(Instance::claim(&folder("owes")).unwrap());
        fs::write(folder("owes").join("journal"), "").unwrap();
        let lives = Instance::claim(&folder("lives")).unwrap();
        fs::write(folder("a-file"), "").unwrap();
        fs::create_dir(folder(".claims")).unwrap();
        sweep(runs.path());
        let there = ["empty", "owes", "lives", "a-file", ".claims"].map(|name| folder(name).exists());
        assert_eq!(there, [false, true, true, true, true]);
        drop(lives);
    }
}
