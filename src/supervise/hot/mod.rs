//! PCI functions of the host that come to a guest while it runs, and leave it.
//!
//! QEMU only asks the guest to let go of a device. When the guest has, which may be at once, in an hour, or unasked, QEMU
//! says so, and the host gets the device back. Nobody waits for that but the client that wants to know.

mod device;
mod slot;

pub(super) use device::Said;

use super::control::{Desk, Gift, Plug, Refusal, Reply};
use super::prepare::{Hands, failure};
use super::run::sentence;
use super::{Failure, Notice, Stage};
use crate::apply::Unrestored;
use crate::plan::Change;
use crate::qemu::{Qmp, QmpError};
use crate::unit::Bdf;
use device::{id, passed, planned};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use tokio::sync::mpsc;

/// Tells [`Hot`] what QEMU said of its devices.
pub(super) type Say = mpsc::UnboundedSender<Said>;

/// The passed functions of a guest that runs.
pub(super) struct Hot<'a> {
    hands: Hands<'a>,
    qmp: Qmp,
    desk: &'a Desk,
    asked: mpsc::UnboundedReceiver<(Plug, Reply)>,
    said: mpsc::UnboundedReceiver<Said>,
    /// What QEMU has, by the ids of its devices.
    there: BTreeMap<String, Bdf>,
    /// What QEMU has let go of while another function of the same device is still there.
    gone: BTreeSet<Bdf>,
    /// What was changed for a device besides itself.
    around: Vec<(Bdf, Vec<Change>)>,
    /// Who waits for the guest to let go.
    waiting: Vec<(Bdf, Reply)>,
}

impl<'a> Hot<'a> {
    /// Over the guest behind `qmp`; and the way to tell it what QEMU says.
    pub(super) fn new(hands: Hands<'a>, qmp: Qmp, desk: &'a Desk) -> (Self, Say) {
        let (say, said) = mpsc::unbounded_channel();
        let (asked, there) = (desk.take_plugs(), planned(hands.plan));
        let (gone, around, waiting) = (BTreeSet::new(), Vec::new(), Vec::new());
        (Self { hands, qmp, desk, asked, said, there, gone, around, waiting }, say)
    }

    /// Works until it is dropped. Where another vmrun was with the guest before, devices may have come and gone.
    pub(super) async fn run(mut self, taken_over: bool) -> Infallible {
        if taken_over {
            self.look_round().await;
        }
        loop {
            tokio::select! {
                Some((plug, reply)) = self.asked.recv() => match plug {
                    Plug::In(gift) => {
                        let done = self.attach(&gift).await;
                        // A client that left learns it from the status.
                        let _ = reply.send(done);
                    }
                    Plug::Out(devices) => self.detach(&devices, reply).await,
                },
                Some(said) = self.said.recv() => self.heard(said).await,
            }
        }
    }

    /// Finds out what QEMU has by now, and gives back what it has not.
    async fn look_round(&mut self) {
        // Without an answer QEMU is about to end, and everything is put back then.
        let Ok(there) = passed(&self.qmp).await else { return };
        self.there = there;
        let has = |bdf: &Bdf| self.there.values().any(|other| other == bdf);
        let (mine, lost): (Vec<_>, Vec<_>) = self.hands.lease.devices().into_iter().partition(has);
        let came_later: Vec<_> = mine.into_iter().filter(|bdf| !self.hands.plan.devices.contains(bdf)).collect();
        if let Err(error) = self.hands.lease.claim_devices(&came_later) {
            self.warn(sentence(&error));
        }
        if !lost.is_empty() {
            self.give_back(&lost, &[]).await;
        }
        self.desk.has(self.there.values());
    }

    async fn attach(&mut self, gift: &Gift) -> Result<Value, Refusal> {
        if let Some(user) = &self.hands.plan.user {
            // VFIO's nodes are handed over by the plan that the guest is started by.
            let user = &user.user;
            return Err(Refusal::ours(format!("its QEMU runs as {user}, who may not open it; give it in the profile")));
        }
        let place = slot::free(&self.qmp).await?;
        let taken = self.hands.lease.take(&gift.devices, &gift.changes).await;
        taken.map_err(|error| Refusal::ours(sentence(&error)))?;
        // The guest looks at a device when its function 0 has come.
        let mut functions: Vec<_> = gift.functions.iter().collect();
        functions.sort_by_key(|(bdf, _)| std::cmp::Reverse(bdf.function()));
        for (bdf, properties) in functions {
            let id = id(*bdf);
            if let Err(error) = self.qmp.raw("device_add", &place.onto(properties, &id)).await {
                return Err(self.not_attached(gift, error).await);
            }
            self.there.insert(id, *bdf);
        }
        self.around.extend(gift.devices.first().map(|bdf| (*bdf, gift.changes.clone())));
        self.desk.has(self.there.values());
        let names = list(&gift.devices);
        self.note(format!("attached: {names}, behind {place}"));
        Ok(json!({ "devices": gift.devices, "place": place.to_string() }))
    }

    /// QEMU refused one of its functions. Those that it has already no guest has seen; the device goes back whole, when
    /// QEMU has let go of them.
    async fn not_attached(&mut self, gift: &Gift, error: QmpError) -> Refusal {
        let ids: Vec<_> = self.there.iter().filter(|(_, bdf)| gift.devices.contains(bdf)).collect();
        let mut why = Refusal::from(error);
        if ids.is_empty() {
            self.give_back(&gift.devices, &gift.changes).await;
            return why;
        }
        for (id, _) in ids {
            // What QEMU does not let go of now is put back at its end.
            let _ = self.qmp.raw("device_del", &json!({ "id": id })).await;
        }
        why.desc += "; what it has of the device already goes back when it lets go of it";
        why
    }

