//! Adding to a number that others add to as well.

use crate::apply::ApplyError;
use crate::host::Root;
use nix::fcntl::{Flock, FlockArg};
use std::fs::{self, File};
use std::path::Path;

/// Making huge pages takes the kernel seconds when memory is fragmented, so it is done beside the loop.
pub(super) async fn add_elsewhere(root: &Root, path: &str, delta: i64) -> Result<(), ApplyError> {
    let (root, path) = (root.clone(), path.to_owned());
    let work = tokio::task::spawn_blocking(move || add(&root, &path, delta));
    work.await.unwrap_or_else(|error| Err(ApplyError::Refused(format!("internal error: {error}"))))
}

fn add(root: &Root, path: &str, delta: i64) -> Result<(), ApplyError> {
    let file = root.resolve(path);
    // Two vmruns that read, add and write at the same time would lose one of the two.
    let handle = File::open(&file).map_err(ApplyError::io("open", &file))?;
    let _turn = Flock::lock(handle, FlockArg::LockExclusive)
        .map_err(|(_, errno)| ApplyError::io("lock", &file)(errno.into()))?;
    let before = number(&file)?;
    let wanted = (before + delta).max(0);
    write(&file, wanted)?;
    if number(&file)? < wanted {
        // Pages that are only scattered can be moved together.
        let _ = fs::write(root.resolve("/proc/sys/vm/compact_memory"), "1");
        write(&file, wanted)?;
    }
    let got = number(&file)?;
    if (delta > 0 && got < wanted) || (delta < 0 && got > wanted) {
        write(&file, before)?;
        return Err(short(path, delta, got - before));
    }
    Ok(())
}

fn short(path: &str, delta: i64, got: i64) -> ApplyError {
    let pool = path.rsplit('/').nth(1).unwrap_or(path);
    let node = path.split('/').find(|part| part.starts_with("node") && part.len() > 4).unwrap_or("node");
    ApplyError::Refused(if delta > 0 {
        format!(
            "{delta} more huge pages are needed in {pool} of {node}, the kernel could make {got}: free memory is too little or too scattered"
        )
    } else {
        format!(
            "{} huge pages should go from {pool} of {node}, the kernel gave back {}: the rest is in use",
            -delta, -got
        )
    })
}

fn number(file: &Path) -> Result<i64, ApplyError> {
    let text = fs::read_to_string(file).map_err(ApplyError::io("read", file))?;
    text.trim()
        .parse()
        .map_err(|_| ApplyError::Refused(format!("{} holds `{}`, not a number", file.display(), text.trim())))
}

fn write(file: &Path, value: i64) -> Result<(), ApplyError> {
    fs::write(file, value.to_string()).map_err(ApplyError::io("write", file))
}
