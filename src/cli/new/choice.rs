//! The guest as it was chosen: by flags, by answers, or as proposed.

use super::disk::{self, Disk};
use super::found::{self, Found};
use super::talk::{End, Question, Talk, settle};
use crate::cli::args::{GuestKind, New};
use crate::cli::render::host::{Card, cpus};
use crate::host::{Disc, DiscKind, Root};
use crate::unit::{Bdf, GuestName, Size};
use clap::ValueEnum;
use std::fmt::Write as _;
use std::path::PathBuf;

/// A guest.
pub(super) struct Choice {
    pub(super) name: GuestName,
    pub(super) guest: GuestKind,
    pub(super) card: Option<Card>,
    /// Whole cores.
    pub(super) cores: u32,
    pub(super) memory: Size,
    /// Discs for its installation, and what they are.
    pub(super) discs: Vec<(PathBuf, Option<Disc>)>,
    pub(super) disk: Disk,
    pub(super) input: Vec<PathBuf>,
    /// The driver of the host's sound system.
    pub(super) sound: Option<String>,
    /// `user`, `none`, or the name of a bridge.
    pub(super) net: String,
}

impl Choice {
    /// Settles everything, in the order in which it is asked.
    pub(super) fn make(args: &New, found: &Found, mut talk: Option<&mut Talk>) -> Result<Self, End> {
        let discs = discs(args, found, talk.as_deref_mut())?;
        let guest = guest(args, &discs, talk.as_deref_mut())?;
        let name = name(args, guest, talk.as_deref_mut())?;
        let card = card(args, found, talk.as_deref_mut())?;
        let cores = cores(args, found, talk.as_deref_mut())?;
        let memory = memory(args, found, talk.as_deref_mut())?;
        let disk = new_disk(args, found, &name, guest, talk.as_deref_mut())?;
        let input = input(args, found, card.is_some(), talk.as_deref_mut())?;
        let sound = sound(args, found, talk.as_deref_mut())?;
        let net = net(args, found, talk)?;
        Ok(Self { name, guest, card, cores, memory, discs, disk, input, sound, net })
    }

    /// Whether the guest's installer finds drivers for virtio.
    pub(super) fn has_virtio(&self) -> bool {
        let drivers = |disc: &Option<Disc>| disc.as_ref().is_some_and(|disc| disc.kind() == DiscKind::VirtioWin);
        !self.guest.is_windows() || self.discs.is_empty() || self.discs.iter().any(|(_, disc)| drivers(disc))
    }
}

fn discs(args: &New, found: &Found, mut talk: Option<&mut Talk>) -> Result<Vec<(PathBuf, Option<Disc>)>, End> {
    let mut discs = Vec::new();
    let read = |word: &str| match word {
        "none" => Ok(None),
        word => {
            let path = disk::whole(word, found.home.as_deref());
            match path.exists() {
                true => Ok(Some((path.clone(), Disc::read(&Root::default(), &path)))),
                false => Err(format!("{} is not there", path.display())),
            }
        }
    };
    for given in &args.iso {
        let question = Question { flag: "iso", label: "", about: String::new(), proposal: String::new() };
        discs.extend(settle(None, Some(&given.to_string_lossy()), &question, read)?);
    }
    if !args.iso.is_empty() || talk.is_none() {
        return Ok(discs);
    }
    let mut about =
        String::from("What is it installed from? A disc image, or none for a disk that has its system already.\n");
    for (path, disc) in &found.discs {
        _ = writeln!(about, "  {}: {}", path.display(), found::told(disc));
    }
    let proposal = found.installer().map_or("none".to_owned(), |path| path.display().to_string());
    let question = Question { flag: "iso", label: "installer", about, proposal };
    discs.extend(settle(talk.as_deref_mut(), None, &question, read)?);
    let windows = |disc: &Option<Disc>| disc.as_ref().is_some_and(|disc| disc.kind() == DiscKind::Windows);
    if discs.iter().any(|(_, disc)| windows(disc)) {
        let about = "Windows sees virtio disks and networks, the fast ones, only with drivers: virtio-win.iso, from \
                     fedorapeople.org/groups/virt/virtio-win. Without it the guest gets slower ones.";
        let proposal = found.drivers().map_or("none".to_owned(), |path| path.display().to_string());
        let question = Question { flag: "iso", label: "drivers", about: about.to_owned(), proposal };
        discs.extend(settle(talk, None, &question, read)?);
    }
    Ok(discs)
}

