//! Who may work in which emulated host, and when: as many hosts are at work as there are processors, and of the tests that
//! wait the one comes first that needs no boot. A boot costs as much as a scene.

use std::num::NonZero;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::channel::Host;

/// Hosts that stay booted while nobody is at work in them and no test waits for one of their layout.
const KEPT: usize = 2;

static DESK: Mutex<Desk> = Mutex::new(Desk { idle: Vec::new(), busy: Vec::new(), waiting: Vec::new(), next: 0 });
static CHANGED: Condvar = Condvar::new();

struct Desk {
    /// The hosts that nobody is at work in, by the name of their layout; the one used last at the end.
    idle: Vec<(&'static str, Host)>,
    /// The layouts of those that somebody is at work in.
    busy: Vec<&'static str>,
    /// Who waits, in the order in which they came, and for which layout.
    waiting: Vec<(u64, &'static str)>,
    /// The number of who comes next.
    next: u64,
}

/// The right to be at work in a host of a layout, until dropped.
pub(super) struct Turn {
    layout: &'static str,
}

impl Turn {
    /// Waits for a turn in a host of `layout`, and takes one that an earlier test left, if there is one.
    pub(super) fn wait(layout: &'static str) -> (Self, Option<Host>) {
        let mut desk = desk();
        let own = desk.next;
        desk.next += 1;
        desk.waiting.push((own, layout));
        while desk.first() != Some(own) {
            desk = CHANGED.wait(desk).unwrap_or_else(PoisonError::into_inner);
        }
        desk.waiting.retain(|&(number, _)| number != own);
        desk.busy.push(layout);
        let host = desk.take(layout);
        // Room may be left for the next.
        CHANGED.notify_all();
        (Self { layout }, host)
    }

    /// Leaves `host` to the next test of its layout; those that nobody waits for and that were used longest ago end.
    pub(super) fn leave(self, host: Host) {
        let mut desk = desk();
        desk.idle.push((self.layout, host));
        let ended = desk.excess();
        drop(desk);
        drop(self);
        // Their end takes a moment, for which nobody waits.
        drop(ended);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut desk = desk();
        let at = desk.busy.iter().position(|&busy| busy == self.layout);
        desk.busy.swap_remove(at.expect("the turn is one of those at work"));
        CHANGED.notify_all();
    }
}

impl Desk {
    /// Whose turn it is: nobody's while every processor has a host at work.
    fn first(&self) -> Option<u64> {
        let most = thread::available_parallelism().map_or(1, NonZero::get);
        let next = self.waiting.iter().min_by_key(|&&(number, layout)| (self.price(layout), number));
        next.filter(|_| self.busy.len() < most).map(|&(number, _)| number)
    }

    /// What a host of `layout` costs now: nothing, a boot that somebody has to wait for in any case, or one that could be
    /// spared by waiting.
    fn price(&self, layout: &str) -> u8 {
        let idle = self.idle.iter().any(|&(name, _)| name == layout);
        if idle { 0 } else { 1 + u8::from(self.busy.contains(&layout)) }
    }

    fn take(&mut self, layout: &str) -> Option<Host> {
        let at = self.idle.iter().rposition(|&(name, _)| name == layout)?;
        Some(self.idle.remove(at).1)
    }

    /// The idle hosts that are not kept.
    fn excess(&mut self) -> Vec<Host> {
        let Self { idle, waiting, .. } = self;
        let spare = |&(_, &(layout, _)): &(usize, &(&str, Host))| !waiting.iter().any(|&(_, wanted)| wanted == layout);
        let spare: Vec<usize> = idle.iter().enumerate().filter(spare).map(|(at, _)| at).collect();
        let ended = spare.len().saturating_sub(KEPT);
        spare[..ended].iter().rev().map(|&at| idle.remove(at).1).collect()
    }
}

fn desk() -> MutexGuard<'static, Desk> {
    DESK.lock().unwrap_or_else(PoisonError::into_inner)
}
