//! vmrun's demo guest: boots by QEMU's `-kernel`, reports over the first serial port what it sees of its
//! machine, and does what its command line says. It uses no disk, no firmware call and no memory but its own.
//!
//! The report is one fact a line, each with the prefix `vmrun-guest: `, from `hello 1` (the number is the
//! format's) to `done`. Build script and library are in this repository's `build.rs` and `src/demo_image.rs`.

#![no_std]
#![no_main]

mod acpi;
mod apic;
mod bar;
mod boot;
mod button;
mod clock;
mod cmos;
mod command;
mod config_space;
mod cpu;
mod fadt;
mod fw_cfg;
mod hotplug;
mod hyperv;
mod hypervisor;
mod interrupt;
mod intrinsics;
mod madt;
mod memory;
mod pci;
mod physical;
mod poke;
mod port;
mod power;
mod quoted;
mod serial;
mod smbios;
mod smp;
mod start_info;
mod timer;
mod topology;

use core::panic::PanicInfo;

use crate::acpi::Tables;
use crate::command::{Command, Then};
use crate::config_space::ConfigSpace;
use crate::fadt::Fadt;
use crate::madt::Madt;
use crate::smp::Vcpus;
use crate::start_info::StartInfo;

/// What the firmware's tables name; each part is `None` when the machine has it not.
struct Machine {
    start_info: Option<StartInfo>,
    tables: Option<Tables>,
    madt: Option<Madt>,
    fadt: Option<Fadt>,
}

impl Machine {
    fn find(start_info: u32) -> Self {
        let start_info = StartInfo::at(start_info);
        let tables = Tables::find(start_info.map_or(0, StartInfo::rsdp));
        Self { start_info, tables, madt: tables.and_then(Madt::find), fadt: tables.and_then(Fadt::find) }
    }
}

/// Where the boot code hands over, with the physical address of the loader's tables.
extern "C" fn guest_main(start_info: u32) -> ! {
    interrupt::init();
    serial::open();
    line!("hello 1");
    let machine = Machine::find(start_info);
    let command = Command::parse(machine.start_info.map_or(&[], StartInfo::command_line));
    report(&machine, command.brief);
    for poke in command.pokes.into_iter().flatten() {
        poke.carry_out(ConfigSpace::find(machine.tables));
    }
    if let Some(year) = command.year {
        cmos::set_year(year);
        clock::report();
    }
    line!("done");
    obey(&machine, command)
}

fn report(machine: &Machine, brief: bool) {
    cpu::report();
    hypervisor::report();
    memory::report(machine.start_info);
    report_vcpus(machine, brief);
    if !brief {
        pci::report(ConfigSpace::find(machine.tables));
    }
    match machine.tables {
        Some(tables) => tables.report(),
        None => line!("acpi none"),
    }
    smbios::report();
    clock::report();
}

fn report_vcpus(machine: &Machine, brief: bool) {
    let vcpus = Vcpus::start(machine.madt, machine.fadt.as_ref());
    vcpus.report();
    if !brief {
        vcpus.report_each();
    }
    vcpus.report_topology();
}

fn obey(machine: &Machine, command: Command) -> ! {
    let fadt = machine.fadt.as_ref();
    match command.then {
        Then::PowerOff => power::off(fadt),
        Then::Wait => button::wait(machine.madt, fadt, ConfigSpace::find(machine.tables)),
        Then::Ignore => button::ignore(machine.madt, fadt),
        Then::Reset => power::reset(fadt, command.resets),
        Then::Panic => power::panic(fadt),
        Then::Hang => power::halt(),
        Then::Spin => power::spin(),
        Then::Crash => interrupt::triple_fault(),
        Then::Sleep => power::sleep(fadt),
        Then::Shutdown => power::shutdown(fadt),
    }
}

/// A mistake in this program: says where, and halts.
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    match info.location() {
        Some(location) => line!("error panic={}:{}", location.file(), location.line()),
        None => line!("error panic=unknown"),
    }
    power::halt()
}
