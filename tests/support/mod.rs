//! What the integration tests share: the real programs and images that `contrib/test-setup` brought.
//!
//! - [`setup`]: the paths of that set-up; [`setup::qemus`] gives the QEMU versions to test with.
//! - [`linux_guest`]: a disk image with Debian's kernel that UEFI firmware boots and that says what it sees.
//! - [`vmrun`]: the freshly built vmrun on a profile, in folders of its own.
//! - [`demo_guest`]: the guest of `vmrun demo` in a bare QEMU, its report and QEMU's monitor.
//! - [`person`]: a person at a terminal.
//! - [`program`]: a program that a test writes.
//! - [`modules`]: the order in which kernel modules load.
//! - [`samba`], [`barrier`]: companion services with private configuration, for a profile's `[[service]]`; [`companion`] starts one.
//!
//! A test file says `mod support;` and uses the modules by name.

#![allow(dead_code, reason = "each test binary uses a part")]

pub(crate) mod barrier;
pub(crate) mod companion;
pub(crate) mod demo_guest;
pub(crate) mod linux_guest;
pub(crate) mod modules;
pub(crate) mod person;
pub(crate) mod program;
pub(crate) mod samba;
pub(crate) mod setup;
pub(crate) mod vmrun;
