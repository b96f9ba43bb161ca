//! The lines about memory.

use crate::fw_cfg;
use crate::line;
use crate::start_info::{StartInfo, USABLE};

/// Writes the two lines `memory`: all RAM as QEMU counts it, and what the firmware leaves to an operating system.
pub fn report(start_info: Option<StartInfo>) {
    let usable = || start_info.into_iter().flat_map(StartInfo::memory_map).filter(|range| range.kind == USABLE);
    let bytes: u64 = usable().map(|range| range.size).sum();
    let top = usable().map(|range| range.address + range.size).max().unwrap_or(0);
    match fw_cfg::ram_size() {
        Some(ram) => line!("memory ram={ram} source=fw_cfg"),
        None => line!("memory ram={bytes} source=memmap"),
    }
    line!("memory usable={bytes} top={top:#x}");
}
