//! QEMU's command line, of any age: what was refused since is read as it was meant.
//!
//! The options are first all collected, since they name each other by ids; then each group of them has its turn.

mod card;
mod cpu;
mod device;
mod disk;
mod display;
mod firmware;
mod iommu;
mod known;
mod machine;
mod memory;
mod misc;
mod net;
mod node;
mod opt;
mod parts;
mod passed;
mod seat;
mod shared;
mod sound;

pub(in crate::import) use display::{NO_AGENT, ONE_AGENT};
pub(in crate::import) use net::no_card;
pub(in crate::import) use node::KEEPS_NOTHING;
pub(in crate::import) use opt::Word;
pub(in crate::import) use shared::UNKNOWN_FOLDER;

use super::computed;
use super::page::{Page, guest_name};
use super::report::{Fate, Report};
use super::table::Table;
use known::is_known;
use opt::Opt;
use seat::Seated;

/// Options that take no value. QEMU: `qemu-options.hx`, those without `HAS_ARG`; and those that are gone.
const BARE: &[&str] = &[
    "S",
    "daemonize",
    "enable-kvm",
    "full-screen",
    "h",
    "help",
    "localtime",
    "mem-prealloc",
    "no-acpi",
    "no-fd-bootchk",
    "no-hpet",
    "no-kvm",
    "no-kvm-irqchip",
    "no-kvm-pit",
    "no-quit",
    "no-reboot",
    "no-shutdown",
    "no-user-config",
    "nodefaults",
    "nodefconfig",
    "nographic",
    "only-migratable",
    "portrait",
    "s",
    "sdl",
    "singlestep",
    "snapshot",
    "usb",
    "version",
    "win2k-hack",
    "alt-grab",
    "ctrl-grab",
    "no-frame",
    "curses",
    "preconfig",
    "enable-fips",
    "enable-sync-profile",
    "one-insn-per-tb",
    "rtc-td-hack",
    "no-kvm-pit-reinjection",
    "async-teardown",
    "enable-nesting",
    "std-vga",
    "no-kqemu",
];

/// Options of which nothing is known when a shell computes the whole value.
const SHAPED: [&str; 8] = ["drive", "device", "netdev", "net", "nic", "chardev", "object", "blockdev"];

/// Where a command line stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::import) enum Place {
    /// It is the whole guest.
    Whole {
        /// Whether the program's name says KVM: `kvm`, `qemu-kvm`.
        kvm: bool,
    },
    /// libvirt adds it to what it makes of the rest.
    Libvirt {
        /// Whether the machine is a q35.
        q35: bool,
    },
}

/// A command line under translation.
struct Line<'l> {
    opts: Vec<Opt>,
    env: &'l [(String, String, usize)],
    place: Place,
    page: &'l mut Page,
    report: &'l mut Report,
    q35: bool,
    /// Whether functions of the host are passed.
    passed: bool,
    nodefaults: bool,
    /// Addresses that QEMU gave so far.
    macs: u8,
    /// USB controllers in the order of the line.
    usb: Vec<String>,
    /// Disks that have a place on a controller of the chipset.
    seats: Vec<Seated>,
    /// What the profile has no key for.
    args: Vec<String>,
}

/// Adds what `words` and the environment say to `page`.
pub(in crate::import) fn import(
    words: &[Word],
    env: &[(String, String, usize)],
    place: Place,
    page: &mut Page,
    report: &mut Report,
) {
    let opts = options(words, report);
    let is = |opt: &Opt, name: &str| opt.name == name;
    let passed = opts.iter().any(|opt| is(opt, "device") && opt.head.starts_with("vfio-pci"));
    let nodefaults = opts.iter().any(|opt| is(opt, "nodefaults"))
        || place != (Place::Whole { kvm: false }) && place != (Place::Whole { kvm: true });
    let q35 = matches!(place, Place::Libvirt { q35: true });
    let (macs, usb, seats, args) = (0, Vec::new(), Vec::new(), Vec::new());
    let mut line = Line { opts, env, place, page, report, q35, passed, nodefaults, macs, usb, seats, args };
    line.run();
}

