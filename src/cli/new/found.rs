//! What was found on the host, and what is proposed because of it.

use crate::cli::args::Layers;
use crate::cli::load::Loaded;
use crate::cli::render::host::{Card, cards};
use crate::cli::{place, profiles};
use crate::host::{Caller, Cpu, Disc, DiscKind, Host, Root};
use crate::unit::Size;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// Folder of event devices by lasting names. systemd: `udev/rules.d/60-persistent-input.rules`.
const INPUT: &str = "/dev/input/by-id";
/// Sizes of memory that are proposed, in GiB, the largest first.
const SIZES: [u64; 7] = [16, 12, 8, 6, 4, 2, 1];
const GIB: u64 = 1 << 30;

/// What was found.
pub(super) struct Found {
    pub(super) host: Host,
    /// Whether that is another machine, whose facts a file holds.
    pub(super) elsewhere: bool,
    pub(super) width: usize,
    pub(super) cards: Vec<Card>,
    /// Discs in the current folder and the one for downloads.
    pub(super) discs: Vec<(PathBuf, Disc)>,
    /// Keyboards, then mice, by lasting names.
    pub(super) input: Vec<PathBuf>,
    pub(super) home: Option<PathBuf>,
    /// Folders for profiles and for disks.
    pub(super) profiles: PathBuf,
    pub(super) disks: PathBuf,
}

/// How the picture of the installer is seen.
pub(super) struct Screen {
    pub(super) lines: &'static str,
    pub(super) said: &'static str,
}

impl Found {
    pub(super) fn of(host: Host, elsewhere: bool, width: usize) -> Self {
        let caller = Caller::current();
        let home = place::home(&caller);
        Self {
            cards: cards(&host),
            discs: discs(home.as_deref()),
            input: input(),
            profiles: profiles::home(&caller),
            disks: disks(&caller, home.as_deref()),
            host,
            elsewhere,
            width,
            home,
        }
    }

    /// The card that nobody would miss: it can be passed, and the host draws on another.
    pub(super) fn spare(&self) -> Option<&Card> {
        self.cards.iter().find(|card| card.against.is_empty() && !card.only && !card.in_use)
    }

    /// Threads of a core; where cores differ, of those that have most.
    pub(super) fn threads(&self) -> u32 {
        let most = self.host.cpus.iter().map(|cpu| cpu.siblings.len()).max();
        most.and_then(|most| u32::try_from(most).ok()).unwrap_or(1).max(1)
    }

    /// Cores with so many threads, one CPU of each.
    pub(super) fn cores(&self) -> Vec<&Cpu> {
        let threads = usize::try_from(self.threads()).unwrap_or(1);
        let first = |cpu: &&Cpu| cpu.siblings.iter().next().is_none_or(|first| first == cpu.id);
        self.host.cpus.iter().filter(first).filter(|cpu| cpu.siblings.len().max(1) == threads).collect()
    }

    /// The most cores that the planner can pin; 0 when it can pin none, as on a machine of one core.
    pub(super) fn most_cores(&self) -> u32 {
        let all = u32::try_from(self.cores().len()).unwrap_or(1);
        (1..all).rev().find(|&cores| self.pins(cores)).unwrap_or_default()
    }

    /// Whether the planner finds a place for so many cores.
    fn pins(&self, cores: u32) -> bool {
        let threads = self.threads();
        let text =
            format!("schema = 1\nname = \"new\"\n[cpu]\ncores = {cores}\nthreads = {threads}\npinning = \"auto\"\n");
        let Ok(loaded) = Loaded::embedded("new.toml", &text, &Layers::default()) else { return false };
        let planned = loaded.plan_for(self.host.clone());
        let against = planned.plan.err().map_or_else(Vec::new, |refusal| refusal.problems);
        !against.iter().any(|problem| problem.at.starts_with("cpu"))
    }

