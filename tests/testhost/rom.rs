//! The card's option ROM.

use super::scene::VMRUN;
use crate::host::{self, Layout};

/// What is said of a ROM that is not the card's own.
const WRONG_CARD: &str = "card: 0000:01:00.0 1234:1111\n\
    it is for 8086:100e, and the card is 1234:1111\n\
    fix: use a ROM that was read from this card, or from one of the same make and model\n";

#[test]
fn the_option_rom_of_the_card_is_read_whole_and_hidden_again() {
    let (dumped, hidden, verdict) = host::on(&Layout::GPU, |host| {
        let dumped = host.run(&format!("cd $(mktemp -d) && {VMRUN} rom dump 01:00.0 -o card.rom && cat card.rom"))?;
        // Reading fails while the kernel does not show it.
        let hidden = host.run("cat /sys/bus/pci/devices/0000:01:00.0/rom")?;
        Ok((dumped, hidden, host.run(&format!("{VMRUN} rom inspect 01:00.0"))?))
    });
    let rom = std::fs::read("/usr/lib/ipxe/qemu/efi-e1000.rom").expect("the ROM that QEMU gave the card");
    assert_eq!(dumped.status, 0, "{}", String::from_utf8_lossy(&dumped.stderr));
    assert!(rom.starts_with(&dumped.stdout) && dumped.stdout.len() > rom.len() / 2, "{} bytes", dumped.stdout.len());
    assert_ne!(hidden.status, 0);
    let verdict = (verdict.status, String::from_utf8_lossy(&verdict.stdout).into_owned());
    assert!(verdict.1.ends_with(WRONG_CARD) && verdict.0 == 11, "{verdict:?}");
}
