//! `[[mdev]]`: mediated devices, parts of a device of the host whose driver deals them out to guests.
//!
//! Source: Linux `Documentation/driver-api/vfio-mediated-device.rst`; QEMU `hw/vfio/pci.c`, `sysfsdev`, `display`, `ramfb`.

use super::guest_uuid::GuestUuid;
use super::pci::property::{self, Property};
use super::scene::Scene;
use crate::host::{Host, Mdev as Made, MdevParent, MdevType, Module};
use crate::plan::{Change, Class, Draft, Origin, Presence, Problem};
use crate::unit::{Bdf, PciSlot};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use uuid::Uuid;

/// A mediated device: a part of a device, like a vGPU, that a driver of the host makes and lets a guest have. QEMU's
/// `vfio-pci` with `sysfsdev`.
///
/// With `parent` and `type` vmrun makes it when the guest starts, and takes it away when the guest is gone. Without them
/// it must be there, and stays.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
pub(super) struct Mdev {
    /// Its UUID, by which the host knows it. Derived from the guest's name unless given, the same at every start.
    uuid: Option<GuestUuid>,
    /// The device that makes it: a name in `/sys/class/mdev_bus`, which is the address of a PCI function, like `00:02.0`.
    parent: Option<String>,
    /// What is made: a folder in the parent's `mdev_supported_types`, like `i915-GVTg_V5_4`.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// Its address in the guest. vmrun chooses unless given.
    addr: Option<PciSlot>,
    /// Whether QEMU shows its picture. QEMU does not unless given.
    display: Option<bool>,
    /// Shows a picture before the guest's driver draws one; with `display = true`. False unless given.
    #[serde(default)]
    ramfb: bool,
    /// Further properties of QEMU's `vfio-pci`, by its names: `{ x-igd-opregion = true }`.
    #[serde(default)]
    properties: BTreeMap<String, Property>,
}

/// Properties that are written anyway, with the key that they follow from.
const OWN: [(&str, &str); 8] = [
    ("addr", "addr"),
    ("bus", "addr"),
    ("display", "display"),
    ("driver", "ramfb"),
    ("host", "uuid"),
    ("id", "uuid"),
    ("ramfb", "ramfb"),
    ("sysfsdev", "uuid"),
];

/// How a mediated device is driven that is a PCI function.
const PCI_API: &str = "vfio-pci";

pub(super) fn draft(tables: &[Mdev], scene: &Scene, draft: &mut Draft) {
    if tables.is_empty() {
        return;
    }
    // Before Linux 5.15 a module of its own lets VFIO have them.
    if scene.host.modules.get("vfio_mdev") == Some(&Module::Available) {
        let (from, to) = (Presence::Absent, Presence::Present);
        draft.contents.changes.push(Change::Module { name: "vfio_mdev".into(), from, to });
    }
    for (i, table) in tables.iter().enumerate() {
        let key = format!("mdev[{i}]");
        let uuid = table.uuid(i, scene);
        if let Some((earlier, _)) = tables[..i].iter().enumerate().find(|(j, other)| other.uuid(*j, scene) == uuid) {
            let what = format!("{uuid} is passed twice, by mdev[{earlier}] and {key}");
            draft.refuse(Problem::new(Class::Invalid, format!("{key}.uuid"), what));
            continue;
        }
        table.judge(&key, draft);
        property::judge(&table.properties, &OWN, &key, scene, draft);
        table.draft_made(&key, uuid, scene.host, draft);
        table.draft_device(&key, uuid, draft);
    }
}

impl Mdev {
    fn uuid(&self, i: usize, scene: &Scene) -> Uuid {
        self.uuid
            .map_or_else(|| super::guest_uuid::derived(&format!("{}/mdev/{i}", scene.name.as_str())), GuestUuid::get)
    }

    fn judge(&self, key: &str, draft: &mut Draft) {
        if self.ramfb && self.display != Some(true) {
            let what = "ramfb is a picture that nobody shows";
            draft.refuse(Problem::new(Class::Invalid, format!("{key}.ramfb"), what).fix("display = true"));
        }
    }

