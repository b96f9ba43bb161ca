//! The command line of QEMU for a shell, which opens most of what vmrun hands over by its name.

use super::quote::word;
use crate::export::Gap;
use crate::plan::{Arg, Argv, Contents, Descriptor, FIRST_DESCRIPTOR, Origin, Tap, TapFrom, UsbWanted, UsbWhich};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The last descriptor that a shell can open by its number and that the script does not use itself; POSIX knows those
/// of one digit.
const LAST: u32 = 8;

/// QEMU's arguments, and what the shell prepares for them.
pub(super) struct Prepared {
    /// Options and their values as the shell writes them, in the order in which QEMU gets them.
    pub(super) options: Vec<String>,
    /// USB devices that the shell looks for when it starts QEMU.
    pub(super) sought: Vec<Sought>,
    /// Descriptors that it inherits, by number: what is opened, as the shell writes it.
    pub(super) opened: Vec<(u32, Opened)>,
    /// Tap devices that are made, by name.
    pub(super) taps: Vec<(String, Tap)>,
    /// What cannot be had.
    pub(super) gaps: Vec<Gap>,
}

/// A USB device that is known by its serial number, which QEMU does not know.
pub(super) struct Sought {
    /// The number.
    pub(super) serial: String,
    /// Vendor and product, `046d:c29b`; empty when they are not known.
    pub(super) id: String,
    /// QEMU's device, without the socket that it is plugged in at.
    pub(super) device: Value,
}

/// What the shell opens.
pub(super) enum Opened {
    /// A file.
    File(PathBuf),
    /// The node of a macvtap device.
    Macvtap(String),
    /// `/dev/cpu_dma_latency`, with this many microseconds.
    Latency(u32),
}

/// The folder of QEMU's sockets, which belongs to its user.
pub(super) fn sockets(contents: &Contents) -> PathBuf {
    match contents.user {
        Some(_) => contents.run_dir.join(crate::plan::SOCKETS),
        None => contents.run_dir.clone(),
    }
}

/// What the plan gives QEMU.
pub(super) fn prepare(contents: &Contents) -> Prepared {
    let numbered: BTreeMap<u32, &Descriptor> = (FIRST_DESCRIPTOR..).zip(&contents.descriptors).collect();
    let (mut opened, mut taps, mut gaps) = (Vec::new(), Vec::new(), Vec::new());
    let mut macvtap = None;
    for (number, descriptor) in &numbered {
        let what = match descriptor {
            Descriptor::Qmp | Descriptor::Serial | Descriptor::Console | Descriptor::VhostNet => continue,
            Descriptor::Tap(tap) => {
                macvtap = None;
                taps.push((tap_name(contents, taps.len(), tap), tap.clone()));
                continue;
            }
            Descriptor::Macvtap { name, .. } => {
                macvtap = Some(name);
                Opened::Macvtap(name.clone())
            }
            Descriptor::Queue => match macvtap {
                Some(name) => Opened::Macvtap(name.clone()),
                None => continue,
            },
            Descriptor::File { path } => Opened::File(path.clone()),
            Descriptor::CpuLatency { micros } => Opened::Latency(*micros),
        };
        if *number > LAST {
            gaps.push(Gap::new("", format!("descriptor {number} of QEMU: a shell opens those from 3 to {LAST}")));
        }
        opened.push((*number, what));
    }
    let mut told = taps.iter().map(|(name, _)| name.clone());
    let sought: Vec<Sought> = contents.usb.iter().filter_map(Sought::of).collect();
    let mut options: Vec<String> = Vec::new();
    for Arg { option, value, .. } in with_clock(contents).args() {
        if option == "-device" && sought.iter().any(|sought| value.as_deref().is_some_and(|value| sought.is(value))) {
            continue;
        }
        let value = value.map(|value| match option.as_str() {
            "-chardev" => word(&chardev(&value, &numbered, contents)),
            "-netdev" => word(&netdev(&value, &numbered, &mut told)),
            "-rtc" => rtc(&value, contents),
            _ => word(&value),
        });
        options.push(std::iter::once(word(&option)).chain(value).collect::<Vec<_>>().join(" "));
    }
    for usb in contents.usb.iter().filter(|usb| usb.which.serial.is_none() && usb.found.is_none()) {
        let device = absent(usb).map(|device| format!("-device {}", word(&device.to_string())));
        options.extend(device);
    }
    for usb in contents.usb.iter().filter(|usb| usb.which.serial.is_some()) {
        let what = "it is looked for when QEMU is started, and does not come when it is plugged in later";
        gaps.push(Gap::new(&usb.at, what));
    }
    Prepared { options, sought, opened, taps, gaps }
}

