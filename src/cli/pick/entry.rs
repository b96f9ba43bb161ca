//! The profiles that can be chosen.

use crate::cli::args::Layers;
use crate::cli::load::Loaded;
use crate::cli::profiles;
use crate::cli::render::host::name;
use crate::host::PciFunction;
use crate::plan::{Class, Problem};
use std::path::{Path, PathBuf};

/// A profile, and what is said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) path: PathBuf,
    /// Its name and the cards that it passes.
    pub(super) text: String,
}

/// The profiles at `places`: files, and the `.toml` files in folders.
///
/// # Errors
/// When there are none.
pub(super) fn find(places: &[PathBuf]) -> Result<Vec<Entry>, Vec<Problem>> {
    let paths: Vec<_> = places.iter().flat_map(|place| profiles::at(place)).collect();
    if paths.is_empty() {
        let names: Vec<_> = places.iter().map(|place| place.display().to_string()).collect();
        let problem = Problem::new(Class::Missing, "", format!("there is no profile in {}", names.join(" or ")));
        return Err(vec![problem.fix("put one there, or name some: vmrun pick games.toml work.toml")]);
    }
    let said: Vec<_> = paths.iter().map(|path| said(path)).collect();
    let widest = said.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    let text = |(name, what): (String, String)| format!("{name:widest$}  {what}").trim_end().to_owned();
    Ok(paths.into_iter().zip(said.into_iter().map(text)).map(|(path, text)| Entry { path, text }).collect())
}

/// The name of a profile, and what its guest gets. One with mistakes is shown: to choose it tells them.
fn said(path: &Path) -> (String, String) {
    match Loaded::read(path, &Layers::default()) {
        Err(_) => (path.file_name().unwrap_or_default().to_string_lossy().into_owned(), "has mistakes".to_owned()),
        Ok(loaded) => {
            let planned = loaded.plan_with_names();
            let mut cards = planned.contents().argv.host_functions();
            // The sound of a graphics card is no card of its own.
            cards.dedup_by(|later, first| later.same_device(*first));
            let shown = cards.iter().map(|bdf| planned.host.function(*bdf).map_or(format!("{bdf}, not here"), named));
            let shown: Vec<_> = shown.collect();
            let what = if shown.is_empty() { "no card".to_owned() } else { shown.join(", ") };
            (loaded.profile.name().to_string(), what)
        }
    }
}

/// What people call a function: by the PCI id database, else from the base of its class.
fn named(function: &PciFunction) -> String {
    if let Some(name) = name::known(function) {
        return format!("{name} at {}", function.bdf);
    }
    let kind = match function.class >> 16 {
        0x01 => "disk controller",
        0x02 => "network card",
        0x03 => "graphics card",
        0x04 => "sound",
        0x0c => "USB controller",
        _ => "device",
    };
    format!("{kind} {:04x}:{:04x} at {}", function.vendor, function.device, function.bdf)
}
