//! Whether the guest could run here, told before anything is written.

use super::choice::Choice;
use super::disk;
use super::found::Found;
use super::talk::End;
use crate::cli::Exit;
use crate::cli::args::Layers;
use crate::cli::load::{Loaded, Rejected};
use crate::cli::output::{Output, Weight};
use crate::cli::render::finding;
use crate::host::{Host, Root};
use crate::plan::Class;
use std::path::Path;

/// Plans the profile and its variant, and tells what speaks against them.
///
/// What the person can still put right, like a package that is missing or a start without root, does not stop it.
///
/// # Errors
/// When such a guest cannot run on this host; it is told.
pub(super) fn tell(path: &Path, text: &str, choice: &Choice, found: &Found, output: Output) -> Result<(), End> {
    let install = Layers { variants: vec!["install".to_owned()], sets: Vec::new() };
    let variants = if choice.discs.is_empty() { vec![Layers::default()] } else { vec![Layers::default(), install] };
    for layers in variants {
        one(path, text, &layers, choice, found, output).map_err(End::Told)?;
    }
    Ok(())
}

fn one(path: &Path, text: &str, layers: &Layers, choice: &Choice, found: &Found, output: Output) -> Result<(), Exit> {
    let loaded =
        Loaded::embedded(&path.to_string_lossy(), text, layers).map_err(|wrong: Rejected| wrong.tell(output))?;
    let wants = loaded.profile.wants(&loaded.setting);
    let mut here = Host::read(&Root::default(), &wants);
    disk::foretold(&choice.disk, &mut here);
    let planned = loaded.plan_for(if found.elsewhere { there(&found.host, here) } else { here });
    let Err(refusal) = &planned.plan else { return Ok(()) };
    let hopeless = matches!(refusal.class(), Class::Invalid | Class::Impossible);
    // Only root may do what a card takes, which the profile says; everything else is worth a word.
    if hopeless || refusal.problems.iter().any(|problem| problem.class != Class::Denied) {
        let weight = if hopeless { Weight::Error } else { Weight::Warning };
        output.say(weight, &finding::text(&loaded.sheets, &planned.findings, output.width));
        if !hopeless {
            output.say(
                Weight::Info,
                "none of this keeps the profile from being written; put it right before the guest is started\n",
            );
        }
    }
    if hopeless { Err(planned.exit()) } else { Ok(()) }
}

/// Another machine, whose dump knows nothing of the paths that the profile names: those are looked at here.
fn there(host: &Host, here: Host) -> Host {
    let mut host = host.clone();
    host.paths.extend(here.paths);
    host.images.extend(here.images);
    host.qemu = host.qemu.or(here.qemu);
    host
}
