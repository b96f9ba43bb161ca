//! Passed PCI functions: how they interrupt, the width of their link, the size of their windows.

use super::{Finding, Mark};
use crate::cli::msi::registry_key;
use crate::host::{self, Host, Msi, PciFunction, PciLink, Root, msi};
use crate::unit::{Bdf, CpuSet};

pub(super) fn judge(root: &Root, devices: &[Bdf], places: &[CpuSet]) -> Vec<Finding> {
    if devices.is_empty() {
        return Vec::new();
    }
    let functions = Host::functions(root);
    let those = functions.iter().filter(|function| devices.contains(&function.bdf));
    let findings = those.flat_map(|function| of_function(function, msi(root, function.bdf)));
    findings.chain(placed(root, devices, places)).collect()
}

/// Where the interrupts of `devices` go, and whether that is where the plan has them; nothing when it has them nowhere.
fn placed(root: &Root, devices: &[Bdf], places: &[CpuSet]) -> Vec<Finding> {
    let all = host::interrupts(root);
    let ours = all.iter().filter_map(|it| Some((it.passed().filter(|(bdf, _)| devices.contains(bdf))?, it)));
    ours.filter_map(|((bdf, vector), it)| {
        let now: CpuSet = root.text(format!("/proc/irq/{}/smp_affinity_list", it.id))?.parse().ok()?;
        let what = format!("{} (IRQ {}) goes to host CPUs {now}", it.handler, it.id);
        let wanted = places.get(vector.checked_rem(places.len())?)?;
        Some(match *wanted == now {
            true => Finding::new(Mark::Ok, bdf.to_string(), what),
            false => Finding::new(Mark::Warn, bdf.to_string(), format!("{what}; the kernel keeps it off {wanted}")),
        })
    })
    .collect()
}

fn of_function(function: &PciFunction, msi: Option<Msi>) -> Vec<Finding> {
    let about = function.bdf.to_string();
    let mut findings = vec![interrupts(&about, function, msi)];
    findings.extend(function.link.as_ref().map(|link| lanes(&about, link)));
    findings.extend(window(&about, function));
    findings
}

fn interrupts(about: &str, function: &PciFunction, msi: Option<Msi>) -> Finding {
    match msi {
        Some(Msi::On) => Finding::new(Mark::Ok, about, "interrupts by messages (MSI)"),
        Some(Msi::Absent) => Finding::new(Mark::Ok, about, "has no messages (MSI) to interrupt by"),
        None => Finding::new(Mark::Warn, about, "how it interrupts can be read by root only"),
        Some(Msi::Off) => {
            Finding::new(Mark::Warn, about, "MSI is off: it shares an interrupt line, and sound may crackle").fix(
                format!(
                    "once the guest's driver runs. For Windows: vmrun pci msi {about} -o msi.cmd\n\
                     writes what switches it on for {}; more: vmrun why hdmi-audio-crackle",
                    registry_key(function)
                ),
            )
        }
    }
}

fn lanes(about: &str, PciLink { speed, width, max_speed, max_width }: &PciLink) -> Finding {
    let what = format!("link ×{width} of ×{max_width} at {speed} of {max_speed} GT/s");
    match width < max_width {
        // The speed falls while a card is idle; the width hardly ever does.
        true => {
            Finding::new(Mark::Warn, about, what).fix("the slot has fewer lanes, shares them, or the card sits badly")
        }
        false => Finding::new(Mark::Ok, about, what),
    }
}

/// A resizable window that is smaller than it could be.
fn window(about: &str, function: &PciFunction) -> Option<Finding> {
    let (index, largest) = function
        .resizable
        .iter()
        .filter_map(|(index, sizes)| Some((*index, *sizes.iter().max()?)))
        .max_by_key(|(_, size)| *size)?;
    let now = function.bars.iter().find(|bar| bar.index == index)?.size;
    let what = format!("BAR {index} is {now} of {largest} (resizable BAR)");
    Some(match now < largest {
        true => Finding::new(Mark::Warn, about, what)
            .fix(format!("rebar = {{ {index} = \"{largest}\" }} in its [[pci]], if its driver wants that")),
        false => Finding::new(Mark::Ok, about, what),
    })
}

#[cfg(test)]
mod test {
    use super::{Mark, of_function};
    use crate::host::{Msi, PciFunction, PciIds, PciLink};

    fn function(width: u8) -> PciFunction {
        let speed = || "8.0".to_owned();
        let link = Some(PciLink { speed: speed(), width, max_speed: speed(), max_width: 16 });
        PciFunction {
            bdf: "0000:0a:00.0".parse().unwrap(),
            vendor: 0x10de,
            device: 0x13c2,
            link,
            ..PciFunction::default()
        }
    }

    #[test]
    fn messages_that_are_off_and_a_narrow_link_are_worth_a_look() {
        let marks = |width, msi| of_function(&function(width), Some(msi)).iter().map(|it| it.mark).collect::<Vec<_>>();
        assert_eq!(marks(16, Msi::On), [Mark::Ok, Mark::Ok]);
        assert_eq!(marks(8, Msi::Off), [Mark::Warn, Mark::Warn]);
        let subsystem = Some(PciIds { vendor: 0x1458, device: 0x366a });
        let card = PciFunction { subsystem, revision: 0xa1, ..function(8) };
        assert!(of_function(&card, Some(Msi::Off))[0].fix.contains("VEN_10DE&DEV_13C2&SUBSYS_366A1458&REV_A1"));
    }
}
