//! Floor 3: binding at boot, for those who want it: what must be written so that the kernel gives whole IOMMU groups to
//! vfio-pci before any other driver sees them. Pure: files and machine are values, the result is file edits.
//!
//! vmrun itself needs none of this: it binds when a guest starts. Some drivers rebind badly, and some people want a card
//! that the host never touches.

mod arguments;
mod assignment;
mod booster;
mod dracut;
mod group;
mod grub;
mod initramfs;
mod initramfs_tools;
mod leftover;
mod loader;
mod mkinitcpio;
mod modprobe;
mod stale;
mod used;

pub use initramfs::Tool;
pub use modprobe::{CONF, SCRIPT};
pub use stale::{Staleness, judge as staleness};

use crate::host::{Boot, PciFunction};
use crate::plan::{FileEdit, Problem};
use crate::unit::Bdf;
use std::path::Path;

/// First line of every file that is ours.
const MARK: &str = "# Written by `vmrun isolate`, which `vmrun isolate --remove` takes back.";

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The functions, of which whole devices are taken.
    pub devices: Vec<Bdf>,
    /// Binding by address although the ids are unique.
    pub by_address: bool,
    /// Whether the host's own devices skip translation, `iommu=pt`.
    pub passthrough: bool,
    /// What makes the initramfs image; `None` to find out.
    pub initramfs: Option<Tool>,
    /// Whether the host may be left without a graphics card or a keyboard.
    pub headless: bool,
}

/// What would be written, and what is to be done then.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proposal {
    /// The functions that vfio-pci gets.
    pub functions: Vec<PciFunction>,
    /// The files.
    pub edits: Vec<FileEdit>,
    /// Commands that make the files count, in order.
    pub commands: Vec<String>,
    /// Commands that are due after the files were taken back.
    pub back: Vec<String>,
    /// What the user should know.
    pub notes: Vec<Problem>,
}

/// What must be written for `request` on a machine with the functions `pci` that boots as `boot` says.
///
/// # Errors
/// All reasons why it cannot be done.
pub fn propose(pci: &[PciFunction], boot: &Boot, request: &Request) -> Result<Proposal, Vec<Problem>> {
    let mut draft = Draft { proposal: Proposal::default(), problems: Vec::new() };
    let taken = group::whole(pci, request, &mut draft);
    used::judge(pci, request, &taken, &mut draft);
    draft.proposal.functions = taken;
    leftover::judge(boot, &mut draft);
    let form = modprobe::form(pci, boot, request, &mut draft);
    modprobe::write(form, boot, &mut draft);
    initramfs::write(form, boot, request, &mut draft);
    arguments::write(form, pci, boot, request, &mut draft);
    let Draft { proposal, problems } = draft;
    if problems.is_empty() { Ok(proposal) } else { Err(problems) }
}

/// What must be written for the kernel to be told `wanted`; nothing when it is told already.
///
/// # Errors
/// All reasons why it cannot be done.
pub fn kernel_arguments(wanted: &[&str], boot: &Boot) -> Result<Proposal, Vec<Problem>> {
    let mut draft = Draft { proposal: Proposal::default(), problems: Vec::new() };
    arguments::tell(wanted, boot, &mut draft);
    let Draft { proposal, problems } = draft;
    if problems.is_empty() { Ok(proposal) } else { Err(problems) }
}

/// A proposal under construction.
struct Draft {
    proposal: Proposal,
    problems: Vec<Problem>,
}

impl Draft {
    fn refuse(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    fn note(&mut self, problem: Problem) {
        self.proposal.notes.push(problem);
    }

    /// Writes `text` to `path`; nothing when it is there already.
    fn write(&mut self, boot: &Boot, path: impl AsRef<Path>, text: String) {
        let (path, executable) = (path.as_ref().to_owned(), text.starts_with("#!"));
        let from = boot.files.get(&path).cloned().flatten();
        if from.as_ref() != Some(&text) {
            self.proposal.edits.push(FileEdit { path, from, to: Some(text), executable });
        }
    }

    /// A command that is due after writing and after taking back.
    fn command(&mut self, command: &str) {
        self.commands(command, command);
    }

    fn commands(&mut self, forth: &str, back: &str) {
        self.proposal.commands.push(forth.to_owned());
        self.proposal.back.push(back.to_owned());
    }
}
