use super::{Binding, Change, Presence, UnitState};
use crate::plan::Step;
use crate::unit::{Bdf, Mac, Size};
use proptest::prelude::{Just, Strategy, any, prop_oneof};

fn change() -> impl Strategy<Value = Change> {
    let state = || prop_oneof![Just(UnitState::Active), Just(UnitState::Inactive)];
    let presence = || prop_oneof![Just(Presence::Present), Just(Presence::Absent)];
    let size = || any::<u64>().prop_map(Size::from_bytes);
    prop_oneof![
        (any::<u32>(), size(), any::<i32>()).prop_map(|(node, size, pages)| Change::HugePages {
            node,
            size,
            pages: pages.into(),
            take: 512,
            drop_caches: false
        }),
        (any::<String>(), any::<Option<String>>(), state(), state()).prop_map(|(unit, user, from, to)| Change::Unit {
            unit,
            user,
            from,
            to
        }),
        any::<Option<u16>>().prop_map(macvtap),
        (any::<String>(), presence(), presence()).prop_map(|(name, from, to)| Change::Module { name, from, to }),
        (binding(), binding()).prop_map(|(from, to)| Change::Driver { bdf: card(), from, to }),
        (any::<String>(), any::<String>(), any::<String>()).prop_map(|(path, from, to)| Change::Attribute {
            path,
            from,
            to
        }),
        (any::<u8>(), size(), size()).prop_map(|(bar, from, to)| Change::Rebar { bdf: card(), bar, from, to }),
        (any::<String>(), any::<String>(), presence(), presence())
            .prop_map(|(device, driver, from, to)| Change::Framebuffer { device, driver, from, to }),
    ]
}

fn binding() -> impl Strategy<Value = Binding> {
    (any::<Option<String>>(), any::<Option<String>>()).prop_map(|(driver, override_)| Binding { driver, override_ })
}

fn card() -> Bdf {
    "0000:01:00.0".parse().unwrap()
}

fn macvtap(mtu: Option<u16>) -> Change {
    Change::Macvtap {
        name: "vmrun0".into(),
        parent: "eth0".into(),
        mac: Mac::derived("x"),
        mode: "bridge".into(),
        mtu,
        from: Presence::Absent,
        to: Presence::Present,
    }
}

fn lines(change: &Change) -> String {
    change.steps().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

proptest::proptest! {
    #[test]
    fn a_change_turned_round_twice_is_itself(change in change()) {
        proptest::prop_assert_eq!(change.inverse().inverse(), change);
    }

    #[test]
    fn a_change_is_read_from_the_journal_as_it_was_written(change in change()) {
        let text = serde_json::to_string(&change).unwrap();
        proptest::prop_assert_eq!(serde_json::from_str::<Change>(&text).unwrap(), change);
    }
}

#[test]
fn huge_pages_are_given_back_as_the_delta_that_was_taken() {
    let taken =
        Change::HugePages { node: 0, size: Size::from_bytes(2 << 20), pages: 512, take: 512, drop_caches: false };
    let path = "/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages".to_owned();
    assert_eq!(taken.inverse().steps(), [Step::Add { path, delta: -512 }]);
}

#[test]
fn a_macvtap_device_is_made_in_one_command_and_removed_if_it_is_still_there() {
    let made = macvtap(Some(9000));
    let mac = Mac::derived("x");
    let add = format!("ip link add link eth0 name vmrun0 address {mac} up mtu 9000 type macvtap mode bridge");
    assert_eq!(lines(&made), add);
    assert_eq!(lines(&made.inverse()), "[ ! -e /sys/class/net/vmrun0 ] || ip link del dev vmrun0");
}

#[test]
fn a_unit_that_was_started_is_stopped() {
    let start =
        Change::Unit { unit: "smbd.service".into(), user: None, from: UnitState::Inactive, to: UnitState::Active };
    let [Step::Run(stop)] = &start.inverse().steps()[..] else { panic!("one command") };
    assert_eq!(stop.argv, ["systemctl", "--quiet", "stop", "--", "smbd.service"]);
}

#[test]
fn a_card_goes_to_vfio_and_comes_back_in_the_lines_that_every_guide_teaches() {
    let from = Binding { driver: Some("nvidia".into()), override_: None };
    let taken = Change::Driver { bdf: card(), from, to: Binding::only("vfio-pci") };
    assert_eq!(
        lines(&taken),
        "echo vfio-pci > /sys/bus/pci/devices/0000:01:00.0/driver_override\n\
         echo 0000:01:00.0 > /sys/bus/pci/drivers/nvidia/unbind\n\
         echo 0000:01:00.0 > /sys/bus/pci/drivers_probe"
    );
    assert_eq!(
        lines(&taken.inverse()),
        "[ $(od -An -tx2 -N2 /sys/bus/pci/devices/0000:01:00.0/config) != ffff ] || echo 1 > /sys/bus/pci/devices/0000:01:00.0/reset\n\
         echo > /sys/bus/pci/devices/0000:01:00.0/driver_override\n\
         echo 0000:01:00.0 > /sys/bus/pci/drivers/vfio-pci/unbind\n\
         echo 0000:01:00.0 > /sys/bus/pci/drivers_probe"
    );
}

#[test]
fn a_function_without_a_driver_gets_none_back() {
    let taken = Change::Driver { bdf: card(), from: Binding::default(), to: Binding::only("vfio-pci") };
    assert!(!taken.inverse().steps().iter().any(|step| matches!(step, Step::Bind { .. })));
}

#[test]
fn a_bar_is_resized_by_the_number_of_its_size() {
    let resized =
        Change::Rebar { bdf: card(), bar: 1, from: Size::from_bytes(256 << 20), to: Size::from_bytes(8 << 30) };
    assert_eq!(lines(&resized), "echo 13 > /sys/bus/pci/devices/0000:01:00.0/resource1_resize");
    assert_eq!(lines(&resized.inverse()), "echo 8 > /sys/bus/pci/devices/0000:01:00.0/resource1_resize");
}
