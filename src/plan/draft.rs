//! The plan while it is made, and after.

use super::{
    Access, Argv, Change, Class, Descriptor, Ending, EvdevWanted, FIRST_DESCRIPTOR, GuestClock, Hook, Identities, Kept,
    Lot, NewFile, OnHostShutdown, OnHostSleep, OnPanic, OnReboot, OnTimeout, Opens, Origin, PanicKey, Pins, Problem,
    Room, RunAs, Seat, Service, Slots, Transparent, UsbWanted,
};
use crate::unit::{Bdf, CpuSet, GuestName, Period, Size, Version};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The QEMU that is run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Emulator {
    /// Its path.
    pub path: PathBuf,
    /// Its version; `None` when it was not found.
    pub version: Option<Version>,
}

/// Everything that would be done.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Contents {
    /// Name of the guest.
    pub name: GuestName,
    /// The program.
    pub emulator: Emulator,
    /// The user it runs as; `None` for the one that vmrun runs as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<RunAs>,
    /// Login name of the user in whose graphical session its window opens, beside what it inherits; `None` for that of
    /// the user it runs as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// What it opens itself.
    #[serde(skip)]
    pub opens: Vec<Opens>,
    /// Its arguments.
    pub argv: Argv,
    /// Its environment, beside what it inherits.
    pub env: BTreeMap<String, String>,
    /// Descriptors it inherits, from [`FIRST_DESCRIPTOR`] upwards.
    pub descriptors: Vec<Descriptor>,
    /// Memory that it must be able to lock, `RLIMIT_MEMLOCK`; `None` when it locks none.
    pub locked_memory: Option<Size>,
    /// Its memory, when that shall lie in transparent huge pages.
    pub transparent: Option<Transparent>,
    /// What is done instead when the huge pages cannot be made; else the same plan.
    pub fallback: Option<Box<Plan>>,
    /// USB devices of the host that it gets when they are plugged in.
    pub usb: Vec<UsbWanted>,
    /// Input devices of the host that it gets, also when they are plugged in again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evdev: Vec<EvdevWanted>,
    /// Files of its own that are made before it starts.
    pub files: Vec<NewFile>,
    /// Changes of the host made before it starts, in order.
    pub changes: Vec<Change>,
    /// Ids of network devices whose cable is unplugged before the guest's first instruction.
    pub links_down: Vec<String>,
    /// PCI functions of the host that are the guest's alone while it runs.
    pub devices: Vec<Bdf>,
    /// Commands at points of its life.
    pub hooks: Vec<Hook>,
    /// Its companions.
    pub services: Vec<Service>,
    /// Where its threads run.
    pub pins: Pins,
    /// The control group that QEMU is moved into; `None` when it stays where vmrun is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<Room>,
    /// The group of the kernel's that QEMU is in from its first instruction, for its share of caches and bandwidth; one of
    /// the changes makes it. `None` when it has its share of everybody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<String>,
    /// Host CPUs of the interrupts of its passed functions: of the first of a function, its second and so on, and again from
    /// the start; empty when they are left where the kernel puts them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interrupts: Vec<CpuSet>,
    /// Where its PCI devices sit.
    #[serde(default)]
    pub seats: Vec<Seat>,
    /// What is kept of that for the next start.
    #[serde(default)]
    pub kept: Kept,
    /// Where its clock starts, and whether it goes on from there at the next start; `None` when the profile does not want
    /// that.
    #[serde(default)]
    pub clock: Option<GuestClock>,
    /// Number of vCPUs.
    pub vcpus: u32,
    /// How it ends.
    pub ending: Ending,
    /// What a sleep of the host does to it; see [`Contents::on_host_sleep`] when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_sleep: Option<OnHostSleep>,
    /// What a shutdown of the host does to it.
    #[serde(default, skip_serializing_if = "OnHostShutdown::is_usual")]
    pub host_shutdown: OnHostShutdown,
    /// The socket of the agent in the guest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<PathBuf>,
    /// How long it may take to show a sign of life; `None` for as long as it likes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_boot: Option<Period>,
    /// Keys of the host that stop it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub panic_key: Option<PanicKey>,
    /// Folder that belongs to this run; its sockets and its journal are there.
    pub run_dir: PathBuf,
    /// What the user should know although nothing is refused.
    pub warnings: Vec<Problem>,
}

/// A plan under construction: collects problems instead of failing at the first.
#[derive(Clone, Debug)]
pub struct Draft {
    /// What has been decided so far.
    pub contents: Contents,
    /// Guest PCI addresses dealt so far.
    pub slots: Slots,
    /// What devices call themselves where the profile does not say.
    pub identities: Identities,
    problems: Vec<Problem>,
}

/// A plan without problems. Nothing in it can be changed any more. It is read back, from a folder of vmrun's own, for a
/// guest that was started by it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Plan(Contents);

/// A plan with problems: it can be shown, not carried out.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// What would be done.
    pub contents: Contents,
    /// Why it cannot be; at least one.
    pub problems: Vec<Problem>,
}

