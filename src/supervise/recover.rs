//! The host put back after runs that died.

use super::run::sentence;
use super::{Notice, Tell, clear_unborn};
use crate::apply::{self, ApplyError, Damage, Instance, Standing, Unrestored, standing};
use crate::host::Root;
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

/// Puts the host back after the run in the run folder `dir` died; returns what could not be.
///
/// # Errors
/// [`ApplyError::Busy`] and [`ApplyError::Orphan`] when the guest lives; else when its journal cannot be used.
pub async fn recover(root: Root, dir: &Path, boot_id: &str, zeal: Zeal) -> Result<Vec<Unrestored>, ApplyError> {
    clear_unborn(dir).await;
    let instance = Instance::claim(dir)?;
    let recovered = apply::recover(root, dir, boot_id, zeal.damage()).await?;
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
        match recover(root.clone(), &dir, boot_id, Zeal::Careful).await {
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
    let entries = fs::read_dir(runs).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut owed: Vec<_> = entries.filter(|dir| standing(dir) == Standing::Owed).collect();
    owed.sort();
    owed
}