/// Stands for what the guest's clock shows when QEMU is started.
const CLOCK: &str = "@clock@";

/// The command line with a mark where the guest's clock starts, if that is where the guest set it.
fn with_clock(contents: &Contents) -> Argv {
    let mut argv = contents.argv.clone();
    if contents.clock.is_some_and(|clock| clock.ahead.is_some()) {
        argv.rtc.set("base", CLOCK, Origin::derived("clock.keep", "the guest set it"));
    }
    argv
}

fn rtc(value: &str, contents: &Contents) -> String {
    let ahead = contents.clock.and_then(|clock| clock.ahead);
    let quoted = |part: &str| if part.is_empty() { String::new() } else { word(part) };
    match (value.split_once(CLOCK), ahead) {
        (Some((head, rest)), Some(ahead)) => {
            format!("{}\"$(clock_ahead {ahead})\"{}", quoted(head), quoted(rest))
        }
        _ => word(value),
    }
}

/// A socket that vmrun would open: the monitor is two pipes, which a shell can use; another one QEMU makes itself.
fn chardev(value: &str, numbered: &BTreeMap<u32, &Descriptor>, contents: &Contents) -> String {
    let Some((head, fd, rest)) = cut(value, "fd=") else { return value.to_owned() };
    match fd.parse().ok().and_then(|fd| numbered.get(&fd)) {
        Some(Descriptor::Qmp) => {
            format!("pipe,id=qmp,path={}", quoted(&sockets(contents).join("qmp")))
        }
        Some(Descriptor::Serial | Descriptor::Console) => {
            format!("{head}path={}{rest}", quoted(&sockets(contents).join("console.sock")))
        }
        _ => value.to_owned(),
    }
}

/// `,` of a path doubled, as QEMU's parser wants it.
fn quoted(path: &Path) -> String {
    path.to_string_lossy().replace(',', ",,")
}

/// What stands before, in and after the value of `key` in a list with commas.
fn cut<'a>(value: &'a str, key: &str) -> Option<(&'a str, &'a str, &'a str)> {
    let at = value.find(&format!(",{key}"))? + 1;
    let (head, rest) = value.split_at(at);
    let rest = &rest[key.len()..];
    let (own, rest) = rest.split_at(rest.find(',').unwrap_or(rest.len()));
    Some((head, own, rest))
}

/// A tap device by its name, which QEMU opens itself; of a macvtap device the kernel's part.
fn netdev(value: &str, numbered: &BTreeMap<u32, &Descriptor>, taps: &mut impl Iterator<Item = String>) -> String {
    let json: Option<Value> = serde_json::from_str(value).ok();
    let mut netdev = json.unwrap_or_else(|| older(value));
    let fds = netdev.get("fd").or(netdev.get("fds")).and_then(Value::as_str).map(str::to_owned);
    let Some(fds) = fds else { return value.to_owned() };
    let Some(table) = netdev.as_object_mut() else { return value.to_owned() };
    table.remove("vhostfd");
    table.remove("vhostfds");
    let first = fds.split(':').next().and_then(|fd| fd.parse().ok());
    if let Some(Descriptor::Tap(_)) = first.and_then(|fd: u32| numbered.get(&fd)) {
        table.remove("fd");
        table.remove("fds");
        table.insert("ifname".into(), json!(taps.next()));
        table.insert("script".into(), json!("no"));
        table.insert("downscript".into(), json!("no"));
        let queues = fds.split(':').count();
        if queues > 1 {
            table.insert("queues".into(), json!(queues));
        }
    }
    if value.starts_with('{') { netdev.to_string() } else { as_older(&netdev) }
}

