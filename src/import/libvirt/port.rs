//! `<serial>`, `<console>`, `<parallel>` and `<channel>`.

use super::{Domain, placed};
use crate::import::xml::Element;

pub(super) fn import(element: &Element, domain: &mut Domain) {
    placed(element);
    element.attr("tty");
    element.all("log").for_each(|log| log.lost("what the guest writes is shown by `vmrun logs`"));
    element.all("protocol").for_each(Element::take);
    match element.name.as_str() {
        "serial" => serial(element, domain),
        "console" => console(element, domain),
        "channel" => channel(element, domain),
        _ => {
            element.take();
            element.lost("there are no parallel ports");
        }
    }
}

fn serial(serial: &Element, domain: &mut Domain) {
    if let Some(target) = serial.child("target") {
        target.attr("port");
        if !matches!(target.attr("type"), None | Some("isa-serial")) {
            target.translated("an ISA port");
        }
        target.child("model").into_iter().for_each(Element::take);
    }
    let source = serial.child("source");
    let path = source.and_then(|source| source.attr("path")).map(str::to_owned);
    source.into_iter().for_each(|source| _ = source.attr("append"));
    if let Some(source) = source.filter(|source| source.attr("mode") == Some("connect")) {
        source.translated("QEMU listens there, and the other side connects");
    }
    let taken = domain.page.list("serial").iter().any(|port| port.text("to") == Some("console"));
    let table = domain.page.push("serial");
    match (serial.attr("type"), path) {
        (Some("file"), Some(path)) => {
            table.set("to", "file");
            table.set("path", path);
        }
        (Some("unix"), Some(path)) => {
            table.set("to", "socket");
            table.set("path", path);
        }
        (Some("null"), _) => table.set("to", "none"),
        (Some(kind), _) if !taken => {
            table.set("to", "console");
            source.into_iter().for_each(Element::take);
            if kind != "pty" {
                serial.translated("`vmrun console` shows it");
            }
        }
        (kind, _) => {
            table.set("to", "none");
            source.into_iter().for_each(Element::take);
            serial.lost(format!(
                "a second port to `{}`: to = \"socket\" with a path is to be had",
                kind.unwrap_or_default()
            ));
        }
    }
}

/// The first console is the first serial port, said again.
fn console(console: &Element, domain: &mut Domain) {
    let kind = console.child("target").and_then(|target| target.attr("type")).unwrap_or("serial").to_owned();
    console.child("target").into_iter().for_each(Element::take);
    console.child("source").into_iter().for_each(Element::take);
    console.attr("type");
    match kind.as_str() {
        "serial" if domain.page.count("serial") > 0 => console.translated("the serial port above"),
        "serial" => domain.page.push("serial").set("to", "console"),
        other => console.lost(format!("a console on `{other}` is not to be had; the guest's serial port is")),
    }
}

fn channel(channel: &Element, domain: &mut Domain) {
    let kind = channel.attr("type").unwrap_or_default().to_owned();
    let target = channel.child("target");
    let name = target.and_then(|target| target.attr("name")).unwrap_or_default().to_owned();
    target.into_iter().for_each(|target| _ = (target.attr("type"), target.attr("state")));
    let source = channel.child("source");
    match (kind.as_str(), name.as_str()) {
        (_, "org.qemu.guest_agent.0") => {
            source.into_iter().for_each(|source| _ = source.attr("mode"));
            let path = source.and_then(|source| source.attr("path")).map(str::to_owned);
            let table = domain.page.table("agent");
            // Libvirt's own paths are in a folder that goes with it.
            match path.filter(|path| !path.starts_with("/var/lib/libvirt") && !path.starts_with("/run/libvirt")) {
                Some(path) => table.set("path", path),
                None => channel.translated("a socket in the run's own folder"),
            }
        }
        ("spicevmc", "com.redhat.spice.0" | "") | ("qemu-vdagent", _) if domain.spice => {
            domain.page.table("display").set("agent", true);
            source.into_iter().for_each(Element::take);
        }
        ("qemu-vdagent", _) => {
            channel.lost("the clipboard is shared with a picture by SPICE alone: kind = \"spice\" in [display]");
        }
        (_, "com.redhat.spice.0") => channel.needless("without SPICE no agent of it is asked"),
        ("spiceport", "org.spice-space.webdav.0") => channel.lost("folders are shared by [[share]], not by SPICE"),
        (kind, name) => {
            channel.take();
            channel.lost(format!("a channel `{name}` to `{kind}` is not to be had"));
        }
    }
}
