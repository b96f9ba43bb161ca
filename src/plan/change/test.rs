use super::{Binding, Change, Confinement, CpuMask, Grant, HOST_GROUP, Presence, UnitState};
use crate::plan::Step;
use crate::unit::{Bdf, CpuSet, Mac, Size};
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
        (any::<u128>(), any::<String>(), any::<String>(), presence(), presence()).prop_map(
            |(uuid, parent, kind, from, to)| Change::Mdev { uuid: uuid::Uuid::from_u128(uuid), parent, kind, from, to }
        ),
        (binding(), binding()).prop_map(|(from, to)| Change::Driver { bdf: card(), from, to }),
        (any::<String>(), any::<String>(), any::<String>()).prop_map(|(path, from, to)| Change::Attribute {
            path,
            from,
            to
        }),
        (any::<String>(), any::<u32>(), any::<u32>()).prop_map(|(path, from, to)| Change::Owner { path, from, to }),
        (presence(), presence()).prop_map(|(from, to)| Change::Holders { bdf: card(), from, to }),
        (any::<u8>(), size(), size()).prop_map(|(bar, from, to)| Change::Rebar { bdf: card(), bar, from, to }),
        (any::<String>(), any::<String>(), presence(), presence())
            .prop_map(|(device, driver, from, to)| Change::Framebuffer { device, driver, from, to }),
        (any::<String>(), any::<String>(), any::<String>()).prop_map(|(path, from, to)| Change::Shared {
            path,
            from,
            to
        }),
        (cpus(), proptest::collection::vec(texts(), 0..4)).prop_map(|(cpus, masks)| Change::Masks {
            cpus,
            masks: masks.into_iter().map(|(path, from, to)| CpuMask { path, from, to }).collect()
        }),
        (cpus(), cpus(), proptest::collection::vec(texts(), 0..4)).prop_map(|(cpus, all, units)| Change::Slices {
            cpus,
            all,
            units: units.into_iter().map(|(unit, from, to)| Confinement { unit, from, to }).collect()
        }),
        (cpus(), cpus(), proptest::collection::vec(texts(), 0..4), presence(), presence(), presence()).prop_map(
            |(cpus, all, groups, others, from, to)| Change::Gather {
                cpus,
                all,
                groups: groups.into_iter().map(|(unit, from, to)| Confinement { unit, from, to }).collect(),
                others,
                from,
                to,
            }
        ),
        (any::<String>(), presence(), presence()).prop_map(|(path, from, to)| Change::Group { path, from, to }),
        (any::<String>(), proptest::collection::vec(texts(), 0..4), presence(), presence()).prop_map(
            |(group, grants, from, to)| {
                let grant = |(share, from, to)| Grant { resource: "L3".into(), domain: 1, share, from, to };
                Change::Share { group, grants: grants.into_iter().map(grant).collect(), from, to }
            }
        ),
    ]
}

fn texts() -> impl Strategy<Value = (String, String, String)> {
    (any::<String>(), any::<String>(), any::<String>())
}

fn cpus() -> impl Strategy<Value = CpuSet> {
    proptest::collection::vec(0..64_u32, 0..5).prop_map(|cpus| cpus.into_iter().collect())
}