impl Contents {
    /// What a sleep of the host does to the guest: it is refused while the guest has a PCI device of the host, unless the
    /// profile says otherwise.
    #[must_use]
    pub fn on_host_sleep(&self) -> OnHostSleep {
        let usual = if self.devices.is_empty() { OnHostSleep::Ignore } else { OnHostSleep::Block };
        self.host_sleep.unwrap_or(usual)
    }

    /// The arguments of a QEMU that is started at `now`: the guest's clock is to show what it showed then.
    #[must_use]
    pub fn words_at(&self, now: SystemTime) -> Vec<String> {
        let Some(shows) = self.clock.and_then(|clock| clock.shows(now)) else { return self.argv.words() };
        let mut argv = self.argv.clone();
        argv.rtc.set("base", shows, Origin::derived("clock.keep", "the guest set it"));
        argv.words()
    }
}

impl Draft {
    /// An empty draft for guest `name`, run by `emulator`, with its files in `run_dir`.
    #[must_use]
    pub fn new(name: GuestName, emulator: Emulator, run_dir: PathBuf) -> Self {
        let ending = Ending {
            timeout: Period::from_secs(60),
            on_timeout: OnTimeout::default(),
            on_reboot: OnReboot::default(),
            on_panic: OnPanic::default(),
            stop_on_hangup: false,
        };
        let contents = Contents {
            name,
            emulator,
            user: None,
            session: None,
            opens: Vec::new(),
            argv: Argv::default(),
            env: BTreeMap::new(),
            descriptors: Vec::new(),
            locked_memory: None,
            transparent: None,
            fallback: None,
            usb: Vec::new(),
            evdev: Vec::new(),
            files: Vec::new(),
            changes: Vec::new(),
            links_down: Vec::new(),
            devices: Vec::new(),
            hooks: Vec::new(),
            services: Vec::new(),
            pins: Pins::default(),
            room: None,
            share: None,
            interrupts: Vec::new(),
            seats: Vec::new(),
            kept: Kept::default(),
            clock: None,
            vcpus: 1,
            ending,
            host_sleep: None,
            host_shutdown: OnHostShutdown::default(),
            agent: None,
            dead_boot: None,
            panic_key: None,
            run_dir,
            warnings: Vec::new(),
        };
        Self { contents, slots: Slots::default(), identities: Identities::default(), problems: Vec::new() }
    }

    /// Notes a reason to refuse.
    pub fn refuse(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Whether a problem was noted at the key path `key`.
    #[must_use]
    pub fn is_refused_at(&self, key: &str) -> bool {
        self.problems.iter().any(|problem| problem.at == key)
    }

    /// Notes something the user should know.
    pub fn warn(&mut self, problem: Problem) {
        self.contents.warnings.push(problem);
    }

    /// Notes that QEMU opens `path` itself, because of the key path `at`.
    pub fn opens(&mut self, at: impl Into<String>, path: impl Into<PathBuf>, access: Access, lot: Lot) {
        self.contents.opens.push(Opens { at: at.into(), path: path.into(), access, lot });
    }

    /// Adds an inherited descriptor and returns the number under which QEMU finds it.
    pub fn pass(&mut self, descriptor: Descriptor) -> u32 {
        let before = u32::try_from(self.contents.descriptors.len()).unwrap_or(u32::MAX - FIRST_DESCRIPTOR);
        self.contents.descriptors.push(descriptor);
        FIRST_DESCRIPTOR + before
    }

    /// Seals the draft.
    ///
    /// # Errors
    /// All problems that were noted, with the contents so that they can be shown.
    pub fn finish(self) -> Result<Plan, Box<Refusal>> {
        let Self { contents, slots, identities, problems } = self;
        let (seats, kept) = slots.seats();
        let kept = kept.with_identities(identities.after());
        let contents = Contents { seats, kept, ..contents };
        if problems.is_empty() {
            return Ok(Plan(contents));
        }
        Err(Box::new(Refusal { contents, problems }))
    }
}

impl Plan {
    /// The same for a guest that set its clock meanwhile, to what `clock` says.
    #[must_use]
    pub fn with_clock(&self, clock: Option<GuestClock>) -> Self {
        let Self(contents) = self.clone();
        let is_own = |kept: &GuestClock| contents.clock.is_some_and(|own| own.base == kept.base);
        Self(Contents { clock: clock.filter(is_own).or(contents.clock), ..contents })
    }

    /// The same without the input devices of the host for which `is_there` says no: a QEMU that is told of one does not
    /// start without it, and it can be given later.
    #[must_use]
    pub fn with_inputs(&self, is_there: impl Fn(&Path) -> bool) -> Self {
        let Self(mut contents) = self.clone();
        let gone = contents.evdev.iter().filter(|wanted| !is_there(&wanted.path)).map(|wanted| wanted.id.clone());
        contents.argv.drop_objects(&gone.collect::<Vec<_>>());
        Self(contents)
    }
}

impl Refusal {
    /// The worst class among the problems: what is wrong everywhere comes before what is wrong here.
    #[must_use]
    pub fn class(&self) -> Class {
        self.problems.iter().map(|problem| problem.class).min().unwrap_or(Class::Invalid)
    }
}

impl Deref for Plan {
    type Target = Contents;

    fn deref(&self) -> &Contents {
        &self.0
    }
}
