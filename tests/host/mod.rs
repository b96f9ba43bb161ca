//! The emulated test host: a real Linux kernel with a real `/dev/kvm`, IOMMU groups, vfio-pci, huge pages and sibling
//! threads, in a QEMU that emulates all of it, on a machine that needs to have none of it.
//!
//! A test names a [`Layout`] and says what to run in it:
//!
//! ```ignore
//! let release = host::on(&Layout::KVM, |host| host.ask("uname -r"));
//! ```
//!
//! The root file system inside is the outer machine's own, below a layer of memory: every program and path of the outer
//! machine is there, the freshly built vmrun included, and nothing written inside gets out. A test gets a host of its
//! layout that an earlier test left, or a new one, and so leaves the host as it found it; a test that panics takes its
//! host with it.
//!
//! Needed: what `contrib/test-setup` installs and unpacks.

#![allow(dead_code, unused_imports, reason = "each test binary uses a part")]

mod boot;
mod channel;
mod clock;
mod frequencies;
mod image;
mod kernel;
mod layout;
mod layouts;
mod monitor;

use std::sync::{Mutex, PoisonError};

pub(crate) use channel::{Host, Lost, Reply};
pub(crate) use layout::Layout;
pub(crate) use layouts::ALL;

/// Hosts that stay booted while nobody is at work in them. Tests run in the order of their names, which is that of the
/// layouts, so what was used longest ago is not needed again.
const KEPT: usize = 2;

/// The hosts that nobody is at work in, by the name of their layout; the one used last at the end.
static IDLE: Mutex<Vec<(&str, Host)>> = Mutex::new(Vec::new());

/// Runs `body` in a host of `layout` and returns what it found out; once more, in a new boot, when the host is lost in it.
///
/// # Panics
/// When the host is lost twice, with its console.
pub(crate) fn on<T>(layout: &Layout, body: impl Fn(&mut Host) -> Result<T, Lost>) -> T {
    attempt(layout, &body).unwrap_or_else(|Lost(first)| {
        attempt(layout, &body).unwrap_or_else(|Lost(second)| panic!("{first}\n\nand again: {second}"))
    })
}

/// Runs `body` in an idle host or a new one, which stays only when the body comes to its end.
fn attempt<T>(layout: &Layout, body: impl Fn(&mut Host) -> Result<T, Lost>) -> Result<T, Lost> {
    let mut host = idle(layout.name).map_or_else(|| Host::boot(layout), Ok)?;
    let found = body(&mut host)?;
    keep(layout.name, host);
    Ok(found)
}

/// A host of the layout `name` that nobody is at work in.
fn idle(name: &str) -> Option<Host> {
    let mut hosts = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
    let at = hosts.iter().rposition(|(idle, _)| *idle == name)?;
    Some(hosts.remove(at).1)
}

/// Keeps `host` for the next test of its layout, and ends those that were used longest ago.
fn keep(name: &'static str, host: Host) {
    let mut hosts = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
    hosts.push((name, host));
    let excess = hosts.len().saturating_sub(KEPT);
    let ended: Vec<_> = hosts.drain(..excess).collect();
    // Their end takes a moment, for which nobody waits.
    drop(hosts);
    drop(ended);
}
