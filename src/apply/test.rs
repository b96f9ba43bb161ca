//! Passing a card and getting it back, on a kernel that does as it is told, refuses, hangs, or loses its caller.

use super::ApplyError;
use super::claim::claim;
use super::fake::{CARD, DISK, Machine, SOUND, make, undo_twice};
use super::step::Fault;
use crate::plan::{Binding, Change, Presence};
use crate::unit::{GuestName, Size};
use std::time::Duration;

fn held(driver: &str) -> Binding {
    Binding { driver: Some(driver.into()), ..Binding::default() }
}

fn driver(bdf: &str, from: Binding, to: Binding) -> Change {
    Change::Driver { bdf: bdf.parse().unwrap(), from, to }
}

/// What passing the card and its sound changes, with a larger BAR and without sleep.
fn changes() -> Vec<Change> {
    let (free, vfio) = (Binding::reserved("vfio-pci"), Binding::only("vfio-pci"));
    let awake = Change::Attribute {
        path: format!("/sys/bus/pci/devices/{CARD}/power/control"),
        from: "auto".into(),
        to: "on".into(),
    };
    let bar = Change::Rebar {
        bdf: CARD.parse().unwrap(),
        bar: 0,
        from: Size::from_bytes(256 << 20),
        to: Size::from_bytes(8 << 30),
    };
    vec![
        awake,
        driver(SOUND, held("snd_hda_intel"), vfio.clone()),
        driver(CARD, held("nvidia"), free.clone()),
        bar,
        driver(CARD, free, vfio),
    ]
}

/// The same with a disk on another bus.
fn with_disk() -> Vec<Change> {
    let mut changes = changes();
    changes.push(driver(DISK, held("nvme"), Binding::only("vfio-pci")));
    changes
}

/// A part of the card, as a driver deals it out.
fn part(machine: &Machine) -> Change {
    machine.deals_out("nvidia-63");
    let (parent, kind) = (CARD.to_owned(), "nvidia-63".to_owned());
    Change::Mdev { uuid: uuid::Uuid::from_u128(7), parent, kind, from: Presence::Absent, to: Presence::Present }
}

#[tokio::test]
async fn a_part_of_a_card_is_made_for_the_guest_and_gone_after_it() {
    let machine = Machine::new();
    let change = part(&machine);
    let before = machine.picture();
    let lease = machine.lease();
    make(&lease, std::slice::from_ref(&change)).await.unwrap();
    assert!(machine.root().exists("/sys/bus/mdev/devices/00000000-0000-0000-0000-000000000007"));
    assert_eq!(lease.undo().await, []);
    assert_eq!(machine.picture(), before);
    assert_eq!(machine.kernel.said.borrow().len(), 2);
}

#[tokio::test]
async fn a_part_that_cannot_be_made_or_is_gone_already_leaves_nothing_to_undo() {
    let machine = Machine::new();
    let change = part(&machine);
    machine.fail("/create", Fault::No("no space left on device".into()));
    let refused = make(&machine.lease(), std::slice::from_ref(&change)).await.unwrap_err().to_string();
    assert!(refused.ends_with("-000000000007 is not made: no space left on device"), "{refused}");
    machine.kernel.faults.borrow_mut().clear();
    let lease = machine.lease();
    make(&lease, &[change]).await.unwrap();
    std::fs::remove_dir_all(machine.root().resolve("/sys/bus/mdev/devices")).unwrap();
    assert_eq!(lease.undo().await, []);
}

fn drivers(machine: &Machine) -> [Option<String>; 2] {
    [CARD, SOUND].map(|bdf| machine.driver(bdf))
}

#[tokio::test]
async fn a_card_that_was_passed_leaves_no_trace() {
    let machine = Machine::new();
    let before = machine.picture();
    let lease = machine.lease();
    make(&lease, &changes()).await.unwrap();
    assert_eq!(drivers(&machine), [Some("vfio-pci".into()), Some("vfio-pci".into())]);
    assert_eq!(lease.undo().await, []);
    assert_eq!(machine.picture(), before);
    assert_eq!(machine.kernel.most_at_once.get(), 1);
}

