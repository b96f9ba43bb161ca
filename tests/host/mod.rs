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
//! Needed: what `contrib/test-setup` installs and unpacks. The kernel: see [`kernel::Kernel::find`].

mod boot;
mod channel;
mod image;
mod kernel;
mod layout;

use std::sync::{Mutex, PoisonError};

pub use channel::{Host, Lost, Reply};
pub use layout::Layout;

/// The hosts that are booted and in no test's hands, by the name of their layout.
static IDLE: Mutex<Vec<(&str, Host)>> = Mutex::new(Vec::new());

/// Held by the test that is in a host now: two hosts at work at once would only slow each other down.
static TURN: Mutex<()> = Mutex::new(());

/// Runs `body` in a host of `layout` and returns what it found out; once more, in a new boot, when the host is lost in it.
///
/// # Panics
/// When the host is lost twice, with its console.
pub fn on<T>(layout: &Layout, body: impl Fn(&mut Host) -> Result<T, Lost>) -> T {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    attempt(layout, &body).unwrap_or_else(|Lost(first)| {
        attempt(layout, &body).unwrap_or_else(|Lost(second)| panic!("{first}\n\nand again: {second}"))
    })
}

fn attempt<T>(layout: &Layout, body: impl Fn(&mut Host) -> Result<T, Lost>) -> Result<T, Lost> {
    let mut host = idle(layout.name).map_or_else(|| Host::boot(layout), Ok)?;
    let found = body(&mut host)?;
    IDLE.lock().unwrap_or_else(PoisonError::into_inner).push((layout.name, host));
    Ok(found)
}

fn idle(name: &str) -> Option<Host> {
    let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
    let place = idle.iter().position(|(layout, _)| *layout == name)?;
    Some(idle.swap_remove(place).1)
}
