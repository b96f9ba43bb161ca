//! `<graphics>`, `<video>` and `<redirdev>`: the emulated display.

use super::{Domain, placed};
use crate::import::argv::{NO_AGENT, ONE_AGENT};
use crate::import::page::{number, size};
use crate::import::xml::Element;

pub(super) fn import(devices: &Element, domain: &mut Domain) {
    let graphics: Vec<_> = devices.all("graphics").collect();
    // A server for a viewer says more than what draws for it.
    let rank = |graphics: &&&Element| match graphics.attr("type") {
        Some("spice") => 0,
        Some("vnc") => 1,
        Some("sdl") => 2,
        Some("dbus") => 3,
        _ => 4,
    };
    let best = graphics.iter().min_by_key(rank).copied();
    for other in graphics.iter().filter(|other| best.is_none_or(|best| !std::ptr::eq(**other, best))) {
        other.take();
        match other.attr("type") {
            Some("egl-headless") => headless(other, best.and_then(|best| best.attr("type")), domain),
            _ => other.lost("there is one display"),
        }
    }
    best.into_iter().for_each(|best| server(best, devices, domain));
    let mut video = devices.all("video").peekable();
    if let Some(first) = video.next() {
        card(first, domain);
    } else if best.is_some() {
        // libvirt's own choice for a PC: `src/qemu/qemu_domain.c`, qemuDomainDefaultVideoDevice.
        domain.page.table("display").set("video", "cirrus");
    }
    for more in video {
        more.take();
        more.lost("there is one emulated card; `heads` gives it more screens");
    }
    redirection(devices, domain);
}

/// OpenGL for a display `kind`, whose viewer has a copy of the picture.
fn headless(drawn: &Element, kind: Option<&str>, domain: &mut Domain) {
    let node = drawn.child("gl").and_then(|gl| gl.attr("rendernode"));
    let table = domain.page.table("display");
    match kind {
        Some("spice" | "vnc") => {
            table.set("gl", true);
            table.maybe("rendernode", node);
            drawn.translated("gl = true: what the host draws by OpenGL is shown by the server");
        }
        _ => drawn.needless("the display is drawn by itself"),
    }
}

fn server(graphics: &Element, devices: &Element, domain: &mut Domain) {
    let kind = graphics.attr("type").unwrap_or("none");
    let port = graphics.attr("port").and_then(|port| port.parse::<i64>().ok()).filter(|port| *port > 0);
    graphics.attr("autoport");
    graphics.attr("websocket").into_iter().for_each(|_| graphics.translated("no web socket"));
    let tls = graphics.attr("tlsPort").is_some_and(|port| port != "-1");
    let listen = graphics.child("listen");
    // It stands in both places.
    let listened = listen.and_then(|listen| listen.attr("address"));
    let address = graphics.attr("listen").or(listened).map(str::to_owned);
    let socket = graphics.attr("socket").or_else(|| listen.and_then(|listen| listen.attr("socket"))).map(str::to_owned);
    let how = listen.and_then(|listen| listen.attr("type"));
    listen.into_iter().for_each(|listen| _ = (listen.attr("network"), listen.attr("fromConfig")));
    let gl = graphics.child("gl");
    let table = domain.page.table("display");
    match kind {
        "spice" | "vnc" | "sdl" | "egl-headless" | "dbus" => table.set("kind", kind),
        "rdp" | "desktop" => return graphics.lost(format!("vmrun has no display `{kind}`")),
        other => return graphics.lost(format!("vmrun has no display `{other}`")),
    }
    if matches!(kind, "spice" | "vnc") {
        match (socket, port) {
            (Some(socket), _) => table.set("path", socket),
            (None, Some(port)) => {
                table.set("port", port);
                table.maybe("addr", address.filter(|address| address != "127.0.0.1"));
            }
            (None, None) => {
                if how != Some("none") {
                    graphics.translated("a socket in the run's folder, which `vmrun status` tells, instead of a port that libvirt chooses");
                }
            }
        }
        if let Some(password) = graphics.attr("passwd") {
            let length = password.len();
            graphics.asked("a password is never an argument: write it into a file");
            table.ask(
                &format!("the password of {length} characters goes into a file that only you can read:"),
                "password_file = \"/etc/vmrun/display.password\"",
            );
        }
        graphics.attr("passwdValidTo");
        if tls {
            graphics.lost("connections are not encrypted; a socket needs none, `ssh -L` does it for others");
        }
    }
    if gl.and_then(|gl| gl.flag("enable")) == Some(true) || kind == "egl-headless" {
        if kind != "egl-headless" {
            table.set("gl", true);
        }
        if kind == "spice" && table.get("port").is_some() {
            graphics.translated(
                "gl = true: through a port a viewer is sent a copy of the picture, as QEMU takes no gl=on there",
            );
        }
        let node = graphics.attr("rendernode").or_else(|| gl.and_then(|gl| gl.attr("rendernode")));
        table.maybe("rendernode", node.filter(|_| matches!(kind, "spice" | "vnc" | "egl-headless")));
    } else {
        gl.into_iter().for_each(|gl| _ = gl.attr("rendernode"));
    }
    if kind == "sdl" {
        for name in ["display", "xauth"] {
            if graphics.attr(name).is_some() {
                graphics.translated(format!(
                    "{name}: QEMU's window opens where vmrun runs; [qemu] env names another place"
                ));
            }
        }
        table.maybe("full_screen", graphics.flag("fullscreen"));
    }
    for name in ["keymap", "sharePolicy", "powerControl", "defaultMode", "connected"] {
        if graphics.attr(name).is_some() {
            graphics.translated(format!("{name}: QEMU's own choice"));
        }
    }
    let agent = kind == "spice" && devices.all("channel").any(is_agent);
    for name in
        ["channel", "image", "jpeg", "zlib", "playback", "streaming", "clipboard", "mouse", "filetransfer", "audio"]
    {
        graphics.all(name).for_each(|element| of_viewer(element, agent));
    }
}