#[tokio::test]
async fn a_disk_on_another_bus_does_not_wait_for_the_card() {
    let machine = Machine::new();
    let before = machine.picture();
    let lease = machine.lease();
    make(&lease, &with_disk()).await.unwrap();
    assert_eq!(machine.driver(DISK).as_deref(), Some("vfio-pci"));
    assert_eq!(machine.kernel.most_at_once.replace(0), 2);
    assert_eq!(lease.undo().await, []);
    assert_eq!(machine.picture(), before);
    assert_eq!(machine.kernel.most_at_once.get(), 2);
}

#[tokio::test]
async fn after_a_refusal_nothing_else_is_begun_and_what_was_begun_is_ended() {
    let machine = Machine::new();
    machine.fail("snd_hda_intel/unbind", Fault::No("device or resource busy".into()));
    let lease = machine.lease();
    let error = make(&lease, &with_disk()).await.unwrap_err();
    assert!(error.to_string().starts_with("snd_hda_intel does not let go of 0000:01:00.1"), "{error}");
    assert_eq!(drivers(&machine), [Some("nvidia".into()), Some("snd_hda_intel".into())]);
    assert_eq!(machine.driver(DISK).as_deref(), Some("vfio-pci"));
    assert_eq!(lease.undo().await, []);
    assert_eq!(machine.driver(DISK).as_deref(), Some("nvme"));
}

#[tokio::test]
async fn a_run_that_is_killed_at_any_write_is_recovered() {
    let writes = {
        let machine = Machine::new();
        make(&machine.lease(), &with_disk()).await.unwrap();
        machine.kernel.said.borrow().len()
    };
    assert!(writes >= 8, "{writes}");
    for (killed_at, done) in (1..=writes).flat_map(|at| [(at, false), (at, true)]) {
        let machine = Machine::new();
        let before = machine.picture();
        machine.kernel.writes_left.set(Some(killed_at));
        machine.kernel.last_is_done.set(done);
        let lease = machine.lease();
        let whole = with_disk();
        let killed = tokio::time::timeout(Duration::from_millis(20), make(&lease, &whole)).await;
        assert!(killed.is_err(), "write {killed_at}");
        drop(lease);
        machine.kernel.writes_left.set(None);
        let found = machine.found().expect("a journal");
        assert_eq!(found.undo().await, [], "write {killed_at}, done {done}");
        assert_eq!(machine.picture(), before, "write {killed_at}, done {done}");
    }
}

#[tokio::test]
async fn a_recovery_that_is_killed_at_any_write_is_finished_by_the_next() {
    for killed_at in 1..=13 {
        let machine = Machine::new();
        let before = machine.picture();
        let lease = machine.lease();
        make(&lease, &with_disk()).await.unwrap();
        machine.kernel.writes_left.set(Some(killed_at));
        let _killed = tokio::time::timeout(Duration::from_millis(20), lease.undo()).await;
        drop(lease);
        machine.kernel.writes_left.set(None);
        assert_eq!(machine.found().expect("a journal").undo().await, [], "write {killed_at}");
        assert_eq!(machine.picture(), before, "write {killed_at}");
    }
}

#[tokio::test]
async fn what_another_guest_has_by_now_is_left_to_it_until_that_has_ended() {
    let machine = Machine::new();
    let before = machine.picture();
    make(&machine.lease(), &with_disk()).await.unwrap();
    // Its vmrun was killed, another one took the guest over, and its QEMU, which held the locks, has ended.
    let lease = machine.found().expect("a journal");
    let linux = GuestName::try_from("Linux".to_owned()).unwrap();
    let taken = claim(&machine.run_dir().with_file_name("Linux"), &linux, DISK.parse().unwrap()).unwrap();
    let left = lease.undo().await;
    assert!(left.iter().all(|left| left.why.contains("0000:02:00.0 belongs to Linux")) && !left.is_empty(), "{left:?}");
    assert_eq!(machine.driver(DISK).as_deref(), Some("vfio-pci"));
    assert_eq!(machine.driver(CARD).as_deref(), Some("nvidia"));
    drop(taken);
    assert_eq!(lease.undo().await, []);
    assert_eq!(machine.picture(), before);
}

