//! Which changes do not depend on each other, so that they can be made and taken back side by side: a driver may take
//! seconds to let go of a device, and another as long to take it back.

use super::Change;

/// What is done side by side with other lanes of its round; in it, one thing after the other.
pub type Lane<T> = Vec<T>;

/// Puts `changes` in rounds, each of which begins when the one before it has ended. What is no matter of a PCI function
/// alone has a round to itself.
///
/// Functions on one bus stay in one lane: they may be one device, whose functions need each other, and a reset of the bus
/// is one of them all.
pub fn rounds<T>(changes: impl IntoIterator<Item = T>, change: impl Fn(&T) -> &Change) -> Vec<Vec<Lane<T>>> {
    let mut rounds: Vec<Vec<Lane<T>>> = Vec::new();
    for one in changes {
        let device = change(&one).confined();
        let round = rounds.last_mut().filter(|round| device.is_some() && change(&round[0][0]).confined().is_some());
        let Some(round) = round else {
            rounds.push(vec![vec![one]]);
            continue;
        };
        let same_bus = |lane: &&mut Lane<T>| {
            let first = change(&lane[0]).confined();
            first.zip(device).is_some_and(|(first, device)| first.same_bus(device))
        };
        match round.iter_mut().find(same_bus) {
            Some(lane) => lane.push(one),
            None => round.push(vec![one]),
        }
    }
    rounds
}

#[cfg(test)]
mod test {
    use super::rounds;
    use crate::plan::{Binding, Change, Presence, VFIO};

    fn driver(bdf: &str) -> Change {
        Change::Driver { bdf: bdf.parse().unwrap(), from: Binding::default(), to: Binding::only(VFIO) }
    }

    fn file(path: &str) -> Change {
        Change::Attribute { path: path.into(), from: "auto".into(), to: "on".into() }
    }

    fn module() -> Change {
        Change::Module { name: VFIO.into(), from: Presence::Absent, to: Presence::Present }
    }

    fn in_rounds(changes: &[Change]) -> Vec<Vec<Vec<usize>>> {
        let rounds = rounds(changes.iter().enumerate(), |(_, change)| change).into_iter();
        let numbers = |lane: Vec<(usize, &Change)>| lane.into_iter().map(|(number, _)| number).collect();
        rounds.map(|round| round.into_iter().map(numbers).collect()).collect()
    }

    #[test]
    fn devices_on_different_buses_are_moved_side_by_side_and_functions_of_one_in_order() {
        let (card, sound, disk) = ("0000:01:00.0", "0000:01:00.1", "0000:02:00.0");
        let awake = file("/sys/bus/pci/devices/0000:02:00.0/power/control");
        let changes = [module(), driver(sound), driver(card), awake, driver(disk), module()];
        assert_eq!(in_rounds(&changes), [vec![vec![0]], vec![vec![1, 2], vec![3, 4]], vec![vec![5]]]);
        assert_eq!(in_rounds(&[driver("0000:01:00.0"), driver("0001:01:00.0")]), [[[0], [1]]]);
    }

    #[test]
    fn what_is_no_matter_of_a_function_alone_waits_for_all_before_it() {
        let shared = Change::Shared {
            path: "/sys/bus/pci/devices/0000:02:00.0/sriov_numvfs".into(),
            from: "0".into(),
            to: "1".into(),
        };
        let changes = [shared, driver("0000:02:10.0"), file("/proc/sys/vm/swappiness"), driver("0000:03:00.0")];
        assert_eq!(in_rounds(&changes), [[[0]], [[1]], [[2]], [[3]]]);
    }
}