fn guest(args: &New, discs: &[(PathBuf, Option<Disc>)], talk: Option<&mut Talk>) -> Result<GuestKind, End> {
    let kinds = discs.iter().filter_map(|(path, disc)| Some((path, disc.as_ref()?)));
    let guessed = kinds.filter_map(|(path, disc)| match disc.kind() {
        // Windows 10 and 11 have discs of one name; only the file's may tell.
        DiscKind::Windows if path.to_string_lossy().contains("10") => Some(GuestKind::Windows10),
        DiscKind::Windows => Some(GuestKind::Windows11),
        DiscKind::Linux => Some(GuestKind::Linux),
        DiscKind::VirtioWin | DiscKind::Other => None,
    });
    let proposal = guessed.into_iter().next();
    let said = discs.iter().filter_map(|(path, disc)| {
        let what = disc.as_ref().map_or("no disc that could be read".to_owned(), found::told);
        Some(format!("  {}: {what}\n", path.file_name()?.to_string_lossy()))
    });
    let names: Vec<_> = GuestKind::ALL.iter().map(|kind| kind.name()).collect();
    let about = format!(
        "{}What runs in it? {}; firmware, clock and more follow from it.",
        said.collect::<String>(),
        names.join(", ")
    );
    let proposal = proposal.unwrap_or(GuestKind::Windows11).name().to_owned();
    let question = Question { flag: "guest", label: "guest", about, proposal };
    let parse =
        |word: &str| GuestKind::from_str(word, true).map_err(|_| format!("`{word}` is none of {}", names.join(", ")));
    settle(talk, args.guest.map(GuestKind::name), &question, parse)
}

fn name(args: &New, guest: GuestKind, talk: Option<&mut Talk>) -> Result<GuestName, End> {
    let about = "What is it called? By this name it is started, stopped and edited.".to_owned();
    let question = Question { flag: "name", label: "name", about, proposal: guest.name().to_owned() };
    let given = args.name.as_ref().map(GuestName::as_str);
    settle(talk, given, &question, |word| GuestName::try_from(word.to_owned()))
}

fn card(args: &New, found: &Found, talk: Option<&mut Talk>) -> Result<Option<Card>, End> {
    let mut about = String::from("Which graphics card does it get? Without one it has an emulated display.\n");
    for (index, card) in found.cards.iter().enumerate() {
        _ = writeln!(about, "{:3}  {}  {}: {}", index + 1, card.bdf, card.name, card.verdict);
        let told = card.told.iter().map(String::as_str);
        let only = card.only.then_some("the host's only one: its desktop ends while the guest runs");
        for line in told.chain(only).chain(card.against.iter().chain(&card.care).map(String::as_str)) {
            _ = writeln!(about, "       {line}");
        }
    }
    if found.cards.is_empty() {
        about.push_str("     there is none on PCI\n");
    }
    let place = found.spare().and_then(|spare| found.cards.iter().position(|card| card.bdf == spare.bdf));
    if place.is_none() && !found.cards.is_empty() {
        about.push_str("     none is proposed: the host draws on each that could be passed\n");
    }
    let proposal = place.map_or("none".to_owned(), |place| (place + 1).to_string());
    let question = Question { flag: "card", label: "card", about, proposal };
    let parse = |word: &str| pick(word, found);
    settle(talk, args.card.as_deref(), &question, parse)
}

/// A card by its number in the list or its address.
fn pick(word: &str, found: &Found) -> Result<Option<Card>, String> {
    if matches!(word, "none" | "0") {
        return Ok(None);
    }
    let numbered = word.parse::<usize>().ok().and_then(|number| found.cards.get(number.checked_sub(1)?));
    let bdf: Option<Bdf> = word.parse().or_else(|_| format!("{word}.0").parse()).ok();
    let addressed = || found.cards.iter().find(|card| Some(card.bdf) == bdf);
    let addresses: Vec<_> = found.cards.iter().map(|card| card.bdf.to_string()).collect();
    let there =
        if addresses.is_empty() { "there is none".to_owned() } else { format!("there are {}", addresses.join(", ")) };
    numbered
        .or_else(addressed)
        .cloned()
        .map(Some)
        .ok_or_else(|| format!("`{word}` is no graphics card; {there}, and `none`"))
}

fn cores(args: &New, found: &Found, talk: Option<&mut Talk>) -> Result<u32, End> {
    let all = found.cores().len();
    let most = found.most_cores().max(1);
    let picture = if talk.is_some() { cpus(&found.host, found.width) } else { String::new() };
    let about = format!(
        "How many cores does it get? Whole ones, with all their threads; the first one stays with the host, and what the \
         guest gets is best below one cache.\n{picture}"
    );
    let question = Question { flag: "cores", label: "cores", about, proposal: found.proposed_cores().to_string() };
    let given = args.cores.map(|cores| cores.to_string());
    settle(talk, given.as_deref(), &question, |word| match word.parse() {
        Ok(count) if (1..=most).contains(&count) => Ok(count),
        _ => Err(format!("`{word}` is not from 1 to {most}, which is what the host's {all} leave")),
    })
}

