//! A plan for a person: what is run and why, who runs where, what is changed and how it is put back.

use super::argv::quoted;
use super::layout::{columns, command, counted, paragraph};
use super::note::{hanging, notes};
use super::{life, pins, table};
use crate::host::Host;
use crate::plan::{
    Arg, Change, Contents, Descriptor, EvdevWanted, FIRST_DESCRIPTOR, Home, NewFile, Room, RunAs, Seat, SeatBy, Tap,
    TapFrom, UsbFound, UsbWanted,
};
use crate::profile::source::{Keys, Sheets};
use anstyle::Style;
use std::fmt::Write as _;
use std::time::Duration;

const HEAD: Style = Style::new().bold();

/// What a plan is shown against.
pub(in crate::cli) struct Against<'a> {
    /// The keys that the profile has.
    pub(in crate::cli) keys: &'a Keys,
    /// The texts that they stand in.
    pub(in crate::cli) sheets: &'a Sheets,
    /// The host that it is for.
    pub(in crate::cli) host: &'a Host,
    /// Number of reasons that this host refuses it for.
    pub(in crate::cli) problems: usize,
    /// Whether the profile is named, and each key shown with its line there.
    pub(in crate::cli) lines: bool,
}

/// The plan in lines of `width` columns. With terminal styles, and readable without.
pub(in crate::cli) fn text(contents: &Contents, against: &Against<'_>, width: usize) -> String {
    let mut page = Page { text: String::new(), width };
    page.summary(contents, against);
    page.argv(contents, against);
    page.pins(contents, against.host);
    page.seats(contents);
    page.handed(contents);
    page.files(&contents.files);
    page.changes(&contents.changes);
    if let Some(fallback) = &contents.fallback {
        page.fallback(fallback);
    }
    page.section("From start to end");
    life::steps(&mut page.text, width, contents);
    page.section("How it ends");
    life::ending(&mut page.text, width, contents);
    page.text
}

struct Page {
    text: String,
    width: usize,
}

impl Page {
    fn section(&mut self, title: &str) {
        _ = writeln!(self.text, "\n{HEAD}{title}{HEAD:#}");
    }

    fn item(&mut self, text: &str) {
        paragraph(&mut self.text, 2, self.width, text);
    }

    fn summary(&mut self, contents: &Contents, against: &Against<'_>) {
        let Contents { name, emulator, vcpus, run_dir, .. } = contents;
        let version = emulator.version.map_or("QEMU, not found".to_owned(), |version| format!("QEMU {version}"));
        _ = writeln!(self.text, "{HEAD}Guest {name}{HEAD:#}: {}", counted(*vcpus as usize, "vCPU"));
        if against.problems > 0 {
            _ = writeln!(self.text, "cannot run here: {}", counted(against.problems, "problem"));
        }
        if against.lines {
            self.item(&format!("profile: {}; the number behind a key is its line there", against.sheets.name()));
        }
        self.item(&format!("{version}: {}", emulator.path.display()));
        self.item(&format!("its folder while it runs: {}", run_dir.display()));
    }

    fn argv(&mut self, contents: &Contents, against: &Against<'_>) {
        self.section("Command line: what the profile gives, what is derived from it, and why");
        for arg in contents.argv.args() {
            self.arg(&arg, against);
        }
    }

    fn arg(&mut self, arg: &Arg, against: &Against<'_>) {
        let (column, width) = (self.width * 2 / 5, self.width * 3 / 5);
        let value = arg.value.as_deref().map(|value| format!(" {value}")).unwrap_or_default();
        let option = format!("{}{value}", arg.option);
        let mut notes = notes(&arg.origins, against).into_iter().flat_map(|note| hanging(&note, width));
        if columns(&option) + 4 <= column {
            let note = notes.next().unwrap_or_default();
            let line = format!("  {option:rest$}{note}", rest = column - 2);
            _ = writeln!(self.text, "{}", line.trim_end());
        } else {
            self.item(&option);
        }
        for note in notes {
            _ = writeln!(self.text, "{:column$}{note}", "");
        }
    }

    fn pins(&mut self, contents: &Contents, host: &Host) {
        self.section("Threads on the cores of this host");
        if contents.pins.is_empty() {
            return self.item("no thread is placed: each runs wherever the kernel likes");
        }
        pins::cores(&mut self.text, self.width, &contents.pins, host);
        for thread in pins::unplaced(&contents.pins) {
            self.item(&thread);
        }
        if contents.pins.core_scheduling {
            self.item("core scheduling: nobody else runs on the sibling threads of a core while a thread of QEMU does");
        }
        for (index, why) in contents.pins.why.iter().enumerate() {
            let head = if index == 0 { "chosen by vmrun (cpu.pinning): " } else { "" };
            self.item(&format!("{head}{why}"));
        }
    }

    fn seats(&mut self, Contents { seats, .. }: &Contents) {
        if seats.is_empty() {
            return;
        }
        self.section("Devices on the guest's PCI bus");
        let why = |by| match by {
            SeatBy::Given => "the profile gives it",
            SeatBy::Kept => "kept from the last start, so that the guest knows the device again",
            SeatBy::Dealt => "the first free one of its kind",
        };
        let row =
            |Seat { name, addr, key, by }: &Seat| [addr.to_string(), key.clone(), format!("{name}: {}", why(*by))];
        let rows: Vec<_> = seats.iter().map(row).collect();
        table(&mut self.text, self.width, ["address", "key", "device, and why it is there"], &rows);
    }

