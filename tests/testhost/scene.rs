//! vmrun at work in the emulated host.

/// The program under test; the host sees it at this path too.
pub(crate) const VMRUN: &str = env!("CARGO_BIN_EXE_vmrun");
