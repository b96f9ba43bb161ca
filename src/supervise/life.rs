//! Whether a guest that was started shows a sign of life. Who gave it the only card sees nothing when it shows none, and
//! gets card and desktop back when its time is over.
//!
//! A sign is what no firmware does by itself, so that a guest that boots slowly is not taken for a dead one, and a
//! guest without any has nothing on its disks that could be lost.

use super::console::Console;
use super::state_file::StateFile;
use crate::host::Root;
use crate::qemu::{Event, Qmp, QueryStatus, RunState};
use crate::unit::{Bdf, Period};
use serde_json::{Value, json};
use std::future::pending;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

/// What QEMU says because an operating system's driver did something; QEMU: `qapi/`. The pause is somebody's who is with
/// the guest.
const SIGNS: [&str; 7] =
    ["RTC_CHANGE", "NIC_RX_FILTER_CHANGED", "BALLOON_CHANGE", "DEVICE_TRAY_MOVED", "SUSPEND", "SUSPEND_DISK", "STOP"];

/// The wait for a sign of life.
pub(super) struct Life<'a> {
    limit: Option<Period>,
    heard: Notify,
    /// Where a sign is written down, so that a vmrun that takes over knows of it.
    file: &'a StateFile,
}

impl<'a> Life<'a> {
    /// Waits for `limit` at most; without, or when `file` tells of a sign, not at all. A guest that was taken over
    /// has its whole time again.
    pub(super) fn new(limit: Option<Period>, file: &'a StateFile) -> Self {
        Self { limit: limit.filter(|_| !file.is_alive()), heard: Notify::new(), file }
    }

    /// Takes note of what QEMU says. A reset is no sign: a guest that starts over and over shows nothing either.
    pub(super) fn hear(&self, event: &Event) {
        if self.limit.is_some() && is_sign(event) {
            self.heard.notify_one();
        }
    }

    /// Ends when the time is over and there was no sign; then with how long it was.
    pub(super) async fn missed(&self, look: Look<'_>) -> Period {
        let Some(limit) = self.limit else { return pending().await };
        let over = async {
            sleep(limit.get()).await;
            // A QEMU that says nothing for as long again is dead too.
            timeout(limit.get(), look.finds_a_sign()).await.unwrap_or(false)
        };
        let spoken = async {
            // Closed or behind, something was said.
            let _ = look.console.listen().1.recv().await;
        };
        let found = tokio::select! {
            biased;
            () = self.heard.notified() => true,
            () = spoken => true,
            found = over => found,
        };
        if !found {
            return limit;
        }
        if let Err(error) = self.file.lives() {
            tracing::warn!(%error, "who takes the guest over will wait for a sign of life");
        }
        pending().await
    }
}

/// Where the signs are that nobody is told of.
pub(super) struct Look<'a> {
    pub(super) qmp: &'a Qmp,
    pub(super) root: &'a Root,
    /// What is passed to the guest.
    pub(super) devices: &'a [Bdf],
    /// What the guest says at its serial port.
    pub(super) console: &'a Console,
}

impl Look<'_> {
    async fn finds_a_sign(&self) -> bool {
        let interrupts = self.root.text("/proc/interrupts").unwrap_or_default();
        if has_driver(&interrupts, self.devices) {
            return true;
        }
        // Somebody holds a guest that is paused, and is with it.
        let status = self.qmp.execute(&QueryStatus {}).await;
        if status.is_ok_and(|status| status.status != RunState::Running) {
            return true;
        }
        let disks = self.qmp.raw("query-blockstats", &json!({})).await;
        let ports = self.qmp.raw("query-chardev", &json!({})).await;
        disks.is_ok_and(|disks| has_written(&disks)) || ports.is_ok_and(|ports| has_agent(&ports))
    }
}

fn is_sign(event: &Event) -> bool {
    SIGNS.contains(&event.name.as_str()) || event.name == "VSERPORT_CHANGE" && event.data["open"] == true
}

/// Whether a driver in the guest has asked one of `devices` for interrupts by message, which firmware does not. How many
/// came says nothing: the processor may hand them to the guest itself. Linux: `drivers/vfio/pci/vfio_pci_intrs.c`.
fn has_driver(interrupts: &str, devices: &[Bdf]) -> bool {
    let of_device = |line: &str| devices.iter().any(|bdf| line.contains(&format!("({bdf})")));
    interrupts.lines().filter(|line| line.contains("vfio-msi")).any(of_device)
}

/// Whether a disk was written to; the store of the firmware's variables is none. QEMU: `qapi/block-core.json`.
fn has_written(stats: &Value) -> bool {
    let is_disk = |entry: &&Value| !entry["qdev"].as_str().unwrap_or_default().contains("system.flash");
    let written = |entry: &Value| entry["stats"]["wr_operations"].as_u64().unwrap_or_default() > 0;
    stats.as_array().into_iter().flatten().filter(is_disk).any(written)
}

/// Whether the agent in the guest holds its port open. QEMU: `qapi/char.json`.
fn has_agent(ports: &Value) -> bool {
    let is_open = |port: &Value| port["label"] == "agent" && port["frontend-open"] == true;
    ports.as_array().into_iter().flatten().any(is_open)
}

#[cfg(test)]
mod test {
    use super::{has_agent, has_driver, has_written, is_sign};
    use crate::qemu::Event;
    use serde_json::{Value, json};

    fn sign(name: &str, data: &Value) -> bool {
        is_sign(&Event { name: name.to_owned(), data: data.clone(), at: None })
    }

    #[test]
    fn what_an_operating_system_does_is_a_sign_and_what_firmware_does_is_none() {
        assert!(sign("VSERPORT_CHANGE", &json!({ "open": true, "id": "channel0" })));
        assert!(sign("RTC_CHANGE", &json!({ "offset": 1 })));
        assert!(!sign("VSERPORT_CHANGE", &json!({ "open": false })));
        assert!(!sign("RESET", &json!({ "guest": true })));
    }

    #[test]
    fn an_agent_is_seen_by_its_open_port() {
        let port = |label: &str, open: bool| json!([{ "label": label, "frontend-open": open, "filename": "unix:" }]);
        assert!(has_agent(&port("agent", true)));
        assert!(!has_agent(&port("agent", false)) && !has_agent(&port("qmp", true)));
    }

    #[test]
    fn a_driver_in_the_guest_is_seen_by_the_interrupts_it_asks_for() {
        let devices = ["0000:01:00.0".parse().unwrap()];
        let line = " 45:   0   7  IR-PCI-MSI-0000:01:00.0    0-edge      vfio-msi[0](0000:01:00.0)\n";
        assert!(has_driver(line, &devices));
        assert!(!has_driver(&line.replace("01:00.0", "02:00.0"), &devices));
        assert!(!has_driver(" 16:  9  9  IR-IO-APIC   16-fasteoi   vfio-intx(0000:01:00.0)\n", &devices));
    }

    #[test]
    fn a_disk_that_was_written_to_is_a_sign_and_a_variable_store_is_none() {
        let entry = |qdev: &str, writes: u64| json!({ "qdev": qdev, "stats": { "wr_operations": writes } });
        assert!(has_written(&json!([entry("/machine/peripheral/disk0", 1)])));
        assert!(!has_written(&json!([entry("/machine/peripheral/disk0", 0), entry("/machine/system.flash1", 9)])));
    }
}
