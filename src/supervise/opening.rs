//! What a run has before anything of the host is touched: its folders, its sockets, and what it tells who asks.

use super::chronicle::Chronicle;
use super::control::{Control, Desk, Pins, Status};
use super::host_cpus::HostCpus;
use super::host_power::HostPower;
use super::inputs::Inputs;
use super::interrupts::Interrupts;
use super::panic_key::PanicKey;
use super::run::{Order, Run};
use super::signal::Signals;
use super::state_file::StateFile;
use super::{Scene, run_folder};
use crate::apply::Instance;
use crate::plan::Contents;
use crate::process::spare_this_process;
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

/// The folders and the sockets of a run.
pub(super) fn begun(order: Order, instance: &Instance) -> Result<(Run<'_>, Inputs), String> {
    let log_dir = run_folder::make(&order.log_dir, &run_folder::Begun::of(&order))?;
    let order = Order { log_dir, ..order };
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let state = StateFile::new(instance.dir());
    let cpus = HostCpus::watch(&order.plan.pins);
    opened(Run { desk: desk(&order, since)?, order, instance, state, since, cpus })
}

/// With the sockets through which people are heard.
pub(super) fn opened(run: Run<'_>) -> Result<(Run<'_>, Inputs), String> {
    spare_this_process();
    let dir = run.instance.dir();
    let open = || Ok((Signals::new()?, Control::listen(dir, Rc::clone(&run.desk))?));
    let (signals, control) =
        open().map_err(|error: std::io::Error| format!("cannot listen in {}: {error}", dir.display()))?;
    let panic_key = PanicKey::listen(run.order.plan.panic_key.as_ref())?;
    let power = HostPower::listen(&run.order.plan, Rc::clone(&run.desk));
    let inputs = Inputs::new((signals, control), (power, panic_key), run.order.plan.ending.stop_on_hangup);
    Ok((run, inputs))
}

/// What the hooks and companions of `order` get to know.
pub(super) fn scene(order: &Order) -> Scene {
    let Order { plan, folder, log_dir, plan_json, .. } = order;
    Scene {
        name: plan.name.clone(),
        run_dir: plan.run_dir.clone(),
        folder: Some(folder.clone()),
        log_dir: Some(log_dir.clone()),
        reason: None,
        exit: None,
        pid: None,
        qmp: None,
        plan_json: plan_json.as_slice().into(),
    }
}

/// What clients get to know of `order`, a run since then.
pub(super) fn desk(order: &Order, since: u64) -> Result<Rc<Desk>, String> {
    let Order { plan, log_dir, .. } = order;
    let chronicle =
        Chronicle::open(log_dir).map_err(|error| format!("cannot write in {}: {error}", log_dir.display()))?;
    let status = Status {
        name: plan.name.to_string(),
        state: "preparing".into(),
        guest: None,
        supervisor: std::process::id(),
        qemu: None,
        since,
        vcpus: plan.vcpus,
        memory: plan.argv.memory.get("size").or_else(|| plan.argv.memory.first()).unwrap_or_default().to_owned(),
        devices: devices(plan),
        pins: Pins::default(),
        services: Vec::new(),
        logs: log_dir.clone(),
        events: Vec::new(),
    };
    let interrupts = Interrupts { devices: plan.devices.clone(), places: plan.interrupts.clone() };
    Ok(Rc::new(Desk::new(status, plan.run_dir.clone(), chronicle, interrupts)))
}

/// The devices of the host among those of the guest.
fn devices(plan: &Contents) -> Vec<String> {
    let devices = plan.argv.json("-device");
    devices
        .filter_map(|device| {
            let (text, number) = (|key: &str| device[key].as_str(), |key: &str| device[key].as_u64());
            match text("driver")? {
                "vfio-pci" => Some(format!("pci {}", text("host").or_else(|| text("sysfsdev"))?)),
                "usb-host" => Some(match (number("vendorid"), number("productid")) {
                    (Some(vendor), Some(product)) => format!("usb {vendor:04x}:{product:04x}"),
                    _ => format!("usb {}-{}", number("hostbus")?, text("hostport")?),
                }),
                _ => None,
            }
        })
        .collect()
}
