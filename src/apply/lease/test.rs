//! What was made is undone: by the run, or by who comes after it.

use super::{Lease, Made, Recovered};
use crate::apply::{Damage, recover};
use crate::host::Root;
use crate::plan::{Change, Command, UnitState};
use crate::process::ProcessId;
use crate::unit::{GuestName, Size};
use std::fs;
use std::path::{Path, PathBuf};

const POOL: &str = "sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages";

struct Ground {
    _keep: tempfile::TempDir,
    root: PathBuf,
    run: PathBuf,
}

fn ground() -> Ground {
    let keep = tempfile::tempdir().unwrap();
    let (root, run) = (keep.path().join("root"), keep.path().join("run"));
    fs::create_dir_all(root.join(POOL).parent().unwrap()).unwrap();
    fs::create_dir(&run).unwrap();
    fs::write(root.join(POOL), "3\n").unwrap();
    Ground { _keep: keep, root, run }
}

fn lease(ground: &Ground) -> Lease {
    let name = GuestName::try_from("Windows".to_owned()).unwrap();
    Lease::new(Root::at(&ground.root), &ground.run, name, "this boot".into())
}

async fn recovered(ground: &Ground, boot_id: &str) -> Recovered {
    let root = Root::at(&ground.root);
    recover(root, &ground.run, boot_id, Damage::Refuse).await.unwrap().unwrap()
}

fn pages(pages: i64) -> Change {
    let take = 3 + pages.unsigned_abs();
    Change::HugePages { node: 0, size: Size::from_bytes(2 << 20), pages, take, drop_caches: false }
}

fn touch(name: &str, dir: &Path) -> Change {
    let command = |verb: &str| Command {
        argv: vec![verb.to_owned(), dir.join(name).display().to_string()],
        ..Command::default()
    };
    Change::Hook { name: name.into(), run: Some(command("touch")), back: Some(command("rm")) }
}

fn pool(ground: &Ground) -> String {
    fs::read_to_string(ground.root.join(POOL)).unwrap().trim().to_owned()
}

#[tokio::test]
async fn what_was_made_is_undone_and_the_tree_is_as_it_was() {
    let ground = ground();
    let lease = lease(&ground);
    let there = ground.root.join("there");
    lease.make(&touch("there", &ground.root)).await.unwrap();
    assert_eq!(lease.make(&pages(512)).await.unwrap(), Made::Now);
    assert_eq!((pool(&ground).as_str(), there.exists()), ("515", true));
    assert_eq!(lease.undo().await, []);
    assert_eq!((pool(&ground).as_str(), there.exists()), ("3", false));
}

#[tokio::test]
async fn pages_that_another_guest_took_meanwhile_stay_its_own() {
    let ground = ground();
    let lease = lease(&ground);
    lease.make(&pages(512)).await.unwrap();
    fs::write(ground.root.join(POOL), "1000").unwrap();
    assert_eq!(lease.undo().await, []);
    assert_eq!(pool(&ground), "488");
}

#[tokio::test]
async fn a_failing_undo_does_not_stop_the_others_and_stays_in_the_journal() {
    let ground = ground();
    let lease = lease(&ground);
    lease.make(&pages(512)).await.unwrap();
    lease.make(&touch("gone", &ground.root)).await.unwrap();
    fs::remove_file(ground.root.join("gone")).unwrap();
    let failed = lease.undo().await;
    assert_eq!(failed.len(), 1);
    assert!(failed[0].step.starts_with("rm "), "{failed:?}");
    assert_eq!(pool(&ground), "3");
    let found = recovered(&ground, "another boot").await.found;
    let left: Vec<_> = found.changes.iter().map(|(_, change)| change.clone()).collect();
    assert_eq!(left, [touch("gone", &ground.root)]);
}

#[tokio::test]
async fn a_qemu_that_is_on_its_way_out_is_waited_for() {
    let ground = ground();
    let lease = lease(&ground);
    lease.make(&pages(512)).await.unwrap();
    // It has no lock, and some memory still.
    let mut qemu = std::process::Command::new("sleep").arg("0.3").spawn().unwrap();
    lease.note_qemu(ProcessId::of(qemu.id())).unwrap();
    drop(lease);
    assert_eq!(recovered(&ground, "this boot").await.left, []);
    assert!(qemu.try_wait().unwrap().is_some_and(|status| status.success()), "it was not waited for, or ended");
    assert_eq!(pool(&ground), "3");
}

#[tokio::test]
async fn a_run_that_died_is_recovered_once() {
    let ground = ground();
    let dead = lease(&ground);
    dead.make(&pages(512)).await.unwrap();
    drop(dead);
    for _ in 0..2 {
        assert_eq!(recovered(&ground, "this boot").await.left, []);
        assert_eq!(pool(&ground), "3");
    }
}

#[tokio::test]
async fn after_a_reboot_the_changes_are_void() {
    let ground = ground();
    let dead = lease(&ground);
    dead.make(&pages(512)).await.unwrap();
    drop(dead);
    recovered(&ground, "another boot").await;
    assert_eq!(pool(&ground), "515");
}

#[tokio::test]
async fn a_refused_change_is_not_owed() {
    let ground = ground();
    let lease = lease(&ground);
    let missing = Change::HugePages { node: 7, size: Size::from_bytes(2 << 20), pages: 1, take: 1, drop_caches: false };
    assert!(lease.make(&missing).await.is_err());
    let unit =
        Change::Unit { unit: "none.service".into(), user: None, from: UnitState::Inactive, to: UnitState::Active };
    assert!(lease.make(&unit).await.is_err());
    assert_eq!(lease.undo().await, []);
}
