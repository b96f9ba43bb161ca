//! Input devices of the host that are pulled out and plugged in again while a guest has them.
//!
//! QEMU opens such a device once, with its object. When the device goes, reading fails: QEMU closes the descriptor and
//! remembers its number, and who deletes the object then has it close whatever has that number by now (7.2 to 10.0:
//! `input_linux_event()`, `input_linux_instance_finalize()` in `ui/input-linux.c`). So an object is deleted only while
//! nobody else has the number; one whose number somebody has stays, dead, and the device comes under another id.

mod opened;

#[cfg(test)]
mod test;

use super::uevent::{KERNEL, UDEV, Uevents};
use super::usb::Hand;
use super::{Notice, Tell};
use crate::host::Root;
use crate::plan::{Change, EvdevWanted, Plan};
use crate::qemu::{Qmp, QmpError};
use opened::{Identity, Opened};
use serde_json::json;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;
use tokio::time::sleep;

/// A plug is pushed in with a wobble, and a device is several input devices; by then QEMU has seen what is gone.
const QUIET: Duration = Duration::from_millis(300);

/// Keeps the guest's input devices as the host's are.
pub(super) struct EvdevWatch<'a> {
    wanted: Vec<EvdevWanted>,
    /// What QEMU has of each.
    had: Vec<Had>,
    /// What was complained about, so that it is said once.
    told: BTreeSet<String>,
    uevents: Option<Uevents>,
    qmp: Qmp,
    root: Root,
    /// Process id of QEMU.
    qemu: u32,
    /// To whom a node is handed that QEMU has to open.
    hand: Option<Hand<'a>>,
    tell: Tell<'a>,
}

/// An object of QEMU's.
#[derive(Clone, Debug, Default)]
struct Had {
    /// Its id, and what it has open; nothing when the guest goes without.
    object: Option<(String, Option<Opened>)>,
    /// Objects that were left behind; each has taken an id.
    dead: u32,
}

impl<'a> EvdevWatch<'a> {
    /// A watch over `wanted` of the QEMU with process id `qemu`.
    pub(super) fn new(wanted: &[EvdevWanted], (qmp, qemu): (Qmp, u32), root: Root, tell: Tell<'a>) -> Self {
        let uevents = (!wanted.is_empty()).then(|| Uevents::listen(KERNEL | UDEV));
        Self::over(wanted, uevents, (qmp, qemu), root, tell)
    }

    fn over(
        wanted: &[EvdevWanted],
        uevents: Option<io::Result<Uevents>>,
        (qmp, qemu): (Qmp, u32),
        root: Root,
        tell: Tell<'a>,
    ) -> Self {
        let uevents = match uevents {
            Some(Err(error)) => {
                tell(&Notice::Warning(format!("input devices that are plugged in again do not come: {error}")));
                None
            }
            uevents => uevents.and_then(Result::ok),
        };
        let had = vec![Had::default(); wanted.len()];
        Self { wanted: wanted.to_vec(), had, told: BTreeSet::new(), uevents, qmp, root, qemu, hand: None, tell }
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
        self.begin().await;
        loop {
            self.settle().await;
            self.change().await;
        }
    }

    /// Asks QEMU which objects it has: a vmrun before this one may have given and taken some.
    async fn begin(&mut self) {
        let list = self.qmp.raw("qom-list", &json!({ "path": "/objects" })).await.unwrap_or_default();
        let names: BTreeSet<&str> =
            list.as_array().into_iter().flatten().filter_map(|it| it["name"].as_str()).collect();
        for (at, wish) in self.wanted.iter().enumerate() {
            let ids = (0..).map(|dead| id(wish, dead)).take_while(|id| names.contains(id.as_str()));
            let Some((dead, id)) = (0..).zip(ids).last() else { continue };
            let opened = Opened::find(&self.root, self.qemu, Identity::of(&self.root, &wish.path));
            self.had[at] = Had { object: Some((id, opened)), dead };
        }
    }

    /// Waits until something was plugged in or pulled out and all has been quiet since. Cancel-safe.
    async fn change(&mut self) {
        let Some(uevents) = &self.uevents else { return pending().await };
        let mut changed = false;
        loop {
            tokio::select! {
                _ = uevents.next(of_input_device) => changed = true,
                () = sleep(QUIET), if changed => return,
            }
        }
    }

