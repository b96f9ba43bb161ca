//! The shares of a guest in pools of huge pages, on disk in the folder of its run, where the others look them up.

use super::ledger::Share;
use crate::apply::{ApplyError, Standing, standing};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Name of the file in the run folder. It goes with the folder.
const FILE: &str = "pages.json";

/// The shares of the guest in the run folder `dir`; none when it has no part in any pool.
pub(super) fn load(dir: &Path) -> Result<Vec<Share>, ApplyError> {
    let path = dir.join(FILE);
    let text = match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => text.map_err(ApplyError::io("read", &path))?,
    };
    let unreadable = |error| ApplyError::Refused(format!("{} cannot be used: {error}", path.display()));
    serde_json::from_slice(&text).map_err(unreadable)
}

/// Writes them: temporary file, sync, rename.
pub(super) fn save(dir: &Path, shares: &[Share]) -> Result<(), ApplyError> {
    let (path, next) = (dir.join(FILE), dir.join("pages.next"));
    let write = || -> io::Result<()> {
        let mut file = File::create(&next)?;
        serde_json::to_writer(&mut file, shares)?;
        file.flush()?;
        file.sync_all()?;
        fs::rename(&next, &path)
    };
    write().map_err(ApplyError::io("write", &path))
}

/// Another guest of this user that lives, or is being started, and has a part in some pool.
pub(super) struct Other {
    /// Its run folder.
    pub(super) dir: PathBuf,
    /// Its shares.
    pub(super) shares: Vec<Share>,
}

/// All of them. One that ended without putting the host back is none: nobody will use what it has spoken for.
pub(super) fn others(dir: &Path) -> Vec<Other> {
    let siblings = dir.parent().and_then(|parent| fs::read_dir(parent).ok()).into_iter().flatten().flatten();
    let siblings = siblings.map(|entry| entry.path()).filter(|path| path != dir);
    let lives = |path: &PathBuf| matches!(standing(path), Standing::Running | Standing::Orphan);
    let with_shares = siblings.filter(|path| path.join(FILE).exists()).filter(lives);
    with_shares.filter_map(|dir| load(&dir).ok().map(|shares| Other { dir, shares })).collect()
}

/// Notes pages of the share `id` that are to be given back when the guest of `heir` ends, since it has them now. Noted again,
/// they are the same ones.
pub(super) fn bequeath(heir: &Other, share: usize, (id, pages): (u64, u64)) -> Result<(), ApplyError> {
    let mut shares = heir.shares.clone();
    if let Some(share) = shares.get_mut(share) {
        share.inherited.insert(id, pages);
    }
    save(&heir.dir, &shares)
}
