use super::{Chipset, Kept, Slots};
use crate::plan::{Argv, Origin, SeatBy};
use crate::unit::PciSlot;

fn deal(chipset: Chipset, keys: &[&str]) -> (Vec<String>, usize) {
    let (mut slots, mut argv) = (Slots::new(chipset, Kept::default()), Argv::default());
    let places = keys
        .iter()
        .map_while(|key| slots.next(&mut argv, key, key, &Origin::given(*key)))
        .map(|place| format!("{} {}", place.bus, place.addr))
        .collect();
    (places, argv.args().len())
}

#[test]
fn q35_gives_each_device_a_root_port_of_its_own() {
    assert_eq!(deal(Chipset::Q35, &["disk[0]", "disk[1]"]), (vec!["rp10.0 00.0".into(), "rp10.1 00.0".into()], 2));
}

#[test]
fn i440fx_gives_each_device_a_number_of_the_one_bus() {
    assert_eq!(deal(Chipset::I440fx, &["net[0]", "net[1]"]), (vec!["pci.0 03.0".into(), "pci.0 04.0".into()], 0));
}

#[test]
fn a_full_bus_is_noticed_and_every_address_was_dealt_by_then() {
    assert_eq!(deal(Chipset::I440fx, &["disk[0]"; 100]).0.len(), 30);
    assert_eq!(deal(Chipset::Q35, &["disk[0]"; 1000]).0.len(), 27 * 8);
}

#[test]
fn a_device_added_to_one_table_moves_none_of_another() {
    let without = deal(Chipset::Q35, &["net[0]", "disk[0]", "pci[0]", "audio.model"]).0;
    let with =
        deal(Chipset::Q35, &["net[0]", "net[1]", "disk[0]", "disk[1]", "usb_controller", "pci[0]", "audio.model"]).0;
    assert!(without.iter().all(|place| with.contains(place)), "{without:?} {with:?}");
}

#[test]
fn a_port_that_is_not_function_0_has_one_before_it() {
    let (places, ports) = deal(Chipset::Q35, &["audio.model", "usb_controller"]);
    assert_eq!(places, ["rp16.1 00.0", "rp16.0 00.0"]);
    assert_eq!(ports, 2);
}

#[test]
fn spare_ports_are_counted_with_those_that_happen_to_be_empty() {
    let (mut slots, mut argv) = (Slots::new(Chipset::Q35, Kept::default()), Argv::default());
    slots.next(&mut argv, "audio", "audio", &Origin::given("audio.model")).unwrap();
    slots.spare(&mut argv, 4).unwrap();
    assert_eq!(argv.args().len(), 5);
}

#[test]
fn a_port_that_is_asked_for_and_taken_is_no_spare_one() {
    let (mut slots, mut argv) = (Slots::new(Chipset::Q35, Kept::default()), Argv::default());
    let taken = "09.0".parse().unwrap();
    slots.fixed(&mut argv, taken, "card", &Origin::given("pci[0].addr"), None).unwrap();
    slots.port(&mut argv, taken);
    slots.spare(&mut argv, 2).unwrap();
    assert_eq!(argv.args().len(), 3);
}

#[test]
fn functions_of_one_wanted_device_share_a_root_port() {
    let (mut slots, mut argv) = (Slots::new(Chipset::Q35, Kept::default()), Argv::default());
    let origin = Origin::given("pci[0].addr");
    let video = slots.fixed(&mut argv, "09.0".parse().unwrap(), "card", &origin, None).unwrap();
    let audio = slots.fixed(&mut argv, "09.1".parse().unwrap(), "sound", &origin, None).unwrap();
    assert_eq!((video.bus.as_str(), video.addr.function()), ("rp09.0", 0));
    assert_eq!((audio.bus.as_str(), audio.addr.function()), ("rp09.0", 1));
    assert_eq!(argv.args().len(), 1);
}

/// The seats of disks called `names` where the last start left `kept`; and what this one leaves.
fn disks(kept: &Kept, names: &[&str]) -> (Vec<(String, String, SeatBy)>, Kept) {
    let (mut slots, mut argv) = (Slots::new(Chipset::Q35, kept.clone()), Argv::default());
    for (i, name) in names.iter().enumerate() {
        slots.next(&mut argv, "disk", name, &Origin::given(format!("disk[{i}]"))).unwrap();
    }
    let (seats, kept) = slots.seats();
    (seats.into_iter().map(|seat| (seat.name, seat.addr.to_string(), seat.by)).collect(), kept)
}

