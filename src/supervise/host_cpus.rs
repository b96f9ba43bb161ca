//! Host CPUs that are switched off and on while the guest runs. The kernel runs the threads of one that goes elsewhere, and
//! leaves them there when it comes back. Linux: `drivers/base/core.c` says which; `kernel/sched/core.c`,
//! `select_fallback_rq`, lets the threads run anywhere.

use super::run::sentence;
use super::uevent::Uevents;
use super::{Notice, Tell};
use crate::host::Root;
use crate::plan::Pins;
use crate::qemu::{Guest, Pinned};
use crate::unit::CpuSet;
use std::future::pending;

/// What happened to a host CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Switched {
    Off(u32),
    On(u32),
    /// Any of them may have come back.
    Some,
}

/// How the kernel's messages begin that are about this; it has vmrun sleep over all others.
const HEADS: [&str; 2] = ["offline@/devices/system/cpu/cpu", "online@/devices/system/cpu/cpu"];

/// Hears of host CPUs: from the time it is made, also of what happened while nobody asked.
pub(super) struct HostCpus {
    uevents: Option<Uevents>,
}

impl HostCpus {
    /// For a guest whose threads have places; else nothing is heard.
    pub(super) fn watch(pins: &Pins) -> Self {
        let listen = (!pins.is_empty()).then(|| Uevents::listen_for(&HEADS)).transpose();
        let failed = |error: &_| tracing::warn!(%error, "no news of host CPUs that are switched off");
        Self { uevents: listen.inspect_err(failed).ok().flatten() }
    }

    /// The next one. Cancel-safe.
    pub(super) async fn next(&self) -> Switched {
        match &self.uevents {
            Some(uevents) => uevents.next(switched).await.unwrap_or(Switched::Some),
            None => pending().await,
        }
    }

    /// Those that happened already.
    pub(super) fn waiting(&self) -> impl Iterator<Item = Switched> {
        std::iter::from_fn(|| self.uevents.as_ref()?.waiting(switched, Switched::Some))
    }
}

impl Switched {
    /// Tells whose place is gone, or puts those back whose place is there again.
    pub(super) fn heed(self, guest: &mut Guest, root: &Root, tell: Tell<'_>) {
        let back = match self {
            Self::Off(cpu) => return tell_homeless(&CpuSet::of(cpu), guest, root, tell),
            Self::On(cpu) => Some(cpu),
            Self::Some => None,
        };
        let moved = match guest.place_again(back) {
            Ok(moved) => moved,
            Err(error) => return tell(&Notice::Warning(sentence(&error))),
        };
        // One that slept all the time never left.
        let only_there = |thread: &&Pinned| back.is_some_and(|cpu| thread.cpus == CpuSet::of(cpu));
        let there = |thread: &&Pinned| only_there(thread) || moved.contains(thread);
        let names = names(guest.threads().iter().filter(there));
        if !names.is_empty() {
            let cpu = back.map_or_else(|| "a host CPU".to_owned(), |cpu| format!("host CPU {cpu}"));
            tell(&Notice::Note(format!("{cpu} is back; in their place again: {names}")));
        }
    }
}

/// Tells which threads of `guest` have no place left without the host CPUs `off`.
pub(super) fn tell_homeless(off: &CpuSet, guest: &Guest, root: &Root, tell: Tell<'_>) {
    let online = root.text("/sys/devices/system/cpu/online").and_then(|text| text.parse::<CpuSet>().ok());
    let Some(online) = online else { return };
    let homeless = |thread: &&Pinned| !thread.cpus.and(off).is_empty() && thread.cpus.without(&online) == thread.cpus;
    let names = names(guest.threads().iter().filter(homeless));
    if !names.is_empty() {
        let text = format!("host CPU {off} is switched off; its threads run elsewhere until it is back: {names}");
        tell(&Notice::Warning(text));
    }
}

/// The host CPUs that are switched off now.
pub(super) fn switched_off(root: &Root) -> CpuSet {
    root.text("/sys/devices/system/cpu/offline").and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// What the threads do, each once.
fn names<'a>(threads: impl Iterator<Item = &'a Pinned>) -> String {
    let mut names: Vec<String> = threads.map(|thread| thread.what.to_string()).collect();
    names.dedup();
    names.join(", ")
}

fn switched(message: &[u8]) -> Option<Switched> {
    let head = message.split(|byte| *byte == 0).next()?;
    let (action, device) = std::str::from_utf8(head).ok()?.split_once('@')?;
    let cpu = device.strip_prefix("/devices/system/cpu/cpu")?.parse().ok()?;
    match action {
        "offline" => Some(Switched::Off(cpu)),
        "online" => Some(Switched::On(cpu)),
        _ => None,
    }
}

#[cfg(test)]
mod test {
    use super::{Switched, switched};

    #[test]
    fn row_094_a_host_cpu_that_goes_and_comes_is_told_from_all_else() {
        let message = |head: &str| format!("{head}\0ACTION=offline\0SUBSYSTEM=cpu\0SEQNUM=7\0");
        assert_eq!(switched(message("offline@/devices/system/cpu/cpu12").as_bytes()), Some(Switched::Off(12)));
        assert_eq!(switched(message("online@/devices/system/cpu/cpu3").as_bytes()), Some(Switched::On(3)));
        assert_eq!(switched(message("change@/devices/system/cpu/cpu3").as_bytes()), None);
        assert_eq!(switched(message("offline@/devices/system/memory/memory3").as_bytes()), None);
        assert_eq!(switched(b"libudev\0\xfe\xed"), None);
    }
}
