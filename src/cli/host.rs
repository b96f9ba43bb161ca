//! `vmrun host`: what vmrun sees of this machine.

use super::args::{Host as Args, View};
use super::load::{Loaded, Rejected, dumped};
use super::output::Output;
use super::render::host::{self as page};
use super::{Exit, permissions};
use crate::host::{Area, Host, Root, Wants};
use serde_json::Value;

/// Shows a view, the summary, or with `--dump` every fact.
pub(super) fn run(args: &Args, output: Output) -> Exit {
    if let Some(View::Permissions(wanted)) = &args.view {
        return permissions::run(wanted, args, output);
    }
    let host = match host(args) {
        Ok(host) => host,
        Err(rejected) => return rejected.tell(output),
    };
    let facts = match &args.view {
        _ if args.dump.is_some() => Some(serde_json::to_value(&host)),
        None if output.json => Some(serde_json::to_value(&host)),
        Some(view) if output.json => Some(Ok(json(view, &host))),
        _ => None,
    };
    match facts {
        Some(Ok(facts)) => output.answer_json(&facts, Exit::Good),
        Some(Err(error)) => output.answer(&format!("{error}\n"), Exit::Internal),
        None => output.answer(&text(args.view.as_ref(), &host, output.width), Exit::Good),
    }
}

/// The host that a file describes, or this one.
fn host(args: &Args) -> Result<Host, Rejected> {
    if let Some(path) = &args.host {
        return dumped(path);
    }
    let mut wants = match &args.dump {
        Some(Some(profile)) => {
            let loaded = Loaded::read(profile, &args.layers)?;
            loaded.profile.wants(&loaded.setting)
        }
        Some(None) | None => Wants::default(),
    };
    wants.areas.extend(areas(args));
    Ok(Host::read(&Root::default(), &wants))
}

/// What a view looks at closely.
fn areas(args: &Args) -> &'static [Area] {
    use Area::{Cpus, Firmware, Frequency, Holders, HugePages, Memory, Names, Pci, Usb};
    match &args.view {
        None => &Area::ALL,
        Some(View::Groups | View::Gpus) => &[Pci, Names, Holders],
        Some(View::Usb) => &[Pci, Names, Holders, Usb],
        Some(View::Cpus) => &[Cpus, Frequency],
        Some(View::Memory) => &[Memory, HugePages],
        Some(View::Firmware) => &[Firmware],
        Some(View::Permissions(_)) => &[],
    }
}

fn text(view: Option<&View>, host: &Host, width: usize) -> String {
    match view {
        None | Some(View::Permissions(_)) => page::summary(host, width),
        Some(View::Groups) => page::groups(host, width),
        Some(View::Gpus) => page::gpus(host, width),
        Some(View::Usb) => page::usb(host, width),
        Some(View::Cpus) => page::cpus(host, width),
        Some(View::Memory) => page::memory(host, width),
        Some(View::Firmware) => page::firmware(host, width),
    }
}

fn json(view: &View, host: &Host) -> Value {
    match view {
        View::Groups => page::groups_json(host),
        View::Gpus => page::gpus_json(host),
        View::Usb => page::usb_json(host),
        View::Cpus => page::cpus_json(host),
        View::Memory => page::memory_json(host),
        View::Firmware => page::firmware_json(host),
        // A page of its own.
        View::Permissions(_) => Value::Null,
    }
}
