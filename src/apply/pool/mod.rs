//! Pools of huge pages, which guests share.
//!
//! Whoever changes a pool holds one lock for all of them, has its share written down before, and takes only what is
//! neither in use nor spoken for. What a guest cannot give back, because another one has it by then, that one gives
//! back. Guests of one user see each other; only root can change a pool.

mod grow;
mod ledger;
mod record;

use super::ApplyError;
use crate::host::Root;
use crate::plan::Change;
use crate::unit::Size;
use grow::{Effort, grow};
use ledger::{Level, Share, missing, returnable};
use nix::fcntl::{Flock, FlockArg};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long the kernel may take to let go of the memory of a QEMU that is gone.
const LINGER: Duration = Duration::from_secs(3);

/// What all who change a pool lock.
const NODES: &str = "/sys/devices/system/node";

/// A guest's part in a pool, as it was planned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    pub(super) node: u32,
    pub(super) size: Size,
    /// Pages that it needs.
    pub(super) take: u64,
    pub(super) drop_caches: bool,
}

/// A pool of one node and size.
struct Pool {
    nr: String,
    free: String,
    /// Reserved ones of all nodes: mapped, not touched yet, and still counted as free.
    reserved: String,
    compact: String,
}

impl Pool {
    fn of(node: u32, size: Size) -> Self {
        let name = format!("hugepages-{}kB", size.bytes() >> 10);
        let folder = format!("{NODES}/node{node}/hugepages/{name}");
        Self {
            nr: format!("{folder}/nr_hugepages"),
            free: format!("{folder}/free_hugepages"),
            reserved: format!("/sys/kernel/mm/hugepages/{name}/resv_hugepages"),
            compact: format!("{NODES}/node{node}/compact"),
        }
    }

    fn level(&self, root: &Root) -> Result<Level, ApplyError> {
        let total = number(root, &self.nr)?;
        // Every kernel tells; a tree that was laid out for a test need not.
        let free = number(root, &self.free).unwrap_or(total);
        let reserved = number(root, &self.reserved).unwrap_or(0);
        Ok(Level { total, free: free.saturating_sub(reserved) })
    }

    /// Asks for `pages` in all; returns how many there are then.
    fn set(&self, root: &Root, pages: u64) -> Result<u64, ApplyError> {
        let file = root.resolve(&self.nr);
        fs::write(&file, pages.to_string()).map_err(ApplyError::io("write", &file))?;
        number(root, &self.nr)
    }
}

/// Where it happens: the host, and the run folder of the guest.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) root: Root,
    pub(super) dir: PathBuf,
}

/// Makes sure that the guest will find its pages; `note` is called with the change before it is made. Returns whether
/// there was one: enough pages may be free.
///
/// # Errors
/// When they cannot be made; the pool is as before then.
pub(super) async fn claim(
    place: &Place,
    claim: Claim,
    note: impl FnOnce(&Change) -> Result<(), ApplyError>,
) -> Result<bool, ApplyError> {
    let lock = lock(&place.root).await?;
    let Claim { node, size, take, drop_caches } = claim;
    let level = Pool::of(node, size).level(&place.root)?;
    let add = missing(take, level, pending(place, node, size));
    if add > 0 {
        let pages = i64::try_from(add).unwrap_or(i64::MAX);
        note(&Change::HugePages { node, size, pages, take, drop_caches })?;
    }
    // Dropped with this future, which tells the thread to stop trying.
    let (_alive, given_up) = channel();
    let there = place.clone();
    // Seconds, when memory is scattered: beside the loop. The lock goes with the thread, so an undo waits for it.
    let work = tokio::task::spawn_blocking(move || {
        let _lock = lock;
        add_pages(&there, claim, add, level, &given_up)
    });
    work.await.unwrap_or_else(internal)?;
    Ok(add > 0)
}

