//! Whether a guest's firmware was replaced since the guest last worked: its variable store was made with the earlier one.

use super::output::{Output, Weight};
use crate::doctor::change::Surroundings;
use crate::plan::Contents;
use std::fs;
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// The image that the vCPUs run first and cannot write to; `None` for a BIOS, and for code and variables in one.
pub(super) fn code(contents: &Contents) -> Option<PathBuf> {
    in_flash(contents, "fw-code-file")
}

/// What tells the image `code` from another one; `None` when it cannot be read.
pub(super) fn checksum(code: &Path) -> Option<String> {
    let image = fs::read(code).ok()?;
    Some(Uuid::new_v5(&Uuid::NAMESPACE_OID, &image).simple().to_string())
}

/// Tells when the firmware of `contents`, which has to do with `now`, is another one than at the run that left `good`, and
/// the guest has a variable store of that time.
pub(super) fn tell(good: &Surroundings, now: &Surroundings, contents: &Contents, output: Output) {
    let Some((code, store)) = code(contents).zip(in_flash(contents, "fw-vars-file")) else { return };
    let fact = format!("firmware {}", code.display());
    if output.json || output.quiet || good.facts.get(&fact) == now.facts.get(&fact) || !store.exists() {
        return;
    }
    // Only an image of another time is read, so no usual start waits for it; a package that was installed anew may have
    // brought the same one.
    let is = checksum(&code);
    if good.firmware.is_none() || is.is_none() || is == good.firmware {
        return;
    }
    let (code, store) = (code.display(), store.display());
    output.say(
        Weight::Info,
        &format!(
            "the firmware {code} was replaced since the guest last worked ({}); the guest's variable store is of then\n  \
             if the guest does not come up: mv {store} {store}.old   # the next start makes a new one, without boot entries",
            good.when
        ),
    );
}

/// The file of the block node `node`.
fn in_flash(contents: &Contents, node: &str) -> Option<PathBuf> {
    let file = contents.argv.json("-blockdev").find(|found| found["node-name"] == node)?;
    file["filename"].as_str().map(PathBuf::from)
}
