//! `<clock>` and its timers.

use super::Domain;
use crate::import::page::number;
use crate::import::xml::Element;

pub(super) fn import(root: &Element, domain: &mut Domain) {
    let Some(clock) = root.child("clock") else { return };
    match clock.attr("offset") {
        Some("utc") => domain.page.table("clock").set("base", "utc"),
        Some("localtime") => domain.page.table("clock").set("base", "localtime"),
        Some("variable") => {
            let base = clock.attr("basis").unwrap_or("utc");
            domain.page.table("clock").set("base", base);
            if clock.attr("adjustment").is_some_and(|seconds| !matches!(seconds, "0" | "reset")) {
                clock.lost("the clock starts with the host's time, without the adjustment; the guest may set it");
            }
        }
        Some("timezone") => {
            let zone = clock.attr("timezone").unwrap_or_default().to_owned();
            domain.page.table("clock").set("base", "localtime");
            clock.translated(format!("the host's local time, which is that of `{zone}` if the host is there"));
        }
        Some(other) => clock.lost(format!("vmrun knows no offset `{other}`")),
        None => {}
    }
    clock.all("timer").for_each(|each| timer(each, domain));
}

fn timer(timer: &Element, domain: &mut Domain) {
    let present = timer.flag("present");
    let policy = timer.attr("tickpolicy");
    match timer.attr("name").unwrap_or_default() {
        "rtc" => {
            match policy {
                Some("catchup") => domain.page.table("clock").set("driftfix", "slew"),
                Some("delay") => domain.page.table("clock").set("driftfix", "none"),
                Some(other) => timer.lost(format!("QEMU's RTC knows no policy `{other}`")),
                None => {}
            }
            match timer.attr("track") {
                Some("guest") => domain.page.table("clock").set("clock", "vm"),
                Some("wall") => domain.page.table("clock").set("clock", "host"),
                Some("realtime") => domain.page.table("clock").set("clock", "rt"),
                Some(_) | None => {}
            }
            timer.all("catchup").for_each(|catchup| catchup.needless("QEMU has no such limits"));
        }
        "pit" => {
            if present == Some(false) {
                // libvirt: `src/qemu/qemu_command.c`, qemuBuildClockCommandLine.
                timer.translated("it is there all the same, as libvirt leaves it; Windows does not boot without");
            }
            match policy {
                Some(policy @ ("delay" | "discard")) => domain.page.table("clock").set("lost_tick_policy", policy),
                Some("catchup") => timer.translated("KVM's PIT catches up by itself: delay"),
                Some(other) => timer.lost(format!("KVM's PIT knows no policy `{other}`")),
                None => {}
            }
        }
        "hpet" => domain.page.table("machine").maybe("hpet", present),
        "kvmclock" => domain.page.table("clock").maybe("kvmclock", present),
        "hypervclock" if present != Some(false) => domain.page.table("cpu").add("hv", "time"),
        "hypervclock" => {}
        "tsc" => {
            domain.page.table("clock").maybe("tsc_frequency", timer.number("frequency").map(number));
            if let Some(mode) = timer.attr("mode").filter(|mode| *mode != "auto" && *mode != "native") {
                timer.lost(format!("mode `{mode}` is Xen's"));
            }
        }
        other => timer.lost(format!("a PC under KVM has no timer `{other}`")),
    }
}