fn add_pages(
    Place { root, dir }: &Place,
    claim: Claim,
    add: u64,
    level: Level,
    given_up: &Receiver<()>,
) -> Result<(), ApplyError> {
    let Claim { node, size, take, drop_caches } = claim;
    let pool = Pool::of(node, size);
    let before = level.total;
    // The lock is held, so no other share is of this moment.
    let id = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    let id = u64::try_from(id).unwrap_or_default();
    let (taken, added, inherited, leaving) = (false, None, BTreeMap::new(), None);
    let mut share = Share { node, size, take, taken, before, wanted: add, added, inherited, id, leaving };
    let mut shares = record::load(dir)?;
    shares.retain(|other| !other.is_of(node, size));
    let write = |share: &Share| record::save(dir, &[&shares[..], std::slice::from_ref(share)].concat());
    write(&share)?;
    let got = if add > 0 { grow(root, &pool, before + add, &Effort { drop_caches, given_up })? } else { before };
    let added = got.saturating_sub(before);
    if added < add {
        pool.set(root, before)?;
        // Not removed: the journal may still say that there is something to take back.
        write(&Share { take: 0, added: Some(0), ..share })?;
        return Err(short(claim, add, added, root));
    }
    share.added = Some(add);
    write(&share)
}

/// Gives back what was added for the guest, and what it inherited. What another guest has by then, that one inherits.
///
/// Safe to be repeated after a death: the share is written before the pool changes, and is gone when all of it is back, so
/// that the journal, which is written before and after that, may speak of pages that are not owed.
///
/// # Errors
/// When somebody who is no guest has them; they stay owed then.
pub(super) async fn give_back(place: &Place, node: u32, size: Size) -> Result<(), ApplyError> {
    let lock = lock(&place.root).await?;
    let place = place.clone();
    let work = tokio::task::spawn_blocking(move || {
        let _lock = lock;
        return_pages(&place, node, size)
    });
    work.await.unwrap_or_else(internal)
}

fn return_pages(place: &Place, node: u32, size: Size) -> Result<(), ApplyError> {
    let Place { root, dir } = place;
    let pool = Pool::of(node, size);
    let mut shares = record::load(dir)?;
    let Some(at) = shares.iter().position(|share| share.is_of(node, size)) else { return Ok(()) };
    let share = shares[at].clone();
    let (pending, heirs) = (pending(place, node, size), record::others(dir));
    // Who inherits them need not wait for them.
    let has_heir = heirs.iter().flat_map(|other| &other.shares).any(|share| share.is_of(node, size));
    let patience = if has_heir { Duration::ZERO } else { LINGER };
    let now = at_rest(
        patience,
        || pool.level(root),
        |now| {
            let owed = share.owed(*now);
            returnable(owed, *now, pending) == owed
        },
    )?;
    let owed = share.owed(now);
    let gone = returnable(owed, now, pending);
    let rest = |added, leaving| Share { added: Some(added), inherited: BTreeMap::new(), leaving, ..share.clone() };
    // Before an heir has them, too: it may have given them back before this is tried again.
    if gone > 0 || has_heir {
        shares[at] = rest(owed, Some(now.total));
        record::save(dir, &shares)?;
    }
    if gone > 0 {
        pool.set(root, now.total - gone)?;
    }
    let left = owed - gone;
    let heir = heirs.into_iter().find_map(|other| {
        let at = other.shares.iter().position(|share| share.is_of(node, size))?;
        Some((other, at))
    });
    let settled = left == 0 || heir.is_some();
    if let Some((heir, at)) = heir.filter(|_| left > 0) {
        record::bequeath(&heir, at, (share.id, left))?;
    }
    if settled {
        shares.remove(at);
    } else {
        shares[at] = rest(left, None);
    }
    record::save(dir, &shares)?;
    if settled { Ok(()) } else { Err(kept((node, size), (owed, gone), now)) }
}

/// The level once all that is owed is free, or after `patience`.
///
/// A QEMU that was killed with a card in it is gone for whoever waits for it, and the kernel may still be letting go of the
/// memory that the card could write to. Nothing tells when that is done.
fn at_rest(
    patience: Duration,
    level: impl Fn() -> Result<Level, ApplyError>,
    is_free: impl Fn(&Level) -> bool,
) -> Result<Level, ApplyError> {
    let until = Instant::now() + patience;
    let mut pause = Duration::from_millis(5);
    loop {
        let now = level()?;
        if is_free(&now) || Instant::now() >= until {
            return Ok(now);
        }
        sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(200));
    }
}

