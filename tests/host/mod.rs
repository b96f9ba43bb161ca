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

mod boot;
mod channel;
mod image;
mod kernel;
mod layout;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

pub(crate) use channel::{Host, Lost};
pub(crate) use layout::Layout;

/// The booted hosts by the name of their layout. Each is held by the test that is at work in it, and is `None` where
/// none is booted or a test took it down.
static HOSTS: Mutex<BTreeMap<&str, Arc<Mutex<Option<Host>>>>> = Mutex::new(BTreeMap::new());

/// Runs `body` in a host of `layout` and returns what it found out; once more, in a new boot, when the host is lost in it.
///
/// # Panics
/// When the host is lost twice, with its console.
pub(crate) fn on<T>(layout: &Layout, body: impl Fn(&mut Host) -> Result<T, Lost>) -> T {
    let place = Arc::clone(HOSTS.lock().unwrap_or_else(PoisonError::into_inner).entry(layout.name).or_default());
    let mut booted = place.lock().unwrap_or_else(PoisonError::into_inner);
    attempt(&mut booted, layout, &body).unwrap_or_else(|Lost(first)| {
        attempt(&mut booted, layout, &body).unwrap_or_else(|Lost(second)| panic!("{first}\n\nand again: {second}"))
    })
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
