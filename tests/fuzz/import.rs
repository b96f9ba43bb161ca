//! What both importers promise.

use libfuzzer_sys::Corpus;
use vmrun::import::{self, Kind};

/// Imports `bytes`. What comes of it is TOML, each key of it once, whatever the file says: a value that the file has
/// wrong is wrong in the profile too, where `vmrun check` tells its line.
pub(crate) fn import(bytes: &[u8], kind: Kind) -> Corpus {
    let Ok(imported) = import::import("fuzz", bytes) else { return Corpus::Keep };
    if imported.kind != kind {
        return Corpus::Reject;
    }
    if let Err(error) = imported.profile.parse::<toml::Table>() {
        panic!("no profile: {error}\n{}", imported.profile);
    }
    Corpus::Keep
}
