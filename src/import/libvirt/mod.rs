//! libvirt's domain XML; <https://libvirt.org/formatdomain.html>.
//!
//! [`Domain`] is the profile under construction with the few facts that span elements. Each file has a part of the format.

mod address;
mod clock;
mod controller;
mod cpu;
mod device;
mod disk;
mod disk_source;
mod display;
mod features;
mod hostdev;
mod memory;
mod net;
mod os;
mod port;
mod qemu;
mod resctrl;
mod sound;
mod sysinfo;
mod tune;

pub(super) use sound::server;
pub(super) use sysinfo::knows;

use super::page::{Page, guest_name};
use super::report::{Fate, Report};
use super::unready;
use super::xml::{self, Element};
use crate::plan::{Class, Problem};

/// The profile that a domain becomes.
struct Domain {
    page: Page,
    /// Whether the machine is a q35.
    q35: bool,
    /// Whether the guest has PCI functions of the host.
    passed: bool,
    /// Whether a SPICE server shows the picture.
    spice: bool,
    /// The machine's identity.
    uuid: Option<String>,
    /// Kinds of devices that are booted from, the first first: `hd`, `cdrom`, `network`.
    boot: Vec<String>,
    /// What the profile's own rows cannot say, for the end of QEMU's command line.
    args: Vec<String>,
}

/// The profile's text, and what became of each element.
pub(super) fn import(name: &str, text: &str) -> Result<(String, Report), Problem> {
    let (text, mended) = mend(text);
    let tree = xml::parse(name, &text)?;
    let mut report = Report::default();
    if let Some(line) = mended {
        let how = "a link as Markdown writes it stands in its place; read as the address in it";
        report.note(line, "xmlns:qemu", Fate::Translated(how.into()));
    }
    let root = domain_of(name, &tree)?;
    let profile = convert(name, root, &mut report)?;
    root.report("", &mut report);
    Ok((profile, report.sorted()))
}

/// Published copies of domains have addresses that a wiki made links of: `'[A'](A')`. Also the line of the first.
fn mend(text: &str) -> (String, Option<usize>) {
    let Some(start) = text.find("='[http") else { return (text.to_owned(), None) };
    let broken = text[start + 3..].split_once("'](").and_then(|(address, rest)| {
        let end = rest.find("')")?;
        (rest[..end] == *address).then(|| (address.to_owned(), start + 3 + address.len() + 3 + end + 2))
    });
    match broken {
        Some((address, end)) => {
            let line = text[..start].matches('\n').count() + 1;
            (format!("{}='{}'{}", &text[..start], address.trim_start_matches('['), &text[end..]), Some(line))
        }
        None => (text.to_owned(), None),
    }
}

/// The element of the guest: the root, or the one in a snapshot or in what libvirt keeps of a guest that runs.
fn domain_of<'t>(name: &str, tree: &'t Element) -> Result<&'t Element, Problem> {
    let found = match tree.name.as_str() {
        "domain" => Some(tree),
        "domstatus" | "domainsnapshot" | "domainbackup" | "domainCapabilities" => tree.child("domain"),
        _ => None,
    };
    found.ok_or_else(|| {
        let what = format!("{name} describes no guest: its root element is <{}>", tree.name.escape_debug());
        Problem::new(Class::Invalid, "", what).fix("virsh dumpxml --inactive NAME > NAME.xml")
    })
}