/// The form of QEMU before 7.2: `tap,id=net0,fd=4`.
fn older(value: &str) -> Value {
    let pairs = value.split(',').enumerate().map(|(index, part)| match part.split_once('=') {
        Some((key, value)) => (key.to_owned(), json!(value)),
        None if index == 0 => ("type".to_owned(), json!(part)),
        None => (part.to_owned(), json!("on")),
    });
    Value::Object(pairs.collect())
}

fn as_older(netdev: &Value) -> String {
    let part = |(key, value): (&String, &Value)| match value {
        Value::String(text) if key == "type" => text.clone(),
        Value::String(text) => format!("{key}={text}"),
        other => format!("{key}={other}"),
    };
    netdev.as_object().into_iter().flatten().map(part).collect::<Vec<_>>().join(",")
}

/// A name of at most the 15 bytes that an interface has.
fn tap_name(contents: &Contents, index: usize, tap: &Tap) -> String {
    match &tap.from {
        TapFrom::New(name) | TapFrom::Existing(name) => name.clone(),
        TapFrom::Bridge(_) => {
            let plain = contents.name.as_str().chars().filter(char::is_ascii_alphanumeric);
            format!("vm{index}-{}", plain.take(10).collect::<String>())
        }
    }
}

impl Sought {
    fn of(usb: &UsbWanted) -> Option<Self> {
        let UsbWhich { id, port: _, serial } = &usb.which;
        let id = id.map_or(String::new(), |id| id.to_string());
        Some(Self { serial: serial.clone()?, id, device: usb.device.clone() })
    }

    /// Whether `value` is the same device where it was plugged in when this was planned.
    fn is(&self, value: &str) -> bool {
        serde_json::from_str::<Value>(value).is_ok_and(|device| device["id"] == self.device["id"])
    }

    /// Lines that add it to the arguments.
    pub(super) fn lines(&self) -> String {
        let Self { serial, id, device } = self;
        let json = device.to_string();
        let open = json.strip_suffix('}').unwrap_or(&json);
        format!(
            "    if place=$(usb_with_serial {} {}); then\n        set -- \"$@\" -device {}\"$place}}\"\n    else\n        \
             say {}\n    fi\n",
            word(serial),
            word(id),
            word(&format!("{open},")),
            word(&format!("the USB device with serial number {serial} is not plugged in")),
        )
    }
}

/// A device that is not plugged in, for which QEMU itself looks every two seconds.
fn absent(UsbWanted { which, device, .. }: &UsbWanted) -> Option<Value> {
    let mut device = device.clone();
    if let Some(id) = which.id {
        device["vendorid"] = json!(id.vendor());
        device["productid"] = json!(id.product());
    }
    if let Some(port) = &which.port {
        device["hostbus"] = json!(port.bus());
        device["hostport"] = json!(port.ports());
    }
    (which.id.is_some() || which.port.is_some()).then_some(device)
}

#[cfg(test)]
mod test {
    use super::{cut, netdev};
    use crate::plan::{Descriptor, Tap};
    use std::collections::BTreeMap;

    #[test]
    fn a_descriptor_is_found_in_a_list() {
        assert_eq!(cut("socket,id=qmp,fd=3,server=on", "fd="), Some(("socket,id=qmp,", "3", ",server=on")));
        assert_eq!(cut("file,id=a,path=b", "fd="), None);
    }

    #[test]
    fn a_tap_of_several_queues_is_opened_by_its_name() {
        let (tap, queue) = (Descriptor::Tap(Tap::on_bridge("br0")), Descriptor::Queue);
        let numbered = BTreeMap::from([(4, &tap), (5, &queue)]);
        let told = || std::iter::once("vm0-a".to_owned());
        let json = r#"{"type":"tap","id":"net0","fds":"4:5","vhost":true,"vhostfds":"6:7"}"#;
        let expected =
            r#"{"type":"tap","id":"net0","vhost":true,"ifname":"vm0-a","script":"no","downscript":"no","queues":2}"#;
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(read(&netdev(json, &numbered, &mut told())), read(expected));
        let older = netdev("tap,id=net0,fd=4,vhost=on,vhostfd=6", &numbered, &mut told());
        assert_eq!(older, "tap,id=net0,vhost=on,ifname=vm0-a,script=no,downscript=no");
    }
}
