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
//! machine is there, the freshly built vmrun included, and nothing written inside gets out. Tests in one process share
//! one boot of a layout, one after the other, and so leave the host as they found it; a test that panics takes its host
//! with it and the next one boots anew.
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

use std::sync::{Arc, Mutex, PoisonError};

pub(crate) use channel::{Host, Lost, Reply};
pub(crate) use layout::Layout;
pub(crate) use layouts::ALL;

/// Hosts that stay booted at the same time. Tests run in the order of their names, which is that of the layouts, so what
/// was used longest ago is not needed again.
const KEPT: usize = 3;

/// Where the host of one layout is: held by the test that is at work in it, and `None` where none is booted or a test
/// took it down.
type Place = Arc<Mutex<Option<Host>>>;

/// The places by the name of their layout, the one used last at the end.
static HOSTS: Mutex<Vec<(&str, Place)>> = Mutex::new(Vec::new());

/// Runs `body` in a host of `layout` and returns what it found out; once more, in a new boot, when the host is lost in it.
///
/// # Panics
/// When the host is lost twice, with its console.
pub(crate) fn on<T>(layout: &Layout, body: impl Fn(&mut Host) -> Result<T, Lost>) -> T {
    let place = place(layout.name);
    let mut booted = place.lock().unwrap_or_else(PoisonError::into_inner);
    attempt(&mut booted, layout, &body).unwrap_or_else(|Lost(first)| {
        attempt(&mut booted, layout, &body).unwrap_or_else(|Lost(second)| panic!("{first}\n\nand again: {second}"))
    })
}

/// The place of the layout `name`. Ends hosts of other layouts where more than [`KEPT`] stand idle.
fn place(name: &'static str) -> Place {
    let mut hosts = HOSTS.lock().unwrap_or_else(PoisonError::into_inner);
    let known = hosts.iter().position(|(known, _)| *known == name);
    let place = known.map_or_else(Place::default, |at| hosts.remove(at).1);
    hosts.push((name, Arc::clone(&place)));
    let excess = hosts.len().saturating_sub(KEPT);
    for (_, idle) in &hosts[..excess] {
        // Whoever is at work in it keeps it.
        if let Ok(mut host) = idle.try_lock() {
            drop(host.take());
        }
    }
    place
}

/// Runs `body` in the booted host or a new one, which stays only when the body comes to its end.
fn attempt<T>(
    booted: &mut Option<Host>,
    layout: &Layout,
    body: impl Fn(&mut Host) -> Result<T, Lost>,
) -> Result<T, Lost> {
    let mut host = booted.take().map_or_else(|| Host::boot(layout), Ok)?;
    let found = body(&mut host)?;
    *booted = Some(host);
    Ok(found)
}