/// Whether a channel is that of the agent which shares the clipboard. libvirt names it so itself.
fn is_agent(channel: &Element) -> bool {
    channel.attr("type") == Some("spicevmc") || channel.attr("type") == Some("qemu-vdagent")
}

/// What a viewer may do, and how it is sent the picture.
fn of_viewer(element: &Element, agent: bool) {
    let allowed = match element.name.as_str() {
        "clipboard" => element.flag("copypaste"),
        "filetransfer" => element.flag("enable"),
        _ => return element.needless("how a viewer's picture is packed is QEMU's and the viewer's choice"),
    };
    match allowed {
        Some(false) if agent => element.lost(ONE_AGENT),
        Some(false) => element.needless(NO_AGENT),
        _ => element.needless("the agent does it unless it is told otherwise"),
    }
}

fn card(video: &Element, domain: &mut Domain) {
    placed(video);
    video.all("driver").for_each(|driver| driver.needless("QEMU's own choice"));
    let Some(model) = video.child("model") else { return };
    let kind = model.attr("type").unwrap_or("vga").to_owned();
    let accel = model.child("acceleration");
    let accel3d = accel.is_some_and(|accel| accel.flag("accel3d") == Some(true));
    accel.into_iter().for_each(|accel| _ = (accel.attr("accel2d"), accel.attr("rendernode")));
    let shown = domain.page.get("display", "kind").is_some();
    let (vram, ram, vgamem) = (model.number("vram"), model.number("ram"), model.number("vgamem"));
    model.attr("vram64");
    model.attr("primary");
    model.attr("blob");
    model.attr("edid");
    let heads = model.number("heads").filter(|heads| *heads > 1);
    let name = match kind.as_str() {
        "none" => "none",
        "vga" => "std",
        "qxl" => "qxl",
        "virtio" if accel3d && draws(domain) => "virtio-gl",
        "virtio" => "virtio",
        "bochs" => "bochs",
        "cirrus" => "cirrus",
        other => {
            model.lost(format!("vmrun has no card `{other}`; std takes its place"));
            "std"
        }
    };
    if accel3d && name == "virtio" {
        model.translated("without 3D: no display that draws by OpenGL is there");
    }
    let table = domain.page.table("display");
    if !shown {
        table.set("kind", "none");
    }
    table.set("video", name);
    if name == "qxl" || name == "std" {
        // libvirt counts in KiB; what the profile has is the memory that holds the picture.
        let picture = vgamem
            .or(vram.filter(|_| name == "std"))
            .and_then(|kib| kib.checked_mul(1 << 10)?.checked_next_power_of_two());
        let picture = picture.map(|bytes| bytes.max(1 << 20));
        table.maybe("vram", picture.filter(|_| name == "std").map(size));
        if name == "qxl" && (ram.is_some() || vram.is_some()) {
            model.translated("sizes of its memories are QEMU's own");
        }
    } else if vram.is_some() || ram.is_some() {
        model.translated("the size of its memory is QEMU's own");
    }
    if matches!(name, "qxl" | "virtio" | "virtio-gl") {
        table.maybe("heads", heads.map(number));
    }
    if let Some(resolution) = model.child("resolution") {
        let sides = resolution.number("x").zip(resolution.number("y"));
        table.maybe("resolution", sides.map(|(x, y)| format!("{x}x{y}")));
    }
}

/// Whether the display draws by OpenGL.
fn draws(domain: &Domain) -> bool {
    let headless = domain.page.get("display", "kind").is_some_and(|kind| kind.as_str() == Some("egl-headless"));
    headless || domain.page.get("display", "gl").is_some_and(|gl| gl.as_bool() == Some(true))
}

fn redirection(devices: &Element, domain: &mut Domain) {
    let mut count = 0;
    for device in devices.all("redirdev") {
        placed(device);
        device.attr("bus");
        device.all("boot").for_each(|boot| boot.lost("a redirected device is not booted from"));
        match device.attr("type") {
            Some("spicevmc") if domain.spice => count += 1,
            Some("spicevmc") => device.needless("without SPICE nothing redirects USB devices"),
            _ => device.lost("USB devices are redirected by SPICE"),
        }
        device.all("source").for_each(Element::take);
        device.all("protocol").for_each(Element::take);
    }
    devices.all("redirfilter").for_each(|filter| filter.lost("the viewer chooses what it redirects"));
    if count > 0 {
        domain.page.table("display").set("usb_redirect", count);
    }
}