    /// Drafts what makes it, unless it is there.
    fn draft_made(&self, key: &str, uuid: Uuid, host: &Host, draft: &mut Draft) {
        if let Some(made) = host.mediated.devices.iter().find(|made| made.uuid == uuid) {
            self.judge_there(key, made, host, draft);
            return;
        }
        match (&self.parent, &self.kind) {
            (Some(parent), Some(kind)) => match judge_type(key, parent, kind, host) {
                Ok((parent, kind)) => {
                    let (parent, kind) = (parent.name.clone(), kind.id.clone());
                    let (from, to) = (Presence::Absent, Presence::Present);
                    draft.contents.changes.push(Change::Mdev { uuid, parent, kind, from, to });
                }
                Err(problem) => draft.refuse(*problem),
            },
            (None, None) => draft.refuse(absent(key, uuid, host)),
            (parent, _) => {
                let (given, lacking) = if parent.is_some() { ("parent", "type") } else { ("type", "parent") };
                let what = format!("{given} without {lacking} makes nothing");
                draft.refuse(Problem::new(Class::Invalid, key, what).why(makers(host)).fix(example(host)));
            }
        }
    }

    fn judge_there(&self, key: &str, made: &Made, host: &Host, draft: &mut Draft) {
        let differs = |wanted: &Option<String>, found: &Option<String>| {
            wanted.as_deref().map(address).zip(found.clone()).filter(|(wanted, found)| wanted != found)
        };
        let pairs = [("parent", differs(&self.parent, &made.parent)), ("type", differs(&self.kind, &made.kind))];
        for (name, (wanted, found)) in pairs.into_iter().filter_map(|(name, pair)| Some((name, pair?))) {
            let what = format!("{} is there already, with {name} {found}, not {wanted}", made.uuid);
            let fix = format!("{name} = \"{found}\"   # or: echo 1 > /sys/bus/mdev/devices/{}/remove", made.uuid);
            draft.refuse(Problem::new(Class::Impossible, format!("{key}.{name}"), what).fix(fix));
        }
        let node = made.iommu_group.map(|group| format!("/dev/vfio/{group}"));
        if let Some(node) = node.filter(|node| host.euid != 0 && host.vfio_denied.contains(Path::new(node))) {
            let what = format!("user {} may not open {node} for reading and writing", host.euid);
            let problem = Problem::new(Class::Denied, key, what).why(format!("QEMU reaches {} by it", made.uuid));
            draft.refuse(problem.fix(format!("run vmrun as root, or: chown USER {node}")));
        }
    }

    fn draft_device(&self, key: &str, uuid: Uuid, draft: &mut Draft) {
        // The one with a picture of its own start cannot be unplugged.
        let driver = if self.ramfb { "vfio-pci-nohotplug" } else { "vfio-pci" };
        let id = key.replace(['[', ']'], "");
        let mut device = json!({"driver": driver, "id": id, "sysfsdev": format!("/sys/bus/mdev/devices/{uuid}")});
        if let Some(display) = self.display {
            device["display"] = json!(if display { "on" } else { "off" });
        }
        if self.ramfb {
            device["ramfb"] = json!(true);
        }
        property::onto(&self.properties, &mut device);
        let (origin, name) = (Origin::given(key), format!("mdev {uuid}"));
        let Draft { contents, slots, .. } = draft;
        let place = match self.addr {
            Some(addr) => slots.fixed(&mut contents.argv, addr, &name, &origin, None),
            None => slots.next(&mut contents.argv, "pci", &name, &origin),
        };
        match place {
            Some(place) => {
                place.onto(&mut device);
                contents.argv.device(&device, origin);
            }
            None => draft.refuse(Problem::new(Class::Invalid, key, "the guest's PCI bus is full")),
        }
    }
}

/// Keeps the device numbers that the user asked for from being dealt to others.
pub(super) fn reserve(tables: &[Mdev], draft: &mut Draft) {
    for addr in tables.iter().filter_map(|table| table.addr) {
        draft.slots.reserve(addr.device());
    }
}

