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
//! host with it. The more threads of tests there are, the fewer hosts boot, as there is more to choose the next test from.
//!
//! Needed: what `contrib/test-setup` installs and unpacks.

#![allow(dead_code, unused_imports, reason = "each test binary uses a part")]

mod boot;
mod channel;
mod clock;
mod desk;
mod frequencies;
mod image;
mod kernel;
mod layout;
mod layouts;
mod monitor;

use desk::Turn;

pub(crate) use channel::{Host, Lost, Reply};
pub(crate) use layout::Layout;
pub(crate) use layouts::ALL;

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
    let (turn, idle) = Turn::wait(layout.name);
    let mut host = idle.map_or_else(|| Host::boot(layout), Ok)?;
    let found = body(&mut host)?;
    turn.leave(host);
    Ok(found)
}