#[test]
fn a_disk_that_is_added_or_removed_moves_no_other() {
    let (_, kept) = disks(&Kept::default(), &["a", "b", "c"]);
    let (seats, kept) = disks(&kept, &["new", "b", "c"]);
    let seat = |name: &str, addr: &str, by| (name.to_owned(), addr.to_owned(), by);
    let wanted = [seat("new", "10.3", SeatBy::Dealt), seat("b", "10.1", SeatBy::Kept), seat("c", "10.2", SeatBy::Kept)];
    assert_eq!(seats, wanted);
    // The one that was away comes back to where it was.
    assert_eq!(disks(&kept, &["c", "a"]).0, [seat("c", "10.2", SeatBy::Kept), seat("a", "10.0", SeatBy::Kept)]);
}

#[test]
fn two_that_call_themselves_alike_keep_their_order() {
    let (first, kept) = disks(&Kept::default(), &["cd-rom", "cd-rom"]);
    let again = disks(&kept, &["cd-rom", "cd-rom"]).0;
    let addresses = |seats: &[(String, String, SeatBy)]| seats.iter().map(|seat| seat.1.clone()).collect::<Vec<_>>();
    assert_eq!(addresses(&first), addresses(&again));
    assert_eq!(again[1].0, "cd-rom 2");
}

#[test]
fn an_address_that_the_user_gives_to_another_is_not_kept() {
    let kept = Kept::new(Chipset::Q35, [("a".to_owned(), "09.0".parse().unwrap())].into());
    let (mut slots, mut argv) = (Slots::new(Chipset::Q35, kept), Argv::default());
    let addr: PciSlot = "09.0".parse().unwrap();
    slots.reserve(addr.device());
    let disk = slots.next(&mut argv, "disk", "a", &Origin::given("disk[0]")).unwrap();
    let card = slots.fixed(&mut argv, addr, "card", &Origin::given("pci[0]"), None).unwrap();
    assert_eq!((disk.bus.as_str(), card.bus.as_str()), ("rp10.0", "rp09.0"));
}

#[test]
fn what_was_kept_of_another_machine_or_is_no_address_is_not_taken() {
    let kept = |chipset, addr: &str| Kept::new(chipset, [("a".to_owned(), addr.parse().unwrap())].into());
    let addr = |kept: &Kept| disks(kept, &["a"]).0[0].1.clone();
    assert_eq!(addr(&kept(Chipset::I440fx, "12.0")), "10.0");
    assert_eq!(addr(&kept(Chipset::Q35, "1f.3")), "10.0");
    assert_eq!(addr(&kept(Chipset::Q35, "12.0")), "12.0");
}

#[test]
fn a_full_bus_takes_what_was_kept_for_devices_that_are_away() {
    let away = (0..27 * 8).map(|n| format!("away {n}"));
    let all = crate::plan::region::candidates(Chipset::Q35, "disk").collect::<std::collections::BTreeSet<_>>();
    let kept = Kept::new(Chipset::Q35, away.zip(all).collect());
    let (seats, kept) = disks(&kept, &["a"]);
    assert_eq!((seats[0].1.as_str(), seats[0].2), ("10.0", SeatBy::Dealt));
    assert_eq!(kept.get(Chipset::Q35, "a"), "10.0".parse().ok());
}

#[test]
fn a_device_is_where_the_profile_wants_it_and_nobody_else() {
    let give = |slots: &mut Slots, places: &[(&str, &str)]| {
        slots.give(places.iter().map(|(name, place)| ((*name).to_owned(), place.parse().unwrap())).collect());
    };
    let (mut slots, mut argv) = (Slots::new(Chipset::Q35, Kept::default()), Argv::default());
    give(&mut slots, &[("a", "10.0"), ("b", "01.4/00.1"), ("c", "pcie.0/1b.0"), ("away", "03.0")]);
    let mut next = |name: &str| {
        let place = slots.next(&mut argv, "disk", name, &Origin::given("disk[0]")).unwrap();
        format!("{} {}", place.bus, place.addr)
    };
    assert_eq!(["other", "b", "c", "a"].map(&mut next), ["rp10.1 00.0", "rp01.4 00.1", "pcie.0 1b.0", "rp10.0 00.0"]);
    assert_eq!(slots.nobodys(), ["away"]);

    let (mut slots, mut argv) = (Slots::new(Chipset::I440fx, Kept::default()), Argv::default());
    give(&mut slots, &[("a", "0b.0")]);
    let mut next =
        |name: &str| slots.next(&mut argv, "disk", name, &Origin::given("disk[0]")).unwrap().addr.to_string();
    assert_eq!(["other", "a"].map(&mut next), ["0c.0", "0b.0"]);
}