#[tokio::test]
async fn whatever_the_kernel_refuses_is_taken_back() {
    for refused in ["driver_override", "nvidia/unbind", "snd_hda_intel/unbind", "resource0_resize", "power/control"] {
        let machine = Machine::new();
        let before = machine.picture();
        machine.fail(refused, Fault::No("device or resource busy".into()));
        let lease = machine.lease();
        let error = make(&lease, &with_disk()).await.unwrap_err();
        assert!(error.to_string().contains("device or resource busy"), "{error}");
        assert_eq!(lease.undo().await, [], "{refused}");
        assert_eq!(machine.picture(), before, "{refused}");
    }
}

#[tokio::test]
async fn a_driver_that_hangs_is_named_and_nothing_more_is_asked_of_the_device() {
    let machine = Machine::new();
    machine.fail("nvidia/unbind", Fault::Stuck("not done after 15s, in the kernel at nv_pci_remove".into()));
    let lease = machine.lease();
    let error = make(&lease, &changes()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "nvidia does not let go of 0000:01:00.0: not done after 15s, in the kernel at nv_pci_remove"
    );
    assert!(matches!(error, ApplyError::Stuck(_)));
    assert_eq!(machine.kernel.said.borrow().last().unwrap(), "0000:01:00.0 > /sys/bus/pci/drivers/nvidia/unbind");
    // It still has its driver, so there is nothing left to put back but the override.
    assert_eq!(lease.undo().await, []);
    assert_eq!(drivers(&machine), [Some("nvidia".into()), Some("snd_hda_intel".into())]);
}

#[tokio::test]
async fn a_driver_that_does_not_take_its_card_back_is_told_and_the_rest_is_restored() {
    let machine = Machine::new();
    let lease = machine.lease();
    make(&lease, &changes()).await.unwrap();
    let gone = machine.root().resolve("/sys/bus/pci/drivers/nvidia");
    std::fs::remove_dir_all(gone).unwrap();
    let failed = undo_twice(&lease).await;
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].why, "nvidia does not take 0000:01:00.0: invalid argument");
    assert_eq!(machine.driver(SOUND).as_deref(), Some("snd_hda_intel"));
}

fn framebuffer() -> Change {
    let (device, driver) = ("efi-framebuffer.0".into(), "efi-framebuffer".into());
    Change::Framebuffer { device, driver, from: Presence::Present, to: Presence::Absent }
}

#[tokio::test]
async fn the_firmwares_framebuffer_lets_go_and_is_driven_again() {
    let machine = Machine::new();
    machine.started_by_firmware();
    let before = machine.picture();
    let lease = machine.lease();
    lease.make(&framebuffer()).await.unwrap();
    let said = ["efi-framebuffer.0 > /sys/bus/platform/drivers/efi-framebuffer/unbind"];
    assert_eq!(machine.kernel.said.borrow()[..], said);
    assert_eq!(lease.undo().await, []);
    assert_eq!(machine.picture(), before);
}

#[tokio::test]
async fn a_framebuffer_that_the_kernel_did_away_with_is_not_missed() {
    let machine = Machine::new();
    machine.started_by_firmware();
    let lease = machine.lease();
    lease.make(&framebuffer()).await.unwrap();
    machine.lose_framebuffer();
    assert_eq!(lease.undo().await, []);
}

#[tokio::test]
async fn what_somebody_else_changed_meanwhile_is_left_to_them() {
    let machine = Machine::new();
    let lease = machine.lease();
    make(&lease, &changes()).await.unwrap();
    let path = machine.root().resolve(format!("/sys/bus/pci/devices/{CARD}/driver_override"));
    std::fs::write(&path, "pci-stub\n").unwrap();
    let failed = lease.undo().await;
    assert!(failed[0].why.contains("holds `pci-stub`, not `vfio-pci`: somebody else changed it"), "{failed:?}");
    assert_eq!(std::fs::read_to_string(path).unwrap(), "pci-stub\n");
}