/// Notes that QEMU has its pages, so that they are not spoken for any more: the kernel counts them.
///
/// # Errors
/// When that cannot be written.
pub(super) async fn taken(place: &Place) -> Result<(), ApplyError> {
    if record::load(&place.dir)?.is_empty() {
        return Ok(());
    }
    let _lock = lock(&place.root).await?;
    let mut shares = record::load(&place.dir)?;
    shares.iter_mut().for_each(|share| share.taken = true);
    record::save(&place.dir, &shares)
}

/// Speaks for no pages any more.
///
/// # Errors
/// When that cannot be written.
pub(super) async fn drop_claims(place: &Place) -> Result<(), ApplyError> {
    let _lock = lock(&place.root).await?;
    let mut shares = record::load(&place.dir)?;
    shares.retain(|share| !share.inherited.is_empty());
    shares.iter_mut().for_each(|share| share.take = 0);
    record::save(&place.dir, &shares)
}

/// The pools that the guest has a share in.
pub(super) fn shared(place: &Place) -> Vec<(u32, Size)> {
    let shares = record::load(&place.dir).unwrap_or_default();
    shares.iter().map(|share| (share.node, share.size)).collect()
}

fn pending(place: &Place, node: u32, size: Size) -> u64 {
    let others = record::others(&place.dir);
    let shares = others.iter().flat_map(|other| &other.shares).filter(|share| share.is_of(node, size));
    shares.map(Share::pending).sum()
}

/// Waits for the turn; whoever has it may need seconds.
async fn lock(root: &Root) -> Result<Flock<File>, ApplyError> {
    let path = root.resolve(NODES);
    let work = tokio::task::spawn_blocking(move || {
        let folder = File::open(&path).map_err(ApplyError::io("open", &path))?;
        Flock::lock(folder, FlockArg::LockExclusive).map_err(|(_, errno)| ApplyError::io("lock", &path)(errno.into()))
    });
    work.await.unwrap_or_else(internal)
}

fn short(Claim { node, size, take, .. }: Claim, add: u64, got: u64, root: &Root) -> ApplyError {
    let free = take - add;
    let enough = available(root).is_none_or(|bytes| bytes / size.bytes() >= add - got);
    let why = if enough { "the free memory is too scattered" } else { "too little memory is free" };
    ApplyError::Refused(format!(
        "{take} huge pages of {size} are needed on node {node}: {free} were free, and {got} of the {add} others could be \
         made, since {why}"
    ))
}

fn kept((node, size): (u32, Size), (owed, gone): (u64, u64), Level { total, free }: Level) -> ApplyError {
    ApplyError::Refused(format!(
        "{owed} huge pages of {size} should go from node {node}, and {gone} could: somebody uses the rest, or has it \
         reserved ({free} of {total} are neither)"
    ))
}

/// `MemAvailable` in bytes.
fn available(root: &Root) -> Option<u64> {
    let kib: u64 = root.line("/proc/meminfo", "MemAvailable:")?.split_ascii_whitespace().nth(1)?.parse().ok()?;
    kib.checked_mul(1024)
}

#[allow(clippy::needless_pass_by_value, reason = "for unwrap_or_else")]
fn internal<T>(error: tokio::task::JoinError) -> Result<T, ApplyError> {
    Err(ApplyError::Refused(format!("internal error: {error}")))
}

fn number(root: &Root, path: &str) -> Result<u64, ApplyError> {
    let file = root.resolve(path);
    let text = fs::read_to_string(&file).map_err(ApplyError::io("read", &file))?;
    let odd = || ApplyError::Refused(format!("{} holds `{}`, not a number", file.display(), text.trim()));
    text.trim().parse().map_err(|_| odd())
}

#[cfg(test)]
mod test;
