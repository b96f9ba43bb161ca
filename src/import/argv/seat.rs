//! Places on the chipset's controllers of disks: the profile numbers them by its order, a command line may in another one.

use super::Line;
use super::opt::Opt;
use crate::import::table::Table;
use std::collections::BTreeSet;

/// Two buses of two drives. QEMU: `hw/ide/piix.c`.
const IDE_DRIVES: u64 = 4;

/// Where the command line wants a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seat {
    /// At the next free place; a drive before a device, as QEMU makes them.
    Next { drive: bool },
    /// At this one.
    At { place: u64, drive: bool },
    /// At the next free one of this bus of two.
    On { bus: u64 },
}

impl Seat {
    /// Of a drive that has its device with it. QEMU: `blockdev.c`, `drive_new`.
    pub(super) fn of_drive(drive: &Opt, q35: bool) -> Self {
        let at = |place| Self::At { place, drive: true };
        match drive.name.as_str() {
            "hda" => at(0),
            "hdb" => at(1),
            "hdc" | "cdrom" => at(2),
            "hdd" => at(3),
            _ => {
                let on_bus = drive.number("bus").zip(drive.number("unit").or(Some(0)));
                let units = if q35 { 1 } else { 2 };
                let place = drive.number("index").or(on_bus.map(|(bus, unit)| bus * units + unit));
                place.map_or(Self::Next { drive: true }, at)
            }
        }
    }

    /// Of a device: `bus=ide.1,unit=0`, `bus=ahci0.3`.
    pub(super) fn of_device(device: &Opt, bus: &str) -> Self {
        let port = device.get("bus").and_then(|bus| bus.rsplit_once('.')?.1.parse::<u64>().ok());
        match (port, device.number("unit")) {
            (Some(port), _) if bus == "sata" => Self::At { place: port, drive: false },
            (Some(port), Some(unit)) => Self::At { place: port * 2 + unit, drive: false },
            (Some(bus), None) => Self::On { bus },
            (None, _) => Self::Next { drive: false },
        }
    }

    fn is_drive(self) -> bool {
        matches!(self, Self::Next { drive: true } | Self::At { drive: true, .. })
    }

    /// The place that it comes to when those of `taken` are.
    fn settle(self, taken: &BTreeSet<u64>) -> u64 {
        let from = match self {
            Self::At { place, .. } if !taken.contains(&place) => return place,
            Self::On { bus } => bus.min(IDE_DRIVES) * 2,
            Self::Next { .. } | Self::At { .. } => 0,
        };
        // Of so many places in a row, one is free.
        let places = from..=from + taken.len() as u64;
        places.into_iter().find(|place| !taken.contains(place)).unwrap_or(from)
    }
}

/// A disk of the page that has a place on a controller.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seated {
    /// Its index among the disks of the page.
    pub(super) at: usize,
    /// That of its option in the command line.
    pub(super) opt: usize,
    pub(super) seat: Seat,
}

impl Line<'_> {
    /// Notes that the disk which `opt` just made wants `seat`.
    pub(super) fn want(&mut self, opt: &Opt, seat: Seat, opts: &[Opt]) {
        let index = opts.iter().position(|other| std::ptr::eq(other, opt));
        if let Some((opt, last)) = index.zip(self.page.count("disk").checked_sub(1)) {
            self.seats.push(Seated { at: last, opt, seat });
        }
    }

    /// Puts the disks of each controller into the order of their places, and asks about those that find none.
    pub(super) fn seat(&mut self, opts: &[Opt]) {
        let mut seats = std::mem::take(&mut self.seats);
        seats.sort_by_key(|seated| !seated.seat.is_drive());
        for bus in ["ide", "sata"] {
            let disks = self.page.list("disk");
            let own: Vec<_> = seats.iter().filter(|seated| disks[seated.at].text("bus") == Some(bus)).collect();
            let mut taken = BTreeSet::new();
            let mut placed: Vec<(u64, Table)> = Vec::new();
            for Seated { at, opt, seat } in &own {
                let place = seat.settle(&taken);
                let mut table = disks[*at].clone();
                if bus == "ide" && place >= IDE_DRIVES {
                    opts[*opt].asked("whether it may be on SATA; QEMU refuses it on IDE");
                    table.put_off(
                        "QEMU has four places on its IDE controller, and refuses this disk. The guest can have it on SATA:",
                    );
                    table.set("bus", "sata");
                }
                taken.insert(place);
                placed.push((place, table));
            }
            placed.sort_by_key(|(place, _)| *place);
            let mut slots: Vec<_> = own.iter().map(|seated| seated.at).collect();
            slots.sort_unstable();
            slots.into_iter().zip(placed).for_each(|(at, (_, table))| disks[at] = table);
        }
    }
}