#[tokio::test]
async fn a_host_that_is_not_as_planned_is_not_touched() {
    let machine = Machine::new();
    let before = machine.picture();
    let lease = machine.lease();
    let planned = Binding::only("nvidia");
    let error = lease.make(&driver(CARD, planned, Binding::only("vfio-pci"))).await.unwrap_err();
    assert!(error.to_string().contains("holds nothing, not `nvidia`"), "{error}");
    assert_eq!(lease.undo().await, []);
    assert_eq!(machine.picture(), before);
}

#[tokio::test]
async fn a_card_that_fell_silent_climbs_the_ladder_before_its_driver_sees_it() {
    let machine = Machine::new();
    let before = machine.picture();
    let lease = machine.lease();
    make(&lease, &changes()).await.unwrap();
    machine.fall_silent();
    machine.kernel.said.borrow_mut().clear();
    assert_eq!(lease.undo().await, []);
    let said = machine.kernel.said.borrow().join("\n");
    let ladder = [
        format!("1 > /sys/bus/pci/devices/{CARD}/reset"),
        "1 > /sys/bus/pci/devices/0000:00:01.0/reset_subordinate".to_owned(),
        "0 > /sys/bus/pci/drivers_autoprobe".to_owned(),
        format!("1 > /sys/bus/pci/devices/{CARD}/remove"),
        "1 > /sys/bus/pci/rescan".to_owned(),
        format!("vfio-pci > /sys/bus/pci/devices/{CARD}/driver_override"),
        format!("{CARD} > /sys/bus/pci/drivers_probe"),
        "1 > /sys/bus/pci/drivers_autoprobe".to_owned(),
    ];
    assert!(said.starts_with(&ladder.join("\n")), "{said}");
    assert_eq!(drivers(&machine), [Some("nvidia".into()), Some("snd_hda_intel".into())]);
    assert_eq!(machine.picture(), before);
}

#[tokio::test]
async fn a_virtual_function_answers_though_it_shows_no_ids() {
    let machine = Machine::new();
    machine.is_virtual();
    let before = machine.picture();
    let lease = machine.lease();
    make(&lease, &changes()).await.unwrap();
    machine.kernel.said.borrow_mut().clear();
    assert_eq!(lease.undo().await, []);
    let said = machine.kernel.said.borrow().join("\n");
    assert!(!said.contains("/reset") && !said.contains("/remove"), "{said}");
    assert_eq!(machine.picture(), before);
}

#[tokio::test]
async fn a_card_that_stays_silent_is_kept_from_its_driver() {
    let machine = Machine::new();
    let lease = machine.lease();
    make(&lease, &changes()).await.unwrap();
    machine.fall_silent();
    machine.fail("/remove", Fault::No("invalid argument".into()));
    let failed = lease.undo().await;
    assert!(failed.iter().any(|left| left.why.starts_with("0000:01:00.0 does not answer any more")), "{failed:?}");
    assert_eq!(drivers(&machine), [Some("vfio-pci".into()), Some("snd_hda_intel".into())]);
}

#[tokio::test]
async fn a_card_that_shall_stay_with_vfio_stays_but_not_after_half_a_change() {
    let stays = driver(CARD, held("nvidia"), Binding::only("vfio-pci").staying());
    let machine = Machine::new();
    let lease = machine.lease();
    make(&lease, std::slice::from_ref(&stays)).await.unwrap();
    machine.fall_silent();
    assert_eq!(lease.undo().await, []);
    assert_eq!(machine.driver(CARD).as_deref(), Some("vfio-pci"));
    let machine = Machine::new();
    machine.fail("drivers_probe", Fault::No("no such device".into()));
    make(&machine.lease(), &[stays]).await.unwrap_err();
    machine.kernel.faults.borrow_mut().clear();
    assert_eq!(machine.root().text(format!("/sys/bus/pci/devices/{CARD}/driver_override")).as_deref(), Some("(null)"));
}
