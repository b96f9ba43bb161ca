//! `vmrun pci`: PCI devices of the host that go to the guest and come back while it runs.

use super::{Refused, done, for_guest, run_dir};
use crate::cli::Exit;
use crate::cli::args::{Layers, Pci, PciCommand};
use crate::cli::load::Loaded;
use crate::cli::msi;
use crate::cli::output::Output;
use crate::cli::run::accepted;
use crate::plan::Plan;
use crate::supervise::{Ask, Client, Gift};
use crate::unit::{Bdf, GuestName, PciSelector, Period};
use serde_json::{Value, json};
use tokio::time::timeout;

/// Gives a device to the guest, or takes it back.
pub(in crate::cli) fn pci(Pci { command }: &Pci, output: Output) -> Exit {
    match command {
        PciCommand::Attach { name, device, sets } => for_guest(name, output, attach(name, device, sets, output)),
        PciCommand::Detach { name, device, timeout } => for_guest(name, output, detach(name, device, *timeout, output)),
        PciCommand::Msi(args) => msi::run(args, output),
    }
}

async fn attach(name: &GuestName, device: &PciSelector, sets: &[String], output: Output) -> Result<Exit, Refused> {
    let mut client = Client::connect(&run_dir(name)).await?;
    let plan = match planned(name, device, sets, output) {
        Ok(plan) => plan,
        Err(exit) => return Ok(exit),
    };
    let answer = client.ask(&Ask::PciAttach(gift(&plan))).await?;
    let place = answer["place"].as_str().unwrap_or_default();
    Ok(done(name, &format!("it has {}, behind {place}", list(&plan.devices)), output))
}

/// The plan for a profile that has nothing but the device. What stands against it is told.
fn planned(name: &GuestName, device: &PciSelector, sets: &[String], output: Output) -> Result<Plan, Exit> {
    // A text in JSON is one in TOML.
    let text = format!("schema = 1\nname = {}\n[[pci]]\ndevice = {}\n", json!(name), json!(device));
    let sets = sets.iter().map(|set| format!("pci[0].{set}")).collect();
    let loaded = match Loaded::embedded("vmrun pci attach", &text, &Layers { variants: Vec::new(), sets }) {
        Ok(loaded) => loaded,
        Err(rejected) => return Err(rejected.tell(output)),
    };
    let planned = loaded.plan_attach();
    accepted(&loaded, planned, output).map(|(plan, _host)| plan)
}

fn gift(plan: &Plan) -> Gift {
    let function = |device: Value| Some((device["host"].as_str()?.parse().ok()?, device));
    Gift {
        devices: plan.devices.clone(),
        changes: plan.changes.clone(),
        functions: plan.argv.json("-device").filter_map(function).collect(),
    }
}

async fn detach(name: &GuestName, device: &PciSelector, limit: Period, output: Output) -> Result<Exit, Refused> {
    let devices = match device {
        PciSelector::Function(bdf) => vec![*bdf],
        PciSelector::Device(first) => (0..8).filter_map(|function| first.sibling(function)).collect(),
        PciSelector::Path(..) | PciSelector::Ids { .. } | PciSelector::Slot(_) => {
            return Err(Refused::unless(
                format!("`{device}` is no address"),
                format!("vmrun status {name}   # lists what it has"),
            ));
        }
    };
    let mut client = Client::connect(&run_dir(name)).await?;
    match timeout(limit.get(), client.ask(&Ask::PciDetach { devices })).await {
        Ok(answer) => {
            let back: Vec<Bdf> = serde_json::from_value(answer?["devices"].take()).unwrap_or_default();
            Ok(done(name, &format!("back with the host: {}", list(&back)), output))
        }
        Err(_) => Err(Refused::unless(
            format!("the guest has not let go of {device} within {limit}"),
            "wait, as the host gets it back when it does, or eject the device in the guest",
        )),
    }
}

fn list(devices: &[Bdf]) -> String {
    devices.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
}
