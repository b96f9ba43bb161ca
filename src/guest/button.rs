//! Waiting for the power button without costing the host anything: halted until the ACPI interrupt comes.

use crate::apic::{LocalApic, route};
use crate::fadt::Fadt;
use crate::interrupt::{SCI_VECTOR, sleep};
use crate::line;
use crate::madt::Madt;
use crate::power::{halt, off};

/// Sleeps until the button is pressed, then powers off.
pub fn wait(madt: Option<Madt>, fadt: Option<&Fadt>) -> ! {
    let button = Button::listen(madt, fadt);
    button.sleep_until_pressed();
    line!("power button");
    off(fadt)
}

/// Sleeps for ever, and says each time that it was asked to stop.
pub fn ignore(madt: Option<Madt>, fadt: Option<&Fadt>) -> ! {
    let button = Button::listen(madt, fadt);
    loop {
        button.sleep_until_pressed();
        line!("power button ignored");
    }
}

/// The button, wired to this vCPU.
struct Button<'a> {
    fadt: &'a Fadt,
    apic: LocalApic,
}

impl<'a> Button<'a> {
    /// Wires the button and writes the line `waiting`: a press before it is lost, one after it is not.
    fn listen(madt: Option<Madt>, fadt: Option<&'a Fadt>) -> Self {
        let wire = madt.zip(fadt).and_then(|(madt, fadt)| Some((fadt, madt.sci_wire(fadt.sci)?)));
        let Some((fadt, wire)) = wire else {
            line!("error power=button the machine has none");
            halt()
        };
        let apic = LocalApic::open(false);
        fadt.enable_acpi();
        fadt.enable_power_button();
        route(wire.io_apic, wire.pin, wire.active_low, SCI_VECTOR, apic);
        line!("waiting");
        Self { fadt, apic }
    }

    fn sleep_until_pressed(&self) {
        loop {
            sleep();
            let pressed = self.fadt.take_power_button();
            self.apic.end_interrupt();
            if pressed {
                return;
            }
        }
    }
}
