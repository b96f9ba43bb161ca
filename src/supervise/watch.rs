//! The loop while QEMU lives: one select over everything that can happen. Nothing in it polls.

use super::company::keep_company;
use super::evdev::EvdevWatch;
use super::host_cpus::{switched_off, tell_homeless};
use super::hot::{self, Hot};
use super::huge_share::tell_share;
use super::inputs::Inputs;
use super::life::{Life, Look};
use super::log_cap::LogCap;
use super::prepare::Hands;
use super::reactions::Watch;
use super::reboots::Reboots;
use super::run::{Run, sentence};
use super::run_folder::QEMU_LOG;
use super::serial::SerialLines;
use super::side::Side;
use super::state_file::Reached;
use super::usb::{self, Hand, UsbWatch};
use super::verdict::Verdict;
use super::{Companions, Ended, Event, Notice, Scene, State, Tell, notify};
use crate::plan::{Descriptor, OnTimeout};
use crate::qemu::{Guest, News};
use std::convert::Infallible;
use std::future::pending;
use std::pin::pin;
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::{Instant, sleep_until};

/// How a guest came to be watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrived {
    /// It was started: what belongs to a running guest is owed.
    First,
    /// It was started again by itself.
    Again,
    /// It was taken over, having come so far.
    Back(Reached),
}

/// What is left of a guest that was watched.
pub(super) enum Left {
    /// Nothing: it has ended.
    Ended(Ended),
    /// It rebooted, and wants a new QEMU.
    Restart,
}

/// Watches `guest`, in `state`, to its end.
pub(super) async fn watch(
    (guest, state): (Guest, State),
    (hands, run, arrived): (Hands<'_>, &Run<'_>, Arrived),
    companions: &mut Companions<'_>,
    scene: &Scene,
    (inputs, reboots): (&mut Inputs, &mut Reboots),
) -> Left {
    let Hands { plan, tell, .. } = hands;
    let (say_lost, mut lost) = unbounded_channel();
    let mut keeping = pin!(keep_company(hands, (run, arrived), companions, scene, say_lost));
    let mut side = Side::new(hands, scene);
    if let Some(wish) = &plan.transparent {
        side.add(tell_share(wish, guest.pid(), hands.lease.root(), tell));
    }
    let (plugged, say) = UsbWatch::new(&plan.usb, guest.qmp().clone(), hands.lease.root().clone(), tell);
    let hand = plan.user.as_ref().map(|user| Hand { lease: hands.lease, uid: user.uid });
    let plugged = plugged.handing(hand);
    let plugged = if matches!(arrived, Arrived::Back(_)) { plugged.taken_over() } else { plugged };
    let keyboards = EvdevWatch::new(&plan.evdev, (guest.qmp().clone(), guest.pid()), hands.lease.root().clone(), tell);
    let mut plugged = pin!(async { tokio::join!(plugged.run(), keyboards.handing(hand).run()).0 });
    let (hot, say_hot) = Hot::new(hands, guest.qmp().clone(), &run.desk);
    let mut hot = pin!(hot.run(matches!(arrived, Arrived::Back(_))));
    let (life, qmp, devices) = (Life::new(plan.dead_boot, &run.state), guest.qmp().clone(), hands.lease.devices());
    let look = Look { qmp: &qmp, root: hands.lease.root(), devices: &devices, console: &run.desk.console };
    let (mut missed, mut is_watched) = (pin!(life.missed(look)), true);
    let mut watch = Watch {
        guest,
        state,
        deadline: None,
        life: &life,
        verdict: Verdict::default(),
        failing: false,
        lost: None,
        along: None,
        side,
        reboots,
        desk: &run.desk,
        log_dir: &run.order.log_dir,
        plan,
        tell,
    };
    run.desk.enter("running", tell);
    notify::ready();
    let told = plan.descriptors.contains(&Descriptor::Serial);
    let mut serial = SerialLines::new(watch.guest.serial.take(), told, &run.desk.console);
    if arrived != Arrived::First {
        let root = hands.lease.root();
        tell_homeless(&switched_off(root), &watch.guest, root, tell);
    }
    let log = LogCap::watch(&run.order.log_dir.join(QEMU_LOG));
    loop {
        let deadline = watch.deadline;
        let event = tokio::select! {
            // What QEMU says of its own end comes before what its end does to the companions.
            biased;
            news = watch.guest.next() => match news {
                Ok(News::Event(event)) => {
                    if let ("DEVICE_DELETED", Some(id)) = (event.name.as_str(), event.text("device")) {
                        // The watch lives as long as this loop.
                        let _ = say.send(usb::Said::Deleted(id.to_owned()));
                    }
                    if let Some(said) = hot::Said::of(&event) {
                        let _ = say_hot.send(said);
                    }
                    watch.heard(&event);
                    if watch.verdict.is_over() { log.let_go() }
                    continue
                }
                Ok(News::Disconnected) => { watch.monitor_closed(); continue }
                Ok(News::Exited(status)) => {
                    let rest = wound_up(&mut serial, &mut watch.side, &mut keeping, tell);
                    return match inputs.meanwhile(&mut State::Undoing, tell, rest).await {
                        Ok(()) => watch.ended(status),
                        Err(_) => Left::Ended(Ended::Left { qemu: None }),
                    };
                }
                Err(error) => {
                    return Left::Ended(Ended::Died { how: sentence(&error), log: watch.guest.log_tail() });
                }
            },
            event = inputs.next(tell) => event,
            () = until(deadline) => Event::Deadline { force: plan.ending.on_timeout == OnTimeout::Kill },
            limit = &mut missed, if is_watched => {
                is_watched = false;
                let Some(event) = watch.lifeless(limit) else { continue };
                event
            }
            never = &mut keeping => match never {},
            Some(why) = lost.recv(), if !watch.failing => {
                let Some(event) = watch.companion_ended(why).await else { continue };
                event
            }
            switched = run.cpus.next() => {
                switched.heed(&mut watch.guest, hands.lease.root(), tell);
                watch.desk.place_interrupts().into_iter().for_each(|moved| watch.note(moved));
                continue
            }
            () = watch.side.next() => continue,
            never = &mut plugged => match never {},
            never = &mut hot => match never {},
            () = log.next() => continue,
            // Last, so that a guest that talks without end keeps nobody else waiting.
            line = serial.next() => { tell(&Notice::Guest { line }); continue }
        };
        if let Some(left) = watch.on(event).await {
            return Left::Ended(left);
        }
    }
}

/// The guest's last words, and the hooks that are left, while the companions are kept.
async fn wound_up(
    serial: &mut SerialLines,
    side: &mut Side<'_>,
    keeping: impl Future<Output = Infallible>,
    tell: Tell<'_>,
) {
    let rest = async {
        serial.drain(tell).await;
        side.finish().await;
    };
    tokio::select! {
        () = rest => {}
        never = keeping => match never {}
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => pending().await,
    }
}