    /// Three of four cores, no more than share the largest cache with each other but not with the host's first.
    pub(super) fn proposed_cores(&self) -> u32 {
        let cores = self.cores();
        let host_core = self.host.cpus.first().map_or(0, |cpu| cpu.id);
        let last = self.host.caches.iter().map(|cache| cache.level).max().unwrap_or_default();
        let largest = self.host.caches.iter().filter(|cache| cache.level == last).max_by_key(|cache| cache.size);
        let near = |cpu: &&&Cpu| cpu.id != host_core && largest.is_none_or(|cache| cache.cpus.contains(cpu.id));
        let near = u32::try_from(cores.iter().filter(near).count()).unwrap_or(1);
        let all = u32::try_from(cores.len()).unwrap_or(1);
        (all - all / 4).min(near).min(self.most_cores()).clamp(1, 8)
    }

    /// Up to half of the memory that is free, and no more than games ask for.
    pub(super) fn proposed_memory(&self) -> Size {
        let half = self.host.memory_available.map_or(0, Size::bytes) / 2;
        let size = SIZES.iter().find(|&&size| size * GIB <= half).unwrap_or(&1);
        Size::from_bytes(size * GIB)
    }

    /// The sound system whose server runs; what speaks to `PulseAudio` speaks to `PipeWire` too.
    pub(super) fn proposed_sound(&self) -> &'static str {
        if self.host.sound.is_empty() { "none" } else { "pa" }
    }

    /// The disc for an installation: the one that was found, or none where there are several.
    pub(super) fn installer(&self) -> Option<&Path> {
        let installs = |disc: &Disc| matches!(disc.kind(), DiscKind::Windows | DiscKind::Linux);
        let mut found = self.discs.iter().filter(|(_, disc)| installs(disc));
        found.next().map(|(path, _)| path.as_path())
    }

    /// The disc with Windows' drivers.
    pub(super) fn drivers(&self) -> Option<&Path> {
        let mut found = self.discs.iter().filter(|(_, disc)| disc.kind() == DiscKind::VirtioWin);
        found.next().map(|(path, _)| path.as_path())
    }
}

/// A window on a desktop, else VNC, which every QEMU has and ssh carries.
pub(super) fn screen() -> Screen {
    let desktop = ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| env::var_os(name).is_some());
    match desktop {
        true => Screen { lines: "kind = \"gtk\"\n", said: "in a window" },
        false => Screen {
            lines: "# For a VNC viewer here; from elsewhere first: ssh -L 5900:localhost:5900\n\
                    kind = \"vnc\"\nport = 5900\n",
            said: "by VNC at port 5900",
        },
    }
}

/// What a disc is, for a person.
pub(super) fn told(disc: &Disc) -> String {
    let kind = match disc.kind() {
        DiscKind::Windows => "installs Windows",
        DiscKind::VirtioWin => "virtio drivers for Windows",
        DiscKind::Linux => "Linux",
        DiscKind::Other => "not known what for",
    };
    format!("{kind}, volume {}", disc.label)
}

fn discs(home: Option<&Path>) -> Vec<(PathBuf, Disc)> {
    let downloads = home.map(|home| home.join("Downloads"));
    let folders = env::current_dir().ok().into_iter().chain(downloads);
    let mut paths: Vec<_> = folders.flat_map(|folder| isos(&folder)).collect();
    paths.dedup();
    let root = Root::default();
    paths.into_iter().filter_map(|path| Disc::read(&root, &path).map(|disc| (path, disc))).collect()
}

fn isos(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found: Vec<_> = entries.filter(|path| path.extension().is_some_and(|it| it == "iso")).collect();
    found.sort();
    found
}

fn input() -> Vec<PathBuf> {
    let names = Root::default().names(INPUT);
    let of = |end: &'static str| names.iter().filter(move |name| name.ends_with(end));
    of("-event-kbd").chain(of("-event-mouse")).map(|name| Path::new(INPUT).join(name)).collect()
}

/// `vmrun` in the user's data folder; for root itself in that of the system.
fn disks(caller: &Caller, home: Option<&Path>) -> PathBuf {
    let data = env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let data = data.filter(|_| caller.invoker.is_none()).or_else(|| home.map(|home| home.join(".local/share")));
    match (caller.euid, caller.invoker, data) {
        (0, None, _) | (_, _, None) => PathBuf::from("/var/lib/vmrun/disks"),
        (_, _, Some(data)) => data.join("vmrun"),
    }
}
