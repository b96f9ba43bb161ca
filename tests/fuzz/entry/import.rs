//! What both importers promise.

use vmrun::import::{self, Kind};

/// Imports `bytes`. What comes of it is TOML, each key of it once, whatever the file says: a value that the file has
/// wrong is wrong in the profile too, where `vmrun check` tells its line. Whether they are of this `kind`, or nothing that can be imported.
pub(crate) fn run(bytes: &[u8], kind: Kind) -> bool {
    let Ok(imported) = import::import("fuzz", bytes) else { return true };
    if imported.kind != kind {
        return false;
    }
    if let Err(error) = imported.profile.parse::<toml::Table>() {
        panic!("no profile: {error}\n{}", imported.profile);
    }
    true
}