    fn handed(&mut self, contents: &Contents) {
        self.section("Handed to QEMU");
        for (number, descriptor) in (FIRST_DESCRIPTOR..).zip(&contents.descriptors) {
            self.item(&format!("descriptor {number}: {}", opened(descriptor)));
        }
        for (name, value) in &contents.env {
            self.item(&format!("environment: {name}={}", quoted(value)));
        }
        for UsbWanted { at, which, found, .. } in &contents.usb {
            self.item(&match found {
                Some(UsbFound { port, .. }) => {
                    format!("{at}: {which}, plugged in at {port}; it comes and goes with its plug")
                }
                None => format!("{at}: {which}, not plugged in; it comes when it is"),
            });
        }
        for EvdevWanted { at, path, found, .. } in &contents.evdev {
            let path = path.display();
            self.item(&match found {
                true => format!("{at}: {path}; it comes and goes with its plug"),
                false => format!("{at}: {path}, not plugged in; it comes when it is"),
            });
        }
        if !contents.interrupts.is_empty() {
            let cpus: Vec<_> = contents.interrupts.iter().map(ToString::to_string).collect();
            self.item(&format!("interrupts of passed functions go to host CPUs {}, in turn", cpus.join(", ")));
        }
        if let Some(Room { home, cpus, partition }) = &contents.room {
            self.item(&match home {
                Home::Scope(scope) => {
                    format!("moved into {scope}-PID.scope, beside the slices of the host's processes")
                }
                Home::Group(group) => format!("moved into {group}, beside the group of the host's processes"),
            });
            if let Some(kind) = partition {
                let kind = kind.word();
                self.item(&format!(
                    "host CPUs {cpus} as a partition of the vCPUs' own ({kind}), where the kernel makes it"
                ));
            }
        }
        if let Some(group) = &contents.share {
            self.item(&format!("in {group} from its first instruction, for its share of caches and bandwidth"));
        }
        if let Some(ahead) = contents.clock.and_then(|clock| clock.ahead) {
            let by = humantime::format_duration(Duration::from_secs(ahead.unsigned_abs()));
            let side = if ahead < 0 { "behind" } else { "ahead of" };
            self.item(&format!(
                "clock: {by} {side} UTC, as the guest set it; -rtc base= is what it shows when QEMU starts (clock.keep)"
            ));
        }
        if let Some(login) = &contents.session {
            self.item(&format!("environment: the display of {login}'s session, unless vmrun has one"));
        }
        if let Some(user) = &contents.user {
            self.item(&run_as(user));
        }
        if let Some(amount) = contents.locked_memory {
            self.item(&format!("limit of locked memory: at least {} bytes", amount.bytes()));
        }
    }

    fn files(&mut self, files: &[NewFile]) {
        if files.is_empty() {
            return;
        }
        self.section("Files made before");
        for file in files {
            self.item(&made(file));
        }
    }

    fn changes(&mut self, changes: &[Change]) {
        self.section("Changes of the host, as a root shell would make them");
        if changes.iter().all(|change| change.steps().is_empty()) {
            return self.item("none");
        }
        self.steps(changes.iter().cloned());
        self.section("Put back afterwards, last change first");
        self.steps(changes.iter().rev().map(Change::inverse));
    }

    fn fallback(&mut self, fallback: &Contents) {
        let memory = |arg: &Arg| arg.value.as_deref().is_some_and(|value| value.contains("memory-backend-"));
        let instead: Vec<_> = fallback.argv.args().into_iter().filter(memory).filter_map(|arg| arg.value).collect();
        self.section("If the huge pages cannot be made");
        self.item(&format!("memory.fallback: {}", instead.join(" ")));
    }

    fn steps(&mut self, changes: impl Iterator<Item = Change>) {
        for step in changes.flat_map(|change| change.steps()) {
            command(&mut self.text, 2, self.width, &step.to_string());
        }
    }
}

fn made(file: &NewFile) -> String {
    match file {
        NewFile::Copy { path, copy_of } => {
            let (path, from) = (path.display(), copy_of.display());
            format!("{path}: copied from {from} if there is none; kept from run to run")
        }
        NewFile::Folder { folder, owner: None } => {
            format!("{}: a folder for its owner alone, made if there is none; kept from run to run", folder.display())
        }
        NewFile::Folder { folder, owner: Some(uid) } => {
            format!("{}: a folder for user {uid} alone, made if there is none", folder.display())
        }
    }
}

fn run_as(RunAs { user, uid, group, groups }: &RunAs) -> String {
    let group = group.as_ref().map_or("its own group".to_owned(), |group| format!("group {group}"));
    let more: String = groups.iter().map(|gid| format!(", {gid}")).collect();
    format!("it runs as {user}, user {uid}, with {group}{more} and no other; it can gain no rights")
}

fn opened(descriptor: &Descriptor) -> String {
    match descriptor {
        Descriptor::Qmp => "the listening QMP socket".to_owned(),
        Descriptor::Serial => "a listening socket; vmrun reads the serial port there".to_owned(),
        Descriptor::Console => "a listening socket; vmrun relays the serial port there".to_owned(),
        Descriptor::Tap(Tap { from: TapFrom::Bridge(bridge), .. }) => {
            format!("a tap device on bridge {bridge}, gone with its descriptor")
        }
        Descriptor::Tap(Tap { from: TapFrom::New(name), .. }) => {
            format!("the new tap device {name}, gone with its descriptor")
        }
        Descriptor::Tap(Tap { from: TapFrom::Existing(name), .. }) => {
            format!("the tap device {name}, which stays")
        }
        Descriptor::Macvtap { name, .. } => format!("the macvtap device {name}"),
        Descriptor::Queue => "a further queue of the device before it".to_owned(),
        Descriptor::VhostNet => "/dev/vhost-net for a queue before it".to_owned(),
        Descriptor::File { path } => path.display().to_string(),
        Descriptor::CpuLatency { micros } => {
            format!("/dev/cpu_dma_latency, held at {micros} µs: idle states that take longer to leave are not entered")
        }
    }
}