fn binding() -> impl Strategy<Value = Binding> {
    (any::<Option<String>>(), any::<Option<String>>(), any::<bool>()).prop_map(|(driver, override_, stays)| Binding {
        driver,
        override_,
        stays,
    })
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
fn holders_are_waited_for_and_never_brought_back() {
    let gone = Change::Holders { bdf: card(), from: Presence::Present, to: Presence::Absent };
    assert_eq!(gone.steps(), [Step::AwaitClosed(card())]);
    assert_eq!(gone.inverse().steps(), []);
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
    let from = Binding { driver: Some("nvidia".into()), ..Binding::default() };
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

#[test]
fn host_cpus_are_taken_from_slices_and_masks_and_given_back() {
    let unit = Confinement { unit: "system.slice".into(), from: String::new(), to: "0-1".into() };
    let confined = Change::Slices { cpus: "2-3".parse().unwrap(), all: "0-3".parse().unwrap(), units: vec![unit] };
    assert_eq!(lines(&confined), "systemctl set-property --runtime system.slice AllowedCPUs=0-1");
    assert_eq!(
        lines(&confined.inverse()),
        "systemctl set-property --runtime system.slice AllowedCPUs=\nsystemctl daemon-reload"
    );
    let mask = CpuMask { path: "/proc/irq/9/smp_affinity_list".into(), from: "0-3".into(), to: "0-1".into() };
    let moved = Change::Masks { cpus: "2-3".parse().unwrap(), masks: vec![mask] };
    assert_eq!(lines(&moved), "echo 0-1 > /proc/irq/9/smp_affinity_list");
    assert_eq!(lines(&moved.inverse()), "echo 0-3 > /proc/irq/9/smp_affinity_list");
}

#[test]
fn without_systemd_the_hosts_processes_are_gathered_and_let_go() {
    let group = |unit: &str| Confinement { unit: unit.into(), from: String::new(), to: "0-1".into() };
    let gathered = Change::Gather {
        cpus: "2-3".parse().unwrap(),
        all: "0-3".parse().unwrap(),
        groups: vec![group(HOST_GROUP), group("/sys/fs/cgroup/openrc")],
        others: Presence::Absent,
        from: Presence::Absent,
        to: Presence::Present,
    };
    assert_eq!(
        lines(&gathered),
        "echo +cpuset > /sys/fs/cgroup/cgroup.subtree_control; mkdir -p /sys/fs/cgroup/vmrun.host; \
         for pid in $(cat /sys/fs/cgroup/cgroup.procs); do echo $pid > /sys/fs/cgroup/vmrun.host/cgroup.procs; done\n\
         echo 0-1 > /sys/fs/cgroup/vmrun.host/cpuset.cpus\n\
         echo 0-1 > /sys/fs/cgroup/openrc/cpuset.cpus"
    );
    assert_eq!(
        lines(&gathered.inverse()),
        "echo 0-3 > /sys/fs/cgroup/openrc/cpuset.cpus\n\
         echo 0-3 > /sys/fs/cgroup/vmrun.host/cpuset.cpus\n\
         for pid in $(cat /sys/fs/cgroup/vmrun.host/cgroup.procs); do echo $pid > /sys/fs/cgroup/cgroup.procs; done; \
         rmdir /sys/fs/cgroup/vmrun.host; echo -cpuset > /sys/fs/cgroup/cgroup.subtree_control"
    );
    let path = "/sys/fs/cgroup/vmrun-windows".to_owned();
    let made = Change::Group { path, from: Presence::Absent, to: Presence::Present };
    assert_eq!(lines(&made), "mkdir -p /sys/fs/cgroup/vmrun-windows");
    assert_eq!(lines(&made.inverse()), "rmdir /sys/fs/cgroup/vmrun-windows");
}

#[test]
fn a_share_of_a_cache_is_taken_from_everybody_and_goes_back_when_its_group_is_gone() {
    let grant = |resource: &str, share: &str, from: &str, to: &str| Grant {
        resource: resource.into(),
        domain: 1,
        share: share.into(),
        from: from.into(),
        to: to.into(),
    };
    let share = Change::Share {
        group: "/sys/fs/resctrl/vmrun-win".into(),
        grants: vec![grant("L3", "00ff", "ffff", "ff00"), grant("MB", "50", "100", "100")],
        from: Presence::Absent,
        to: Presence::Present,
    };
    assert_eq!(
        lines(&share),
        "echo L3:1=ff00 > /sys/fs/resctrl/schemata\n\
         mkdir -p /sys/fs/resctrl/vmrun-win\n\
         echo L3:1=00ff > /sys/fs/resctrl/vmrun-win/schemata\n\
         echo MB:1=50 > /sys/fs/resctrl/vmrun-win/schemata"
    );
    assert_eq!(lines(&share.inverse()), "rmdir /sys/fs/resctrl/vmrun-win\necho L3:1=ffff > /sys/fs/resctrl/schemata");
}
