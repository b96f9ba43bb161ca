//! Changing the size of a BAR.

use super::Ground;
use crate::apply::ApplyError;
use crate::plan::resize_bit;
use crate::unit::{Bdf, Size};

pub(super) async fn resize(ground: &Ground, bdf: Bdf, bar: u8, was: Size, size: Size) -> Result<(), ApplyError> {
    let found = now(ground, bdf, bar)?;
    if found == size {
        return Ok(());
    }
    if found != was {
        let why = format!("BAR {bar} of {bdf} has {found}, not {was}: somebody else changed it");
        return Err(ApplyError::Refused(why));
    }
    let path = format!("/sys/bus/pci/devices/{bdf}/resource{bar}_resize");
    let told = ground.tell(&path, &resize_bit(size).to_string()).await;
    told.map_err(|fault| fault.of(&format!("BAR {bar} of {bdf} cannot have {size}")))?;
    match now(ground, bdf, bar)? {
        now if now == size => Ok(()),
        now => Err(ApplyError::Refused(format!("BAR {bar} of {bdf} should have {size} and has {now}"))),
    }
}

/// The size of a BAR, from its line in `resource`: first and last address, and flags.
fn now(ground: &Ground, bdf: Bdf, bar: u8) -> Result<Size, ApplyError> {
    let path = format!("/sys/bus/pci/devices/{bdf}/resource");
    let text = ground.root.text(&path).unwrap_or_default();
    let line = text.lines().nth(bar.into()).unwrap_or_default();
    let mut ends = line.split(' ').map(|word| u64::from_str_radix(word.trim_start_matches("0x"), 16));
    match (ends.next(), ends.next()) {
        (Some(Ok(first)), Some(Ok(last))) if last > first => Ok(Size::from_bytes(last - first + 1)),
        _ => Err(ApplyError::Refused(format!("{bdf} has no BAR {bar}"))),
    }
}