/// A parent's name as the kernel has it, which writes the domain of an address.
fn address(name: &str) -> String {
    name.parse::<Bdf>().map_or_else(|_| name.to_owned(), |bdf| bdf.to_string())
}

fn judge_type<'h>(
    key: &str,
    parent: &str,
    kind: &str,
    host: &'h Host,
) -> Result<(&'h MdevParent, &'h MdevType), Box<Problem>> {
    let impossible = |name: &str, what: String| Problem::new(Class::Impossible, format!("{key}.{name}"), what);
    let name = address(parent);
    let Some(parent) = host.mediated.parents.iter().find(|parent| parent.name == name) else {
        let what = format!("{name} makes no mediated devices");
        return Err(Box::new(impossible("parent", what).why(makers(host)).fix(example(host))));
    };
    let Some(kind) = parent.types.iter().find(|other| other.id == kind) else {
        let types: Vec<_> = parent.types.iter().map(told).collect();
        let problem = impossible("type", format!("{name} makes no {kind}"));
        return Err(Box::new(problem.why(format!("it makes {}", types.join(", "))).fix(example(host))));
    };
    if kind.api != PCI_API {
        let what = format!("{} is driven by {}, and is no PCI function for a guest", kind.id, kind.api);
        return Err(Box::new(impossible("type", what).fix(example(host))));
    }
    if kind.available == 0 {
        let what = format!("{name} can make no further {}", kind.id);
        let made: Vec<_> = host.mediated.devices.iter().filter(|made| made.parent.as_ref() == Some(&name)).collect();
        let made: Vec<_> = made.iter().map(|made| made.uuid.to_string()).collect();
        let why =
            if made.is_empty() { "others have what it takes".into() } else { format!("there are {}", made.join(", ")) };
        let problem = Problem::new(Class::Busy, format!("{key}.type"), what).why(why);
        return Err(Box::new(problem.fix("end a guest that has one, or remove one that nobody has")));
    }
    if host.euid != 0 {
        let problem = Problem::new(Class::Denied, key, "only root makes a mediated device");
        return Err(Box::new(
            problem
                .why(format!("vmrun runs as user {}", host.euid))
                .fix("run vmrun as root, by sudo or pkexec, or have it made at the host's start, by mdevctl"),
        ));
    }
    Ok((parent, kind))
}

fn absent(key: &str, uuid: Uuid, host: &Host) -> Problem {
    let what = format!("there is no mediated device {uuid}");
    let there: Vec<_> = host.mediated.devices.iter().map(|made| made.uuid.to_string()).collect();
    let there = if there.is_empty() { String::new() } else { format!("there are {}; ", there.join(", ")) };
    Problem::new(Class::Impossible, key, what).why(format!("{there}{}", makers(host))).fix(example(host))
}

/// What makes mediated devices here.
fn makers(host: &Host) -> String {
    let parent = |parent: &MdevParent| {
        let types: Vec<_> = parent.types.iter().map(told).collect();
        format!("{} makes {}", parent.name, types.join(", "))
    };
    let parents: Vec<_> = host.mediated.parents.iter().map(parent).collect();
    if parents.is_empty() { "no driver of this host makes any".into() } else { parents.join("\n") }
}

/// `i915-GVTg_V5_4 (GRID M60-0B, 3 more)`
fn told(kind: &MdevType) -> String {
    let name = kind.name.as_ref().map(|name| format!("{name}, ")).unwrap_or_default();
    format!("{} ({name}{} more)", kind.id, kind.available)
}

/// Keys that work here, where some do.
fn example(host: &Host) -> String {
    let usable = |kind: &&MdevType| kind.api == PCI_API && kind.available > 0;
    let first = |parent: &MdevParent| Some((parent.name.clone(), parent.types.iter().find(usable)?.id.clone()));
    match host.mediated.parents.iter().find_map(first) {
        Some((parent, kind)) => format!("parent = \"{parent}\"\ntype = \"{kind}\""),
        None => {
            "load the driver that makes them: kvmgt for Intel's graphics, NVIDIA's vGPU driver for theirs".to_owned()
        }
    }
}