fn memory(args: &New, found: &Found, talk: Option<&mut Talk>) -> Result<Size, End> {
    let available = found.host.memory_available;
    let has = available.map_or("an unknown amount".to_owned(), |size| format!("{} MiB", size.bytes() >> 20));
    let about = format!("How much memory? {has} can be had now; a passed card holds all that the guest has.");
    let question = Question { flag: "memory", label: "memory", about, proposal: found.proposed_memory().to_string() };
    let given = args.memory.map(|size| size.to_string());
    settle(talk, given.as_deref(), &question, |word| {
        let size = word.parse::<Size>().or_else(|why| format!("{word}G").parse::<Size>().map_err(|_| why))?;
        match available {
            Some(most) if size > most => Err(format!("{size} is more than the host has free: {has}")),
            _ => Ok(size),
        }
    })
}

fn new_disk(
    args: &New,
    found: &Found,
    name: &GuestName,
    guest: GuestKind,
    talk: Option<&mut Talk>,
) -> Result<Disk, End> {
    let size = if guest.is_windows() { "128G" } else { "64G" };
    let file = found.disks.join(format!("{name}.img"));
    let proposal = if file.exists() { file.display().to_string() } else { format!("{}:{size}", file.display()) };
    let about = "Which disk? FILE:SIZE makes one, which takes room only as it fills; FILE or a device is one that is \
                 there. Its name may end in .qcow2."
        .to_owned();
    let question = Question { flag: "disk", label: "disk", about, proposal };
    settle(talk, args.disk.as_deref(), &question, |word| disk::parse(word, found.home.as_deref()))
}

fn input(args: &New, found: &Found, card: bool, talk: Option<&mut Talk>) -> Result<Vec<PathBuf>, End> {
    let parse = |word: &str| match word {
        "none" => Ok(Vec::new()),
        "all" => Ok(found.input.clone()),
        list => list.split([' ', ',']).filter(|word| !word.is_empty()).map(|word| device(word, found)).collect(),
    };
    if !args.input.is_empty() {
        let question = Question { flag: "input", label: "", about: String::new(), proposal: String::new() };
        return settle(None, Some(&args.input.join(",")), &question, parse);
    }
    if !card || found.input.is_empty() {
        return Ok(Vec::new());
    }
    let mut about = String::from(
        "Which keyboards and mice does it share with the host? Both control keys, pressed together, hand all of them over \
         and back.\n",
    );
    for (index, path) in found.input.iter().enumerate() {
        _ = writeln!(about, "{:3}  {}", index + 1, path.file_name().unwrap_or_default().to_string_lossy());
    }
    let question = Question { flag: "input", label: "numbers, all or none", about, proposal: "all".to_owned() };
    settle(talk, None, &question, parse)
}

fn device(word: &str, found: &Found) -> Result<PathBuf, String> {
    let numbered = word.parse::<usize>().ok().and_then(|number| found.input.get(number.checked_sub(1)?)).cloned();
    let path = numbered.unwrap_or_else(|| PathBuf::from(word));
    if path.is_absolute() {
        Ok(path)
    } else {
        Err(format!("`{word}` is neither a number of the list nor a device below /dev"))
    }
}

fn sound(args: &New, found: &Found, talk: Option<&mut Talk>) -> Result<Option<String>, End> {
    let servers: Vec<_> = found.host.sound.iter().map(|path| path.display().to_string()).collect();
    let heard =
        if servers.is_empty() { "no server runs".to_owned() } else { format!("there runs {}", servers.join(", ")) };
    let about = format!("Sound through the host? pa (also for PipeWire), pipewire, alsa or none; {heard}.");
    let question = Question { flag: "sound", label: "sound", about, proposal: found.proposed_sound().to_owned() };
    settle(talk, args.sound.as_deref(), &question, |word| match word {
        "none" => Ok(None),
        "pa" | "pipewire" | "alsa" => Ok(Some(word.to_owned())),
        _ => Err(format!("`{word}` is none of pa, pipewire, alsa, none")),
    })
}

fn net(args: &New, found: &Found, talk: Option<&mut Talk>) -> Result<String, End> {
    let bridges = &found.host.bridges;
    let there =
        if bridges.is_empty() { "there is none here".to_owned() } else { format!("here {}", bridges.join(", ")) };
    let about = format!(
        "Which network? user needs nothing and is not reached from outside; a bridge makes it a machine of its own in your \
         network: {there}; none."
    );
    let question = Question { flag: "net", label: "network", about, proposal: "user".to_owned() };
    settle(talk, args.net.as_deref(), &question, |word| match word {
        "user" | "none" => Ok(word.to_owned()),
        _ if bridges.iter().any(|bridge| bridge == word) => Ok(word.to_owned()),
        _ => Err(format!("`{word}` is neither user, none nor a bridge of the host; {there}")),
    })
}
