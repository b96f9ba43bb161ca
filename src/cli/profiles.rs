//! Profiles by their name: `windows` is `windows.toml` in a folder of the user's or of the system's.

use super::place;
use crate::host::Caller;
use std::fs;
use std::path::{Path, PathBuf, absolute};

/// The system's own.
const SYSTEM: &str = "/etc/vmrun";

/// The folders in which profiles are found by name, the user's first; XDG base directory specification.
pub(super) fn places() -> Vec<PathBuf> {
    let caller = Caller::current();
    // Under sudo the user's own come before root's.
    let invoker = caller.invoker.and_then(|_| place::home(&caller)).map(|home| home.join(".config"));
    let homes = invoker.into_iter().chain(caller.config).map(|config| config.join("vmrun"));
    let mut places: Vec<_> = homes.chain([PathBuf::from(SYSTEM)]).collect();
    places.dedup();
    places
}

/// The folder in which a new profile of this user's belongs.
pub(super) fn home(caller: &Caller) -> PathBuf {
    let own = match (caller.euid, caller.invoker) {
        (0, None) => None,
        (_, Some(_)) => place::home(caller).map(|home| home.join(".config")),
        (_, None) => caller.config.clone(),
    };
    own.map_or_else(|| PathBuf::from(SYSTEM), |config| config.join("vmrun"))
}

/// The file that `word` means: the profile of that name, unless it is a path itself.
pub(super) fn file(word: &Path) -> PathBuf {
    named(word).unwrap_or_else(|| word.to_owned())
}

/// The profile called `word`; `None` when it is a path, or there is none.
pub(super) fn named(word: &Path) -> Option<PathBuf> {
    let name = word.to_str().filter(|_| could_be_name(word) && !word.exists())?;
    places().into_iter().map(|place| place.join(format!("{name}.toml"))).find(|path| path.is_file())
}

/// The word that means the profile at `path`, which is there or will be: its name where it is found by that, else `path`.
pub(super) fn word_for(path: &Path) -> String {
    let name = Path::new(path.file_stem().unwrap_or_default());
    let file = absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut found = places().into_iter().map(|place| place.join(format!("{}.toml", name.display())));
    let is_first = found.find(|it| *it == file || it.is_file()).is_some_and(|first| first == file);
    let word = if is_first && could_be_name(name) && !name.exists() { name } else { path };
    word.display().to_string()
}

/// Whether `word` is a name rather than a path.
pub(super) fn could_be_name(word: &Path) -> bool {
    let plain = word.to_str().is_some_and(|word| !word.contains('/') && !word.is_empty());
    plain && word.extension().is_none_or(|it| it != "toml")
}

/// The profiles in a folder, sorted by name, or the file `place` itself.
pub(super) fn at(place: &Path) -> Vec<PathBuf> {
    if !place.is_dir() {
        return if place.exists() { vec![place.to_owned()] } else { Vec::new() };
    }
    let entries = fs::read_dir(place).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found: Vec<_> = entries.filter(|path| path.extension().is_some_and(|it| it == "toml")).collect();
    found.sort();
    found
}

/// The names of all profiles that are found by name, each once.
pub(super) fn names() -> Vec<String> {
    let paths = places().into_iter().flat_map(|place| at(&place));
    let mut names: Vec<_> = paths.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
    names.sort();
    names.dedup();
    names
}
