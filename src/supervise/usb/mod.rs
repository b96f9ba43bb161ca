//! USB devices of the host that come to the guest when they are plugged in, and leave it when they are pulled out.
//!
//! QEMU looks for its devices every two seconds, as the user it runs as, and may keep a dead one for ever. So it is told:
//! the kernel says that something changed; when all has been quiet for a moment, vmrun looks which devices there are, and
//! QEMU lets go of what is gone and takes what has come. Nothing happens while nothing is plugged in or pulled out.

mod moves;
mod news;

#[cfg(test)]
mod test;

use super::uevent::{KERNEL, UDEV, Uevents};
use super::{Notice, Tell};
use crate::apply::Lease;
use crate::host::{Root, usb_devices};
use crate::plan::{Change, UsbFound, UsbWanted};
use crate::qemu::{Qmp, QmpError};
use moves::{Move, Plugged, moves};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

/// A plug is pushed in with a wobble, and a device may come back under another id when its firmware is loaded.
const QUIET: Duration = Duration::from_millis(300);
/// How long QEMU may take to let go of a device.
const LETTING_GO: Duration = Duration::from_secs(5);

/// Tells the watch something from outside.
pub(super) type Say = mpsc::UnboundedSender<Said>;

/// What the watch can be told.
#[derive(Clone, Debug)]
pub(super) enum Said {
    /// QEMU has let go of the device with this id.
    Deleted(String),
}

/// Keeps the guest's USB devices as the host's are.
pub(super) struct UsbWatch<'a> {
    wanted: Vec<UsbWanted>,
    /// What the guest has, by the place of what wanted it.
    given: BTreeMap<usize, Plugged>,
    /// What was complained about, so that it is said once.
    told: BTreeSet<String>,
    /// Whether a vmrun before this one may have given and taken devices.
    taken_over: bool,
    uevents: Option<Uevents>,
    said: mpsc::UnboundedReceiver<Said>,
    qmp: Qmp,
    root: Root,
    /// To whom a node is handed that QEMU has to open.
    hand: Option<Hand<'a>>,
    tell: Tell<'a>,
}

/// How the user that QEMU runs as comes by a device node.
#[derive(Clone, Copy)]
pub(super) struct Hand<'a> {
    /// Where it is written down.
    pub(super) lease: &'a Lease,
    /// Id of the user.
    pub(super) uid: u32,
}

impl<'a> UsbWatch<'a> {
    /// A watch over `wanted`, and the way to tell it something.
    pub(super) fn new(wanted: &[UsbWanted], qmp: Qmp, root: Root, tell: Tell<'a>) -> (Self, Say) {
        let uevents = (!wanted.is_empty()).then(|| Uevents::listen(KERNEL | UDEV));
        Self::over(wanted, uevents, qmp, root, tell)
    }

    fn over(
        wanted: &[UsbWanted],
        uevents: Option<io::Result<Uevents>>,
        qmp: Qmp,
        root: Root,
        tell: Tell<'a>,
    ) -> (Self, Say) {
        let (say, said) = mpsc::unbounded_channel();
        let uevents = match uevents {
            Some(Err(error)) => {
                tell(&Notice::Warning(format!("USB devices that are plugged in later do not come: {error}")));
                None
            }
            listening => listening.and_then(Result::ok),
        };
        let (given, told) = (BTreeMap::new(), BTreeSet::new());
        (
            Self {
                wanted: wanted.to_vec(),
                given,
                told,
                taken_over: false,
                uevents,
                said,
                qmp,
                root,
                hand: None,
                tell,
            },
            say,
        )
    }

    /// The watch over a guest that another vmrun watched before.
    pub(super) fn taken_over(self) -> Self {
        Self { taken_over: true, ..self }
    }

    /// The same for a QEMU that runs as a user of its own.
    pub(super) fn handing(self, hand: Option<Hand<'a>>) -> Self {
        Self { hand, ..self }
    }

    /// Watches until it is dropped.
    pub(super) async fn run(mut self) -> Infallible {
        if self.uevents.is_none() {
            return pending().await;
        }
        self.begin();
        if self.taken_over {
            self.resume().await;
        }
        loop {
            self.settle().await;
            self.change().await;
        }
    }

    /// What is plugged in where the plan found it is on QEMU's command line.
    fn begin(&mut self) {
        let present = usb_devices(&self.root);
        for (at, wish) in self.wanted.iter().enumerate() {
            let UsbWanted { at: key, which, found, .. } = wish;
            if let Some(UsbFound { port, id }) = found {
                let still = present.iter().find(|device| device.port == *port && device.id == *id);
                // No device has number 0: one that was pulled out meanwhile is taken from QEMU at once.
                let number = still.map_or(0, |device| device.number);
                self.given.insert(at, Plugged { port: port.clone(), number, id: *id });
            } else if !present.iter().any(|device| which.means(device.id, &device.port, device.serial.as_deref())) {
                (self.tell)(&Notice::Note(format!("{key} ({which}) is not plugged in; it comes when it is")));
            }
        }
    }

