//! From QEMU's first word to a guest that runs.

use super::quote::word;
use super::sheet::Sheet;
use super::{life, room};
use crate::plan::{Contents, Placement, Point, Sched};

/// From QEMU's first word to a guest that runs.
pub(super) fn boot(contents: &Contents, sheet: &mut Sheet) {
    room::before(contents, sheet);
    sheet.line("start_qemu");
    room::after(contents, sheet);
    let pins = &contents.pins;
    if pins.vcpus.iter().any(is_placed) || room::is_divided(contents) {
        sheet.line("qmp '{\"execute\": \"query-cpus-fast\"}' || die 'QEMU tells no threads'");
        sheet.line("threads=$(vcpu_threads)");
        if room::is_divided(contents) {
            // First: outside of a partition its host CPUs are nobody's.
            sheet.line("seclude_threads \"$threads\"");
        }
        let placed = pins.vcpus.iter().enumerate().filter(|(_, place)| is_placed(place));
        placed.for_each(|(index, place)| sheet.line(placement(&index.to_string(), place)));
    }
    if pins.iothreads.values().any(is_placed) {
        sheet.line("qmp '{\"execute\": \"query-iothreads\"}' || die 'QEMU tells no threads'");
        sheet.line("threads=$(iothread_threads)");
        let placed = pins.iothreads.iter().filter(|(_, place)| is_placed(place));
        placed.for_each(|(id, place)| sheet.line(placement(id, place)));
    }
    for id in &contents.links_down {
        let link = serde_json::json!({"execute": "set_link", "arguments": {"name": id, "up": false}});
        sheet.line(format!("qmp {} || die 'the cable cannot be unplugged'", word(&link.to_string())));
    }
    life::hooks(contents, Point::Started, sheet);
    sheet.line("running=yes");
    sheet.line("qmp '{\"execute\": \"cont\"}' || die 'the guest does not run'");
}

fn is_placed(place: &Placement) -> bool {
    place.cpus.is_some() || place.sched != Sched::Normal
}

fn placement(key: &str, Placement { cpus, sched }: &Placement) -> String {
    let cpus = cpus.as_ref().map_or(String::new(), ToString::to_string);
    let sched = match sched {
        Sched::Normal => String::new(),
        Sched::Nice(nice) => format!(" nice {nice}"),
        Sched::Fifo(priority) => format!(" fifo {priority}"),
    };
    format!("place_thread \"$threads\" {} {}{sched}", word(key), word(&cpus))
}
