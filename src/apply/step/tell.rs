//! Having the kernel make a device, or take one away.

use super::Ground;
use crate::apply::ApplyError;
use crate::plan::Presence;

pub(super) async fn tell(
    ground: &Ground,
    path: &str,
    value: &str,
    (at, to): (&str, Presence),
) -> Result<(), ApplyError> {
    let done = || ground.root.exists(at) == (to == Presence::Present);
    if done() {
        return Ok(());
    }
    let what = match to {
        Presence::Present => format!("{at} is not made"),
        Presence::Absent => format!("{at} does not go"),
    };
    ground.tell(path, value).await.map_err(|fault| fault.of(&what))?;
    if done() { Ok(()) } else { Err(ApplyError::Refused(format!("{what}, though the kernel took the word"))) }
}
