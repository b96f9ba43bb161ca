//! Floor 3: what people already have becomes a profile, and a report of what became of each piece of it. Pure: the file
//! is a value, so are the profile's text and the report.
//!
//! A foreign file is read into a tree or a list whose pieces remember whether somebody has looked at them. At the end each
//! piece goes into the [`Report`]: kept, translated, left out for a reason, or asked about. A piece that nobody looked at is
//! lost, and is told as such, so that nothing goes in silence.

mod argv;
mod beside;
mod computed;
mod exported;
mod libvirt;
mod page;
mod proxmox;
mod quickemu;
mod report;
mod running;
mod script;
mod setting;
mod shell;
mod table;
mod unready;
mod wrap;
mod xml;

pub use report::{Entry, Fate, Report};
pub use running::{Running, Thread, of_running};

use crate::plan::{Class, Problem};

/// Largest file that is read, in bytes. The longest domain XML seen in the wild has 60 KiB.
pub const LARGEST: usize = 4 << 20;
/// vCPUs that a guest has at most; QEMU: `hw/i386/pc_q35.c`. Of a file that says more, no more pins are written out.
const MOST_VCPUS: usize = 4096;

/// What a foreign file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// libvirt's domain XML.
    Libvirt,
    /// A shell script, or a bare command line.
    Script,
    /// Proxmox VE's description of a guest.
    Proxmox,
    /// quickemu's.
    Quickemu,
    /// A QEMU that runs.
    Running,
}

impl Kind {
    /// What it is called.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Libvirt => "libvirt domain XML",
            Self::Script => "QEMU script",
            Self::Proxmox => "Proxmox configuration",
            Self::Quickemu => "quickemu configuration",
            Self::Running => "running QEMU",
        }
    }

    /// Told by what stands in it: an element first, or a command that starts QEMU.
    fn of(text: &str) -> Option<Self> {
        if text.trim_start().starts_with('<') {
            return Some(Self::Libvirt);
        }
        // A script may hold what looks like the others; they start no QEMU, but for `args` of Proxmox.
        if proxmox::is_one(text) {
            return Some(Self::Proxmox);
        }
        if script::is_one(text) {
            return Some(Self::Script);
        }
        quickemu::is_one(text).then_some(Self::Quickemu)
    }
}

/// A profile made of a foreign file.
#[derive(Clone, Debug)]
pub struct Import {
    /// What the file was.
    pub kind: Kind,
    /// Text of the profile.
    pub profile: String,
    /// What became of each piece.
    pub report: Report,
}

/// Makes a profile of the file `name` with the content `bytes`.
///
/// # Errors
/// When it is too large, no text, broken, or nothing that is known.
pub fn import(name: &str, bytes: &[u8]) -> Result<Import, Problem> {
    let refuse = |what: String| Problem::new(Class::Invalid, "", what);
    if bytes.len() > LARGEST {
        let what = format!("{name} is larger than {} MiB, which no description of a guest is", LARGEST >> 20);
        return Err(refuse(what).fix("give the file that describes the guest, not its disk"));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = String::from_utf8_lossy(&bytes[..error.valid_up_to()]).matches('\n').count() + 1;
        refuse(format!("{name} is not UTF-8 text, from line {line} on")).fix("iconv -f UTF-16 -t UTF-8 FILE")
    })?;
    if let Some(at) = text.find('\0') {
        let line = text[..at].matches('\n').count() + 1;
        return Err(refuse(format!("{name} holds a zero byte in line {line}; it is no text")));
    }
    let kind = Kind::of(text).ok_or_else(|| {
        refuse(format!("{name} describes no guest in a way that is known"))
            .why("it is no domain XML of libvirt, no configuration of Proxmox or quickemu, and calls no qemu-system-x86_64")
            .fix("virsh dumpxml --inactive NAME > NAME.xml")
    })?;
    let (profile, report) = match kind {
        Kind::Libvirt => libvirt::import(name, text)?,
        Kind::Script => script::import(name, text)?,
        Kind::Proxmox => proxmox::import(name, text)?,
        Kind::Quickemu => quickemu::import(name, text)?,
        Kind::Running => return Err(refuse(format!("{name} is no process"))),
    };
    Ok(Import { kind, profile, report })
}
