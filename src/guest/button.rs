//! Waiting for the power button without costing the host anything: halted until the ACPI interrupt comes.

use crate::apic::{LocalApic, route};
use crate::config_space::ConfigSpace;
use crate::fadt::Fadt;
use crate::hotplug;
use crate::interrupt::{SCI_VECTOR, sleep};
use crate::line;
use crate::madt::Madt;
use crate::power::{halt, off};

/// Sleeps until the button is pressed, then powers off. Devices may come and go meanwhile.
pub fn wait(madt: Option<Madt>, fadt: Option<&Fadt>, space: ConfigSpace) -> ! {
    let button = Button::listen(madt, fadt, true);
    button.sleep_until_pressed(|fadt| hotplug::obey(fadt, space));
    line!("power button");
    off(fadt)
}

/// Sleeps for ever, and says each time that it was asked to stop. It lets go of no device.
pub fn ignore(madt: Option<Madt>, fadt: Option<&Fadt>) -> ! {
    let button = Button::listen(madt, fadt, false);
    loop {
        button.sleep_until_pressed(|_| ());
        line!("power button ignored");
    }
}

/// The button, wired to this vCPU.
struct Button<'a> {
    fadt: &'a Fadt,
    apic: LocalApic,
}

impl<'a> Button<'a> {
    /// Wires the button, and with it the hot-plug of devices when that is `plugged` too; then writes the line `waiting`: a
    /// press before it is lost, one after it is not.
    fn listen(madt: Option<Madt>, fadt: Option<&'a Fadt>, plugged: bool) -> Self {
        let wire = madt.zip(fadt).and_then(|(madt, fadt)| Some((fadt, madt.sci_wire(fadt.sci)?)));
        let Some((fadt, wire)) = wire else {
            line!("error power=button the machine has none");
            halt()
        };
        let apic = LocalApic::open(false);
        fadt.enable_acpi();
        fadt.enable_power_button();
        if plugged {
            hotplug::listen(fadt);
        }
        route(wire.io_apic, wire.pin, wire.active_low, SCI_VECTOR, apic);
        line!("waiting");
        Self { fadt, apic }
    }

    fn sleep_until_pressed(&self, meanwhile: impl Fn(&Fadt)) {
        loop {
            sleep();
            meanwhile(self.fadt);
            let pressed = self.fadt.take_power_button();
            self.apic.end_interrupt();
            if pressed {
                return;
            }
        }
    }
}
