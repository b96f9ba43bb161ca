//! `<sound>` and `<audio>`.

use super::{Domain, placed};
use crate::import::page::number;
use crate::import::xml::Element;

pub(super) fn import(devices: &Element, domain: &mut Domain) {
    let mut cards = devices.all("sound");
    let card = cards.next();
    let chosen = card.and_then(|card| card.child("audio")).and_then(|audio| audio.attr("id")).map(str::to_owned);
    let mut backends: Vec<_> = devices.all("audio").collect();
    backends.sort_by_key(|audio| chosen.as_deref() != audio.attr("id"));
    for more in cards {
        more.take();
        more.lost("there is one sound card");
    }
    if card.is_none() && backends.iter().all(|audio| audio.attr("type") == Some("none")) {
        return backends.iter().for_each(|audio| audio.take());
    }
    let Some(card) = card else {
        return backends.iter().for_each(|audio| {
            audio.take();
            audio.needless("there is no sound card");
        });
    };
    placed(card);
    model(card, domain);
    let mut backends = backends.into_iter();
    match backends.next() {
        Some(first) => backend(first, domain),
        // libvirt lets SPICE have the sound, and nobody without it: `src/qemu/qemu_domain.c`.
        None => {
            let driver = if domain.spice { "spice" } else { "none" };
            domain.page.table("audio").set("driver", driver);
        }
    }
    for more in backends {
        more.take();
        more.lost("there is one way for the sound to go");
    }
}

fn model(card: &Element, domain: &mut Domain) {
    let table = domain.page.table("audio");
    match card.attr("model").unwrap_or("ich6") {
        "ich9" => table.set("model", "hda"),
        model @ ("ich6" | "ac97" | "usb" | "virtio") => table.set("model", model),
        other => {
            table.set("model", "ac97");
            card.lost(format!("vmrun has no card `{other}`; ac97 takes its place"));
        }
    }
    card.attr("streams");
    card.attr("multichannel");
    if let Some(codec) = card.child("codec") {
        table.maybe("codec", codec.attr("type"));
    }
    card.all("driver").for_each(|driver| driver.needless("QEMU's own choice"));
}

fn backend(audio: &Element, domain: &mut Domain) {
    audio.attr("id");
    audio.attr("timerPeriod");
    let domain_spice = domain.spice;
    let table = domain.page.table("audio");
    let kind = audio.attr("type").unwrap_or("none");
    let driver = match kind {
        "pulseaudio" => "pa",
        "spice" | "alsa" | "jack" | "sdl" | "none" | "pipewire" => kind,
        other => {
            audio.lost(format!("vmrun has no driver `{other}`; the guest plays to nobody"));
            "none"
        }
    };
    let driver = if driver == "spice" && !domain_spice {
        audio.lost("there is no SPICE server to take the sound; the guest plays to nobody");
        "none"
    } else {
        driver
    };
    table.set("driver", driver);
    if driver == "pa" {
        table.maybe("server", audio.attr("serverName").map(server));
    } else if audio.attr("serverName").is_some() {
        audio.translated("the server of who starts the guest");
    }
    for name in ["input", "output"] {
        let Some(side) = audio.child(name) else { continue };
        side.attr("clientName");
        let latency = side.number("latency");
        let buffer = side.number("bufferLength");
        let mixing = side.flag("mixingEngine");
        if name == "output" {
            table.maybe("latency_us", latency.filter(|_| matches!(driver, "pa" | "pipewire")).map(number));
            table.maybe("buffer_us", buffer.map(number));
            table.maybe("mixing", mixing);
        }
        for attribute in [
            "name",
            "dev",
            "voices",
            "streamName",
            "fixedSettings",
            "bufferCount",
            "connectPorts",
            "exactName",
            "tryPoll",
            "serverName",
        ] {
            if side.attr(attribute).is_some() {
                side.translated(format!("{attribute}: the sound system's own choice"));
            }
        }
        if let Some(settings) = side.child("settings") {
            let rate = settings.number("frequency");
            table.maybe("rate", rate.filter(|_| name == "output").map(number));
            let usual = [("channels", "2"), ("format", "s16")];
            if usual.iter().any(|(name, usual)| settings.attr(name).is_some_and(|value| value != *usual)) {
                settings.translated("two channels of 16 bits, as QEMU has them");
            }
        }
    }
}

/// A server of PulseAudio by its socket, in PulseAudio's own words.
pub(in crate::import) fn server(text: &str) -> String {
    if text.starts_with('/') { format!("unix:{text}") } else { text.to_owned() }
}