    /// Makes the guest's devices those of the host.
    async fn settle(&mut self) {
        for at in 0..self.wanted.len() {
            let there = Identity::of(&self.root, &self.wanted[at].path);
            let has = self.had[at].object.as_ref().map(|(_, opened)| opened.as_ref().map(Opened::identity));
            match has {
                Some(has) if has.is_some() && has == there => continue,
                Some(_) => self.take(at).await,
                None => {}
            }
            if there.is_some() {
                self.give(at).await;
            }
        }
    }

    /// Has QEMU forget a device that is gone.
    async fn take(&mut self, at: usize) {
        let Some((id, opened)) = self.had[at].object.take() else { return };
        let name = self.name(at);
        if opened.is_some_and(|opened| opened.is_nobody_elses(&self.root, self.qemu)) {
            match self.qmp.raw("object-del", &json!({ "id": id })).await {
                Ok(_) => {}
                Err(QmpError::Closed) => return,
                Err(error) => tracing::warn!(id, %error, "qemu keeps an input device"),
            }
        } else {
            tracing::info!(id, "left behind: its descriptor's number is somebody else's");
            self.had[at].dead += 1;
        }
        if let Some(hand) = self.hand
            && let Err(left) = hand.lease.hand_back(&self.wanted[at].path.to_string_lossy()).await
        {
            (self.tell)(&Notice::Warning(format!("{}: {}", left.step, left.why)));
        }
        (self.tell)(&Notice::Note(format!("{name} was pulled out; the guest gets it again when it is plugged in")));
    }

    /// Gives QEMU a device that has come.
    async fn give(&mut self, at: usize) {
        let (name, wish) = (self.name(at), &self.wanted[at]);
        if let Some(Hand { lease, uid }) = self.hand {
            let change = Change::Owner { path: wish.path.to_string_lossy().into_owned(), from: 0, to: uid };
            if let Err(error) = lease.make(&change).await {
                return self.complain(format!("{name} does not come to the guest: {error}"));
            }
        } else if !self.root.readable_and_writable(&wish.path) {
            return self.complain(format!("{name} is plugged in, and this user may not open it"));
        }
        let id = id(wish, self.had[at].dead);
        match self.qmp.raw("object-add", &wish.called(&id)).await {
            Ok(_) => {
                let opened = Opened::find(&self.root, self.qemu, Identity::of(&self.root, &wish.path));
                self.had[at].object = Some((id, opened));
                (self.tell)(&Notice::Note(format!("{name} was plugged in, and is the guest's")));
            }
            Err(QmpError::Closed) => {}
            Err(error) => self.complain(format!("{name} does not come to the guest: {error}")),
        }
    }

    fn name(&self, at: usize) -> String {
        let EvdevWanted { at, path, .. } = &self.wanted[at];
        format!("{at} ({})", path.display())
    }

    fn complain(&mut self, text: String) {
        if !self.told.contains(&text) {
            (self.tell)(&Notice::Warning(text.clone()));
            self.told.insert(text);
        }
    }
}

/// `plan` for a QEMU that is started anew: without the input devices that were pulled out meanwhile, and without those that
/// were plugged in again while nobody handed them to its user. [`EvdevWatch`] gives them.
pub(super) fn for_a_new_qemu(plan: &Plan, root: &Root) -> Plan {
    let owner = plan.user.as_ref().map(|user| user.uid);
    plan.with_inputs(|path| root.metadata(path).is_ok_and(|node| owner.is_none_or(|uid| node.uid() == uid)))
}

/// Id of the object of `wish` after so many that were left behind.
fn id(wish: &EvdevWanted, dead: u32) -> String {
    if dead == 0 { wish.id.clone() } else { format!("{}-{dead}", wish.id) }
}

/// `Some` when the kernel's or udev's message is about a device that can be opened as one of `/dev/input`.
fn of_input_device(message: &[u8]) -> Option<()> {
    let has = |part: &[u8]| message.windows(part.len()).any(|window| window == part);
    (has(b"SUBSYSTEM=input\0") && has(b"DEVNAME=")).then_some(())
}