impl Line<'_> {
    fn run(&mut self) {
        let opts = std::mem::take(&mut self.opts);
        self.machine(&opts);
        self.cpu(&opts);
        self.memory(&opts);
        self.firmware(&opts);
        self.misc(&opts);
        self.disks(&opts);
        self.nets(&opts);
        self.display(&opts);
        self.sound(&opts);
        self.devices(&opts);
        self.usb_controllers();
        self.sound_of_display();
        if self.whole() {
            self.page.order_after_cards();
        }
        for opt in &opts {
            opt.report(self.report);
        }
        let args = std::mem::take(&mut self.args);
        args.into_iter().for_each(|arg| self.page.table("qemu").add("args", arg));
    }

    /// Whether the line is the whole guest.
    fn whole(&self) -> bool {
        matches!(self.place, Place::Whole { .. })
    }

    /// Puts an option on QEMU's command line as it is.
    fn pass(&mut self, opt: &Opt) {
        opt.rest();
        if !computed::parts(&opt.value).is_empty() {
            return opt.asked("what the script makes of it");
        }
        opt.translated("passed on in [qemu] args");
        self.args.push(format!("-{}", opt.name));
        if !opt.value.is_empty() {
            self.args.push(opt.value.clone());
        }
    }
}

/// A new table of the list `name`, below the comments of `opt`.
fn push<'p>(page: &'p mut Page, name: &str, opt: &Opt) -> &'p mut Table {
    let table = page.push(name);
    opt.comments.iter().for_each(|text| table.above(text.clone()));
    table
}

/// All options `name`.
fn named<'o>(opts: &'o [Opt], name: &'o str) -> impl Iterator<Item = &'o Opt> + Clone {
    opts.iter().filter(move |opt| opt.name == name)
}

/// The option `name` that has the id `id`.
fn by_id<'o>(opts: &'o [Opt], name: &str, id: &str) -> Option<&'o Opt> {
    opts.iter().find(|opt| opt.name == name && opt.any(&["id", "node-name"]) == Some(id))
}

/// The words of a command line as options with their values.
fn options(words: &[Word], report: &mut Report) -> Vec<Opt> {
    let mut opts = Vec::new();
    let mut words = words.iter().peekable();
    while let Some(word) = words.next() {
        let Some(name) =
            word.text.strip_prefix("--").or_else(|| word.text.strip_prefix('-')).filter(|name| !name.is_empty())
        else {
            // A lone word is a disk image. QEMU: `softmmu/vl.c`, qemu_init.
            if word.text.is_empty() {
                report.note(word.line, "an empty word", Fate::Needless("nothing stands in it".into()));
            } else if computed::is_all(&word.text) {
                report.note(word.line, word.text.clone(), Fate::Asked("which options it adds".into()));
            } else {
                opts.push(Opt::new("hda", &word.text, word.line, word.comments.clone()));
            }
            continue;
        };
        let bare = BARE.contains(&name);
        let mut comments = word.comments.clone();
        // Of an option that QEMU does not have, nobody knows whether it takes a value; another option is none.
        let alone = !is_known(name) && words.peek().is_some_and(|next| next.text.starts_with('-'));
        let value = if bare || alone { None } else { words.next() };
        comments.extend(value.into_iter().flat_map(|value| value.comments.clone()));
        if let Some(value) = value.filter(|value| SHAPED.contains(&name) && computed::is_all(&value.text)) {
            report.note(
                word.line,
                format!("-{name} {}", value.text),
                Fate::Asked("what the script makes of it".into()),
            );
            continue;
        }
        opts.push(Opt::new(name, value.map_or("", |value| &value.text), word.line, comments));
    }
    settled(opts)
}

/// `-set device.ID.key=value` put into the option with that id.
fn settled(mut opts: Vec<Opt>) -> Vec<Opt> {
    for at in (0..opts.len()).filter(|at| opts[*at].name == "set").collect::<Vec<_>>() {
        let value = opts[at].value.clone();
        let Some((path, value)) = value.split_once('=') else { continue };
        let mut parts = path.splitn(3, '.');
        let (Some(group), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else { continue };
        let own = |opt: &Opt| opt.name == group && opt.get("id") == Some(id);
        if let Some(target) = opts.iter().position(own) {
            opts[target].add(key, value);
            opts[at].rest();
            opts[at].translated(format!("{key} of `{id}`"));
        }
    }
    opts
}

/// A name that a guest can have.
fn name_of(text: &str) -> String {
    guest_name(text)
}
