//! What both importers promise.

use libfuzzer_sys::Corpus;
use vmrun::import::{self, Kind};
use vmrun::profile::Profile;
use vmrun::profile::source::{self, Sheets};

/// Imports `bytes`. A profile that comes of it is one, and every entry of its report says what it is about.
pub(crate) fn import(bytes: &[u8], kind: Kind) -> Corpus {
    let Ok(imported) = import::import("fuzz", bytes) else { return Corpus::Keep };
    if imported.kind != kind {
        return Corpus::Reject;
    }
    let sheets = Sheets::new("fuzz.toml", "/home/alice/vm", &imported.profile);
    if let Err(rejection) = source::read::<Profile>(&sheets) {
        let mistakes: Vec<&str> = rejection.mistakes.iter().map(|mistake| mistake.what.as_str()).collect();
        panic!("no profile: {mistakes:?}\n{}", imported.profile);
    }
    Corpus::Keep
}
