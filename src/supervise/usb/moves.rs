//! Which devices the guest gets and loses when the host's are as they are. No input, no output.

use crate::host::UsbDevice;
use crate::plan::UsbWanted;
use crate::unit::{UsbId, UsbPort};
use std::collections::BTreeMap;

/// A device as it was plugged in this time: the number is another one the next time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plugged {
    pub(super) port: UsbPort,
    pub(super) number: u8,
    pub(super) id: UsbId,
}

/// What is to be done for one wanted device, by its place among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Move {
    /// Its device is gone, or another one by now: QEMU must let go of it.
    Take(usize),
    /// It is plugged in, and the guest does not have it.
    Give(usize, Plugged),
    /// It is plugged in, and is the only keyboard that the host has.
    Spare(usize, Plugged),
}

impl Plugged {
    pub(super) fn of(device: &UsbDevice) -> Self {
        Self { port: device.port.clone(), number: device.number, id: device.id }
    }
}

/// What is to be done, in order. `given` are the devices that the guest has, by the place of what wanted them.
pub(super) fn moves(wanted: &[UsbWanted], given: &BTreeMap<usize, Plugged>, present: &[UsbDevice]) -> Vec<Move> {
    let there: Vec<Plugged> = present.iter().map(Plugged::of).collect();
    let gone = given.iter().filter(|(_, plugged)| !there.contains(plugged)).map(|(at, _)| *at);
    let mut moves: Vec<Move> = gone.clone().map(Move::Take).collect();
    let kept: BTreeMap<usize, &Plugged> = given.iter().map(|(at, plugged)| (*at, plugged)).collect();
    let mut had: Vec<Plugged> = kept.values().map(|plugged| (*plugged).clone()).collect();
    let gone: Vec<usize> = gone.collect();
    for (at, wish) in wanted.iter().enumerate() {
        if given.contains_key(&at) && !gone.contains(&at) {
            continue;
        }
        let means = |device: &&UsbDevice| wish.which.means(device.id, &device.port, device.serial.as_deref());
        let free = |device: &&UsbDevice| !had.contains(&Plugged::of(device));
        let Some(device) = present.iter().filter(means).find(free) else { continue };
        let plugged = Plugged::of(device);
        if device.keyboard && !wish.last_keyboard && is_last(device, present, &had) {
            moves.push(Move::Spare(at, plugged));
            continue;
        }
        had.push(plugged.clone());
        moves.push(Move::Give(at, plugged));
    }
    moves
}

/// Whether the host has no other keyboard than `device`, `had` being those that the guest has.
fn is_last(device: &UsbDevice, present: &[UsbDevice], had: &[Plugged]) -> bool {
    let keyboards = present.iter().filter(|other| other.keyboard && !had.contains(&Plugged::of(other)));
    keyboards.filter(|other| other.port != device.port).count() == 0
}

#[cfg(test)]
mod test {
    use super::{Move, Plugged, moves};
    use crate::host::UsbDevice;
    use crate::plan::{UsbWanted, UsbWhich};
    use serde_json::json;
    use std::collections::BTreeMap;
    use std::slice::from_ref;

    fn device(id: &str, port: &str, number: u8) -> UsbDevice {
        let (id, port) = (id.parse().unwrap(), port.parse().unwrap());
        UsbDevice { port, id, number, serial: None, product: None, keyboard: false, mouse: false, manufacturer: None }
    }

    fn keyboard(port: &str) -> UsbDevice {
        UsbDevice { keyboard: true, ..device("04d9:0024", port, 9) }
    }

    fn wanted(which: UsbWhich) -> UsbWanted {
        let (at, id, device) = ("usb[0]".into(), "usb0".into(), json!({}));
        UsbWanted { at, id, which, device, found: None, last_keyboard: false }
    }

    fn by_id(id: &str) -> UsbWanted {
        wanted(UsbWhich { id: Some(id.parse().unwrap()), ..UsbWhich::default() })
    }

    fn given(devices: &[&UsbDevice]) -> BTreeMap<usize, Plugged> {
        devices.iter().map(|device| Plugged::of(device)).enumerate().collect()
    }

    #[test]
    fn what_comes_is_given_once_and_what_goes_is_taken() {
        let wheel = device("046d:c29b", "1-4.2", 7);
        let wish = [by_id("046d:c29b")];
        let has = given(&[&wheel]);
        let there = from_ref(&wheel);
        assert_eq!(moves(&wish, &given(&[]), there), [Move::Give(0, Plugged::of(&wheel))]);
        assert_eq!(moves(&wish, &has, there), []);
        assert_eq!(moves(&wish, &has, &[]), [Move::Take(0)]);
    }

    #[test]
    fn a_device_with_another_number_was_plugged_in_anew() {
        let (before, after) = (device("046d:c29b", "1-4.2", 7), device("046d:c29b", "1-4.2", 8));
        let expected = [Move::Take(0), Move::Give(0, Plugged::of(&after))];
        assert_eq!(moves(&[by_id("046d:c29b")], &given(&[&before]), &[after]), expected);
    }

    #[test]
    fn two_wishes_get_two_devices_of_the_same_kind() {
        let (one, two) = (device("0951:1666", "1-5", 3), device("0951:1666", "1-6", 4));
        let wishes = [by_id("0951:1666"), by_id("0951:1666")];
        let expected = [Move::Give(0, Plugged::of(&one)), Move::Give(1, Plugged::of(&two))];
        assert_eq!(moves(&wishes, &given(&[]), &[one, two]), expected);
    }

    #[test]
    fn a_socket_takes_whatever_is_plugged_in_there() {
        let wish = [wanted(UsbWhich { port: Some("1-2".parse().unwrap()), ..UsbWhich::default() })];
        let (old, new) = (device("046d:c29b", "1-2", 7), device("054c:05c4", "1-2", 8));
        let expected = [Move::Take(0), Move::Give(0, Plugged::of(&new))];
        assert_eq!(moves(&wish, &given(&[&old]), &[new, device("046d:c29b", "1-3", 9)]), expected);
    }

    #[test]
    fn the_only_keyboard_stays_unless_it_may_go() {
        let wish = by_id("04d9:0024");
        let (first, second) = (keyboard("1-3"), keyboard("1-4"));
        let wishes = |wish: &UsbWanted, present: &[UsbDevice]| moves(from_ref(wish), &given(&[]), present);
        assert_eq!(wishes(&wish, from_ref(&first)), [Move::Spare(0, Plugged::of(&first))]);
        assert_eq!(wishes(&wish, &[first.clone(), second]), [Move::Give(0, Plugged::of(&first))]);
        let wish = UsbWanted { last_keyboard: true, ..wish };
        assert_eq!(wishes(&wish, from_ref(&first)), [Move::Give(0, Plugged::of(&first))]);
    }
}