    /// Asks QEMU which devices it has by now: the plan only knows those of the start.
    async fn resume(&mut self) {
        let present: Vec<Plugged> = usb_devices(&self.root).iter().map(Plugged::of).collect();
        for at in 0..self.wanted.len() {
            let device =
                json!({ "path": format!("/machine/peripheral/{}", self.wanted[at].id), "property": "hostdevice" });
            let Ok(opened) = self.qmp.raw("qom-get", &device).await else {
                self.given.remove(&at);
                continue;
            };
            // Empty for one that is on QEMU's command line.
            let Some(opened) = opened.as_str().filter(|node| !node.is_empty()) else { continue };
            match present.iter().find(|plugged| node(plugged, &self.root).as_deref() == Some(opened)) {
                Some(plugged) => drop(self.given.insert(at, plugged.clone())),
                None => self.take(at).await,
            }
        }
    }

    /// Waits until something was plugged in or pulled out and all has been quiet since. Cancel-safe.
    async fn change(&mut self) {
        let Self { uevents: Some(uevents), said, .. } = self else { return pending().await };
        let mut changed = false;
        loop {
            tokio::select! {
                _ = uevents.next(news::of_usb_device) => changed = true,
                // QEMU lets go of a device by itself when somebody else told it to.
                Some(Said::Deleted(id)) = said.recv() => tracing::debug!(id, "device gone"),
                () = sleep(QUIET), if changed => return,
            }
        }
    }

    /// Makes the guest's devices those of the host.
    async fn settle(&mut self) {
        for step in moves(&self.wanted, &self.given, &usb_devices(&self.root)) {
            match step {
                Move::Take(at) => self.take(at).await,
                Move::Give(at, plugged) => self.give(at, plugged).await,
                Move::Spare(at, _) => {
                    let UsbWanted { at, which, .. } = &self.wanted[at];
                    self.complain(format!(
                        "{at} ({which}) is the host's last keyboard and stays; last_keyboard = true gives it away"
                    ));
                }
            }
        }
    }

    async fn take(&mut self, at: usize) {
        let had = self.given.remove(&at);
        self.let_go(at).await;
        if let (Some(hand), Some(plugged)) = (self.hand, had)
            && let Err(left) = hand.lease.hand_back(&name(&plugged)).await
        {
            (self.tell)(&Notice::Warning(format!("{}: {}", left.step, left.why)));
        }
    }

    /// Has QEMU let go of a device.
    async fn let_go(&mut self, at: usize) {
        let UsbWanted { at, id, which, .. } = &self.wanted[at];
        match self.qmp.raw("device_del", &json!({ "id": id })).await {
            Ok(_) => {}
            // It went by itself.
            Err(QmpError::Refused { class, .. }) if class == "DeviceNotFound" => return,
            Err(QmpError::Closed) => return,
            Err(error) => {
                return (self.tell)(&Notice::Warning(format!("{at} ({which}) stays with the guest: {error}")));
            }
        }
        let said = &mut self.said;
        let gone = async {
            while let Some(Said::Deleted(deleted)) = said.recv().await {
                if deleted == *id {
                    return;
                }
            }
            pending::<()>().await;
        };
        if timeout(LETTING_GO, gone).await.is_ok() {
            (self.tell)(&Notice::Note(format!("{at} ({which}) was pulled out")));
        } else {
            (self.tell)(&Notice::Warning(format!("{at} ({which}) was pulled out, and QEMU does not let go of it")));
        }
    }

    async fn give(&mut self, at: usize, plugged: Plugged) {
        let UsbWanted { at: key, which, .. } = &self.wanted[at];
        let node = node(&plugged, &self.root);
        if let (Some(Hand { lease, uid }), Some(node)) = (self.hand, &node) {
            let change = Change::Owner { path: node.clone(), from: 0, to: uid };
            if let Err(error) = lease.make(&change).await {
                return self.complain(format!("{key} ({which}) does not come to the guest: {error}"));
            }
        }
        if let Some(node) = node.as_ref().filter(|node| !self.root.readable_and_writable(node)) {
            let rule = "SUBSYSTEM==\"usb\", ATTR{idVendor}==\"";
            let (vendor, product) = (plugged.id.vendor(), plugged.id.product());
            return self.complain(format!(
                "{key} ({which}) is plugged in, and this user may not open {node}; a udev rule can allow it: \
                 {rule}{vendor:04x}\", ATTR{{idProduct}}==\"{product:04x}\", TAG+=\"uaccess\""
            ));
        }
        let device: Value = self.wanted[at].plugged_in(plugged.id, &plugged.port, node.as_deref());
        match self.qmp.raw("device_add", &device).await {
            Ok(_) => {
                (self.tell)(&Notice::Note(format!("{key} ({which}) was plugged in at {}", plugged.port)));
                self.given.insert(at, plugged);
            }
            Err(QmpError::Closed) => {}
            Err(error) => self.complain(format!("{key} ({which}) does not come to the guest: {error}")),
        }
    }

    fn complain(&mut self, text: String) {
        if !self.told.contains(&text) {
            (self.tell)(&Notice::Warning(text.clone()));
            self.told.insert(text);
        }
    }
}

/// The node by which the device is opened; `None` where the host has no such nodes.
fn node(plugged: &Plugged, root: &Root) -> Option<String> {
    Some(name(plugged)).filter(|node| root.exists(node))
}

/// Its name. Linux: `Documentation/driver-api/usb/usb.rst`, "The usbfs node names".
fn name(plugged: &Plugged) -> String {
    format!("/dev/bus/usb/{:03}/{:03}", plugged.port.bus(), plugged.number)
}
