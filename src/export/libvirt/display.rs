//! `<graphics>`, `<video>`, `<sound>`, `<audio>` and what SPICE redirects.

use super::Source;
use crate::export::xml::Element;

pub(super) fn write(source: &Source<'_>, devices: &mut Element) {
    graphics(source, devices);
    video(source, devices);
    sound(source, devices);
    let document = source.document;
    for _ in 0..document.number("display.usb_redirect").unwrap_or(0) {
        devices.push(Element::new("redirdev").with("bus", "usb").with("type", "spicevmc"));
    }
    if document.on("display.agent") == Some(true) {
        let target = Element::new("target").with("type", "virtio").with("name", "com.redhat.spice.0");
        devices.push(Element::new("channel").with("type", "spicevmc").and(target));
    }
}

fn graphics(source: &Source<'_>, devices: &mut Element) {
    let document = source.document;
    let kind = document.text("display.kind").unwrap_or_else(|| "none".to_owned());
    let mut graphics = match kind.as_str() {
        "spice" | "vnc" | "sdl" | "egl-headless" | "dbus" => Element::new("graphics").with("type", &kind),
        "none" => return,
        _ => return document.unread_again("display.kind"),
    };
    match (document.path("display.path"), document.number("display.port")) {
        (Some(path), _) => graphics.push(Element::new("listen").with("type", "socket").with("socket", path)),
        (None, Some(port)) => {
            let address = document.text("display.addr").unwrap_or_else(|| "127.0.0.1".to_owned());
            graphics = graphics.with("port", port).with("autoport", "no").with("listen", &address);
            graphics.push(Element::new("listen").with("type", "address").with("address", address));
        }
        (None, None) if matches!(kind.as_str(), "spice" | "vnc") => {
            graphics.push(Element::new("listen").with("type", "none"));
        }
        (None, None) => {}
    }
    if kind == "sdl" {
        graphics =
            graphics.maybe("fullscreen", document.on("display.full_screen").map(|on| if on { "yes" } else { "no" }));
    }
    let node = document.path("display.rendernode");
    let gl = document.on("display.gl") == Some(true);
    if gl && (kind == "vnc" || (kind == "spice" && document.has("display.port"))) {
        // Drawn beside the server, which sends a copy.
        let drawn = Element::new("gl").maybe("rendernode", node);
        devices.push(graphics);
        return devices.push(Element::new("graphics").with("type", "egl-headless").and(drawn));
    }
    if gl || node.is_some() {
        let enable = (kind != "egl-headless").then_some("yes");
        graphics.push(Element::new("gl").maybe("enable", enable).maybe("rendernode", node));
    }
    devices.push(graphics);
}

fn video(source: &Source<'_>, devices: &mut Element) {
    let document = source.document;
    let card = document.text("display.video").unwrap_or_else(|| planned(source).to_owned());
    let (kind, accelerated) = match card.as_str() {
        "std" => ("vga", false),
        "virtio-gl" => ("virtio", true),
        known @ ("none" | "qxl" | "virtio" | "bochs" | "cirrus") => (known, false),
        _ => return document.unread_again("display.video"),
    };
    // Of the other cards it would be another memory, or nothing.
    let vram = (kind == "vga").then(|| document.bytes("display.vram")).flatten().map(|bytes| bytes >> 10);
    let mut model = Element::new("model").with("type", kind).maybe("vram", vram);
    model = model.maybe("heads", document.number("display.heads"));
    if accelerated {
        model.push(Element::new("acceleration").with("accel3d", "yes"));
    }
    if let Some((x, y)) = document.text("display.resolution").as_deref().and_then(|text| text.split_once('x')) {
        model.push(Element::new("resolution").with("x", x).with("y", y));
    }
    devices.push(Element::new("video").and(model).and_maybe(source.address_of("display")));
}

/// The card that the plan has.
fn planned(source: &Source<'_>) -> &'static str {
    match source.property("vga", "driver").as_deref() {
        None => "none",
        Some("VGA") => "std",
        Some("bochs-display") => "bochs",
        Some("cirrus-vga") => "cirrus",
        Some(driver) if driver.starts_with("qxl") => "qxl",
        Some(driver) if driver.contains("-gl") => "virtio-gl",
        Some(_) => "virtio",
    }
}

fn sound(source: &Source<'_>, devices: &mut Element) {
    let document = source.document;
    if !document.has("audio") {
        return;
    }
    let model = match document.text("audio.model").as_deref() {
        Some("hda") | None => "ich9".to_owned(),
        Some(other) => other.to_owned(),
    };
    let codec = document.text("audio.codec").map(|kind| Element::new("codec").with("type", kind));
    devices.push(Element::new("sound").with("model", model).and_maybe(codec).and_maybe(source.address_of("audio")));
    let driver = document.text("audio.driver").unwrap_or_else(|| "pipewire".to_owned());
    let kind = if driver == "pa" { "pulseaudio" } else { &driver };
    let server = document.text("audio.server");
    let server = server.map(|server| server.trim_start_matches("unix:").to_owned()).filter(|_| driver == "pa");
    let mut audio = Element::new("audio").with("id", 1).with("type", kind).maybe("serverName", server);
    let mixing = document.on("audio.mixing").map(|on| if on { "yes" } else { "no" });
    let mut output =
        Element::new("output").maybe("mixingEngine", mixing).maybe("bufferLength", document.number("audio.buffer_us"));
    output = output.maybe("latency", document.number("audio.latency_us"));
    if let Some(rate) = document.number("audio.rate") {
        output.push(Element::new("settings").with("frequency", rate).with("channels", 2).with("format", "s16"));
    }
    if !output.is_empty() {
        audio.push(output);
    }
    devices.push(audio);
}
