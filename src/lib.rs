//! vmrun: a direct QEMU launcher.

pub mod apply;
pub mod cli;
pub mod demo;
pub mod host;
pub mod plan;
pub mod process;
pub mod profile;
pub mod qemu;
pub mod supervise;
pub mod unit;