    async fn detach(&mut self, devices: &[Bdf], reply: Reply) {
        let mut meant: Vec<_> = self.there.iter().filter(|(_, bdf)| devices.contains(bdf)).collect();
        // All functions of a device go with the first.
        meant.sort_by_key(|(_, bdf)| bdf.function());
        let Some((id, bdf)) = meant.first().map(|(id, bdf)| ((*id).clone(), **bdf)) else {
            let has: Vec<_> = self.there.values().copied().collect();
            let has = if has.is_empty() { "no device of the host".to_owned() } else { list(&has) };
            let wanted = list(&devices[..devices.len().min(1)]);
            let _ = reply.send(Err(Refusal::ours(format!("it does not have {wanted}; it has {has}"))));
            return;
        };
        match self.qmp.raw("device_del", &json!({ "id": id })).await {
            // Asked before, the guest has not answered yet.
            Err(QmpError::Refused { desc, .. }) if desc.contains("in the process of unplug") => {}
            Err(error) => {
                let _ = reply.send(Err(error.into()));
                return;
            }
            Ok(_) => self.note(format!("the guest is asked to let go of {}", list(&self.mates(bdf)))),
        }
        self.waiting.push((bdf, reply));
    }

    async fn heard(&mut self, said: Said) {
        match said {
            Said::Deleted(id) => {
                let Some(bdf) = self.there.remove(&id) else { return };
                self.gone.insert(bdf);
                if self.mates(bdf).is_empty() {
                    self.let_go(bdf).await;
                }
            }
            Said::Kept(id) => {
                let Some(bdf) = self.there.get(&id).copied() else { return };
                let text = format!("the guest does not let go of {}", list(&self.mates(bdf)));
                self.warn(text.clone());
                self.answer(bdf, &Err(Refusal::ours(text)));
            }
        }
    }

    /// QEMU has let go of the whole device of `bdf`.
    async fn let_go(&mut self, bdf: Bdf) {
        let devices: Vec<_> = self.gone.iter().copied().filter(|other| other.same_device(bdf)).collect();
        self.gone.retain(|other| !other.same_device(bdf));
        let (around, others) = std::mem::take(&mut self.around).into_iter().partition(|(of, _)| of.same_device(bdf));
        self.around = others;
        let around: Vec<(Bdf, Vec<Change>)> = around;
        let changes: Vec<_> = around.into_iter().flat_map(|(_, changes)| changes).collect();
        let left = self.give_back(&devices, &changes).await;
        self.desk.has(self.there.values());
        let names = list(&devices);
        let answer = match left.first() {
            None => Ok(json!({ "devices": devices })),
            Some(Unrestored { step, why }) => {
                Err(Refusal::ours(format!("the guest let go of {names}, which is not all put back: {step}: {why}")))
            }
        };
        if answer.is_ok() {
            self.note(format!("back with the host: {names}"));
        }
        self.answer(bdf, &answer);
    }

    async fn give_back(&self, devices: &[Bdf], around: &[Change]) -> Vec<Unrestored> {
        let left = self.hands.lease.give_back(devices, around).await;
        for Unrestored { step, why } in &left {
            self.warn(format!("not put back, and tried again at the guest's end: {step}: {why}"));
        }
        left
    }

    fn answer(&mut self, bdf: Bdf, answer: &Result<Value, Refusal>) {
        let (meant, others) = std::mem::take(&mut self.waiting).into_iter().partition(|(of, _)| of.same_device(bdf));
        self.waiting = others;
        let meant: Vec<(Bdf, Reply)> = meant;
        for (_, reply) in meant {
            let _ = reply.send(answer.clone());
        }
    }

    /// The functions of the device of `bdf` that QEMU has.
    fn mates(&self, bdf: Bdf) -> Vec<Bdf> {
        self.there.values().copied().filter(|other| other.same_device(bdf)).collect()
    }

    fn note(&self, text: String) {
        (self.hands.tell)(&Notice::Note(text));
    }

    fn warn(&self, text: String) {
        (self.hands.tell)(&Notice::Warning(text));
    }
}

/// Makes the host ready for a new QEMU of the same plan: what was attached to the old one goes back, and what was
/// detached from it is taken again.
pub(super) async fn as_planned(hands: Hands<'_>) -> Result<(), Failure> {
    let Hands { plan, lease, .. } = hands;
    let (planned, later): (Vec<_>, Vec<_>) = lease.devices().into_iter().partition(|bdf| plan.devices.contains(bdf));
    for Unrestored { step, why } in lease.give_back(&later, &[]).await {
        (hands.tell)(&Notice::Warning(format!("not put back: {step}: {why}")));
    }
    for bdf in plan.devices.iter().filter(|bdf| !planned.contains(bdf)) {
        let changes: Vec<_> = plan.changes.iter().filter(|change| change.concerns(*bdf)).cloned().collect();
        if !changes.is_empty() {
            let taken = lease.take(&[*bdf], &changes).await;
            taken.map_err(|error| failure(Stage::Host, sentence(&error), Vec::new()))?;
        }
    }
    Ok(())
}

fn list(devices: &[Bdf]) -> String {
    devices.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
}