fn convert(name: &str, root: &Element, report: &mut Report) -> Result<String, Problem> {
    let machine = os::machine(name, root)?;
    let q35 = machine.contains("q35");
    let devices = root.child("devices");
    let passed = |hostdev: &Element| matches!(hostdev.attr("type"), Some("pci" | "mdev"));
    let passed = devices.is_some_and(|devices| devices.all("hostdev").any(passed)) || qemu::passes(root);
    let mut page = Page::default();
    page.head(format!("Made by `vmrun import` of {name}. `vmrun check` says whether it can run here."));
    let mut domain = Domain { page, q35, passed, spice: false, uuid: None, boot: Vec::new(), args: Vec::new() };
    identity(root, &mut domain);
    os::import(root, &machine, &mut domain);
    cpu::import(root, &mut domain);
    features::import(root, &mut domain);
    memory::import(root, &mut domain);
    clock::import(root, &mut domain);
    tune::import(root, &mut domain);
    sysinfo::import(root, &mut domain);
    if domain.uuid.is_none() {
        domain.page.top().comment("The file has no uuid; libvirt made one up when it defined the guest. To keep it,");
        domain.page.top().comment("`virsh domuuid NAME` tells it:   uuid = \"…\"");
    }
    lifecycle(root, &mut domain);
    if let Some(devices) = devices {
        import_devices(devices, &mut domain);
    }
    disk::order(&mut domain);
    qemu::import(root, &mut domain, report);
    rest(root);
    comments(root, &mut domain);
    let Domain { mut page, args, .. } = domain;
    args.into_iter().for_each(|arg| page.table("qemu").add("args", arg));
    page.order_after_cards();
    Ok(page.render())
}

fn identity(root: &Element, domain: &mut Domain) {
    let given = root.text_of("name").unwrap_or("guest").to_owned();
    let name = guest_name(&given);
    if let Some(element) = root.child("name").filter(|_| name != given) {
        element.translated(format!("`{name}`: a name is letters, digits, `-`, `_` and `.`"));
    }
    domain.page.top().set("name", name);
    for title in ["title", "description"] {
        if let Some(text) = root.text_of(title) {
            domain.page.top().above(text.to_owned());
            root.child(title).into_iter().for_each(|element| element.translated("a comment"));
        }
    }
    if let Some(uuid) = root.text_of("uuid") {
        domain.uuid = Some(uuid.to_owned());
        if unready::identity(domain.page.top(), uuid) {
            root.children.iter().filter(|child| child.name == "uuid").for_each(|element| {
                element.asked("which UUID the guest has");
            });
        }
    }
    if let Some(genid) = root.child("genid") {
        let guid = genid.text().to_owned();
        let table = domain.page.table("vmgenid");
        if !guid.is_empty() {
            table.set("guid", guid);
        }
    }
    if root.attr("type") == Some("qemu") {
        domain.page.table("machine").set("accel", "tcg");
    }
    root.attr("id");
}

/// What becomes of a guest that ends, and what suspend means.
fn lifecycle(root: &Element, domain: &mut Domain) {
    if let Some(element) = root.child("on_poweroff") {
        match element.text() {
            "destroy" => {}
            other => element.lost(format!("`{other}`: a guest that powers off ends")),
        }
    }
    if let Some(element) = root.child("on_reboot") {
        match element.text() {
            "restart" => domain.page.table("on").set("reboot", "reset"),
            "destroy" => domain.page.table("on").set("reboot", "exit"),
            other => element.lost(format!("`{other}`: a guest that reboots is reset, or ends")),
        }
    }
    if let Some(element) = root.child("on_crash") {
        match element.text() {
            "destroy" => domain.page.table("on").set("panic", "exit"),
            "preserve" => domain.page.table("on").set("panic", "pause"),
            "restart" => {
                domain.page.table("on").set("panic", "exit");
                element.lost("a guest that panicked ends; a systemd unit may start it again");
            }
            other => element.lost(format!("`{other}`: vmrun writes no dumps")),
        }
    }
    if let Some(element) = root.child("on_lockfailure") {
        element.needless("there is no lock manager; QEMU locks its images itself");
    }
    for (name, key) in [("suspend-to-mem", "s3"), ("suspend-to-disk", "s4")] {
        if let Some(on) = root.child("pm").and_then(|pm| pm.child(name)).and_then(|element| element.flag("enabled")) {
            domain.page.table("machine").set(key, on);
        }
    }
}

