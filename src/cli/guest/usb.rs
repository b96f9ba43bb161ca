//! `vmrun usb`: USB devices of the host that go to the guest and come back while it runs.

use super::{Refused, done, for_guest, monitor, run_dir};
use crate::cli::Exit;
use crate::cli::args::{Turn, Usb, UsbDevice};
use crate::cli::output::Output;
use crate::host::{Root, UsbDevice as Plugged, usb_devices};
use crate::qemu::{Events, Qmp};
use crate::supervise::{Ask, ask};
use crate::unit::GuestName;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;
use tokio::time::timeout;

/// Where devices with an id are; QEMU: `qom/qom-qmp-cmds.c`, `system/qdev-monitor.c`.
const PERIPHERAL: &str = "/machine/peripheral";
/// The bus of the guest's controller, as every profile names it.
const BUS: &str = "usb.0";
/// How long QEMU may take to let go of a device.
const GOING: Duration = Duration::from_secs(10);

/// Gives a device to the guest, or takes it back.
pub(in crate::cli) fn usb(Usb { turn, name, device }: &Usb, output: Output) -> Exit {
    match turn {
        Turn::Give => for_guest(name, output, give(name, device, output)),
        Turn::Take => for_guest(name, output, take(name, device, output)),
    }
}

async fn give(name: &GuestName, device: &UsbDevice, output: Output) -> Result<Exit, Refused> {
    let (qmp, _events) = monitor(&run_dir(name)).await?;
    if let Some(id) = held(&qmp, device).await? {
        return Err(Refused::Said(format!("it has {device} already, as {id}")));
    }
    let id = id(device);
    let mut properties = json!({ "driver": "usb-host", "id": id, "bus": BUS });
    match device {
        UsbDevice::Id(usb_id) => {
            properties["vendorid"] = json!(usb_id.vendor());
            properties["productid"] = json!(usb_id.product());
        }
        UsbDevice::Port(port) => {
            properties["hostbus"] = json!(port.bus());
            properties["hostport"] = json!(port.ports());
        }
    }
    // QEMU opens what it is told of at once, or says why it cannot; what it has to look for itself comes when libusb has
    // heard of it, and where no udev runs that is never.
    if let Some(node) = found(device).map(|found| found.node()).filter(|node| Root::default().exists(node)) {
        judge_node(name, &node).await?;
        properties["hostdevice"] = json!(node);
    }
    qmp.raw("device_add", &properties).await.map_err(|error| match Refused::from(error) {
        Refused::Said(why) if why.contains(BUS) => {
            Refused::unless(format!("it has no USB controller ({why})"), "in its profile:\n[usb_controller]")
        }
        other => other,
    })?;
    Ok(done(name, &given(&qmp, device, &id).await?, output))
}

/// QEMU opens the node itself, as the user that it runs as; only what the profile names is handed to that user.
async fn judge_node(name: &GuestName, node: &str) -> Result<(), Refused> {
    let status = ask(&run_dir(name), &Ask::Status {}).await?;
    let owner = |path: &str| fs::metadata(path).map(|meta| (meta.uid(), meta.mode())).ok();
    let qemu = status["qemu"].as_u64().and_then(|pid| owner(&format!("/proc/{pid}")));
    match (qemu, owner(node)) {
        (Some((qemu, _)), Some((uid, mode))) if qemu != 0 && qemu != uid && mode & 0o006 != 0o006 => {
            Err(Refused::unless(
                format!("QEMU runs as user {qemu}, who may not open {node}"),
                "name the device in [[usb]] of the profile, and it is handed over",
            ))
        }
        _ => Ok(()),
    }
}

/// What became of a device that QEMU took; one that is not there it waits for.
async fn given(qmp: &Qmp, device: &UsbDevice, id: &str) -> Result<String, Refused> {
    let there = found(device).is_some();
    let attached = property(qmp, id, "attached").await?;
    Ok(match (there, attached == true) {
        (true, true) => format!("it has {device}"),
        (false, _) => format!("{device} is not plugged in; it gets it as soon as it is"),
        (true, false) => format!("QEMU cannot open {device} yet; `vmrun logs` tells why"),
    })
}

/// The device as it is plugged in; `None` when it is not.
fn found(device: &UsbDevice) -> Option<Plugged> {
    usb_devices(&Root::default()).into_iter().find(|other| match device {
        UsbDevice::Id(usb_id) => other.id == *usb_id,
        UsbDevice::Port(port) => other.port == *port,
    })
}

async fn take(name: &GuestName, device: &UsbDevice, output: Output) -> Result<Exit, Refused> {
    let (qmp, mut events) = monitor(&run_dir(name)).await?;
    let Some(id) = held(&qmp, device).await? else {
        return Err(Refused::Said(format!("it does not have {device}")));
    };
    qmp.raw("device_del", &json!({ "id": id })).await?;
    if timeout(GOING, deleted(&mut events, &id)).await.is_err() {
        return Err(Refused::unless(
            format!("QEMU was asked for {device}, and has not let go of it yet"),
            "try again in a moment",
        ));
    }
    let what = match found(device) {
        Some(_) => format!("{device} is back with the host"),
        None => format!("{device} is not plugged in; it stays with the host when it is"),
    };
    Ok(done(name, &what, output))
}

/// Waits until QEMU says that a device is gone; `device_del` only begins that.
async fn deleted(events: &mut Events, id: &str) {
    while let Some(event) = events.next().await {
        if event.name == "DEVICE_DELETED" && event.text("device") == Some(id) {
            return;
        }
    }
}

/// The id of the guest's device that is `device`, whoever gave it.
async fn held(qmp: &Qmp, device: &UsbDevice) -> Result<Option<String>, Refused> {
    let children = qmp.raw("qom-list", &json!({ "path": PERIPHERAL })).await?;
    let children = children.as_array().into_iter().flatten().filter(|child| child["type"] == "child<usb-host>");
    for id in children.filter_map(|child| child["name"].as_str()) {
        let same = match device {
            UsbDevice::Id(usb_id) => {
                property(qmp, id, "vendorid").await? == usb_id.vendor()
                    && property(qmp, id, "productid").await? == usb_id.product()
            }
            UsbDevice::Port(port) => {
                property(qmp, id, "hostbus").await? == port.bus()
                    && property(qmp, id, "hostport").await?.as_str() == Some(port.ports())
            }
        };
        if same {
            return Ok(Some(id.to_owned()));
        }
    }
    Ok(None)
}

async fn property(qmp: &Qmp, id: &str, name: &str) -> Result<Value, Refused> {
    Ok(qmp.raw("qom-get", &json!({ "path": format!("{PERIPHERAL}/{id}"), "property": name })).await?)
}

/// An id of its own, which says where it came from.
fn id(device: &UsbDevice) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    format!("given-{}", device.to_string().chars().map(plain).collect::<String>())
}