/// Elements that say nothing to QEMU.
fn rest(root: &Element) {
    let needless = [
        ("metadata", "a note of the program that made the file"),
        ("seclabel", "QEMU runs as vmrun's user; labels of SELinux and AppArmor are libvirt's"),
        ("launchSecurity", ""),
        ("keywrap", ""),
        ("idmap", ""),
        ("blkiotune", ""),
        ("resource", "QEMU runs in a scope of its own; libvirt's partition is none of its business"),
        ("perf", "vmrun counts no events"),
        ("bootloader", ""),
    ];
    for (name, why) in needless {
        for element in root.all(name) {
            match why {
                "" => element.lost("vmrun has nothing like it"),
                why => element.needless(why),
            }
        }
    }
}

/// The author's own comments, where they belong or else at the start.
fn comments(root: &Element, domain: &mut Domain) {
    let generated = |text: &str| text.contains("AUTO-GENERATED") || text.contains("virsh edit");
    for text in root.comments.iter().chain(root.children.iter().flat_map(|element| &element.comments)) {
        if !generated(text) {
            domain.page.head(text.clone());
        }
    }
}

fn import_devices(devices: &Element, domain: &mut Domain) {
    // Who passes the picture on is asked for by others.
    domain.spice = devices.all("graphics").any(|graphics| graphics.attr("type") == Some("spice"));
    let has_balloon = devices.child("memballoon").is_some();
    controller::import(devices, domain);
    display::import(devices, domain);
    sound::import(devices, domain);
    for element in devices.each() {
        let before = count(&domain.page);
        match element.name.as_str() {
            "emulator" => emulator(element, domain),
            "disk" => disk::import(element, domain),
            "interface" => net::import(element, domain),
            "hostdev" => hostdev::import(element, domain),
            "serial" | "console" | "parallel" | "channel" => port::import(element, domain),
            // Done above, together.
            "controller" | "graphics" | "video" | "sound" | "audio" | "redirdev" => {}
            _ => device::import(element, domain),
        }
        place_comments(element, before, domain);
    }
    if !has_balloon && !domain.passed {
        domain.page.table("memory").set("balloon", true);
    }
    tune::settle(devices, domain);
    address::import(devices, domain);
}

/// The lists that devices go to.
const LISTS: [&str; 10] = ["disk", "net", "pci", "mdev", "usb", "input", "share", "serial", "fw_cfg", "acpi_table"];

fn count(page: &Page) -> [usize; LISTS.len()] {
    LISTS.map(|name| page.count(name))
}

/// Puts the comments before `element` above the table that it became.
fn place_comments(element: &Element, before: [usize; LISTS.len()], domain: &mut Domain) {
    let grown = LISTS.iter().zip(before).find(|(name, before)| domain.page.count(name) > *before);
    for text in &element.comments {
        match grown {
            Some((name, _)) => {
                domain.page.list(name).last_mut().into_iter().for_each(|table| table.above(text.clone()));
            }
            None => domain.page.head(text.clone()),
        }
    }
}

/// Usual paths of QEMU are left out, so that the profile runs on other distributions too.
fn emulator(element: &Element, domain: &mut Domain) {
    let path = element.text();
    let usual = path.ends_with("/qemu-system-x86_64")
        && ["/usr/bin/", "/usr/sbin/", "/bin/"].iter().any(|at| path.starts_with(at));
    let wrapped = ["/usr/libexec/qemu-kvm", "/usr/bin/kvm", "/usr/bin/qemu-kvm", "/usr/bin/kvm-spice"].contains(&path);
    if usual || wrapped {
        element.translated("qemu-system-x86_64, from PATH");
    } else {
        domain.page.table("qemu").set("binary", path);
    }
}

/// Notes that libvirt's name of a device is not taken over.
fn placed(element: &Element) {
    for alias in element.all("alias") {
        alias.needless("libvirt's own name of the device");
    }
}
