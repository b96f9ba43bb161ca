//! What a shell is offered for a word, asked of vmrun itself while it is typed.

use crate::cli::{guest, profiles};
use crate::unit::GuestName;
use clap_complete::engine::{ArgValueCompleter, PathCompleter, ValueCompleter};
use clap_complete::{ArgValueCandidates, CompletionCandidate};
use std::ffi::OsStr;
use std::path::Path;

/// Names of guests that run, or whose run was cut short.
pub(super) fn running() -> ArgValueCandidates {
    ArgValueCandidates::new(|| candidates(guest::names()))
}

/// Names of guests that ever ran.
pub(super) fn known() -> ArgValueCandidates {
    ArgValueCandidates::new(|| candidates(guest::known_names()))
}

fn candidates(names: Vec<GuestName>) -> Vec<CompletionCandidate> {
    names.into_iter().map(|name| CompletionCandidate::new(name.as_str())).collect()
}

/// Guests that run, and profiles.
pub(super) fn running_or_profile() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let names = guest::names().into_iter().filter(|name| name.as_str().starts_with(&*typed.to_string_lossy()));
        names.map(|name| CompletionCandidate::new(name.as_str())).chain(profiles_like(typed)).collect()
    })
}

/// Profiles: those that are found by name, and files.
pub(super) fn profile() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| profiles_like(typed).collect())
}

fn profiles_like(typed: &OsStr) -> impl Iterator<Item = CompletionCandidate> {
    let start = typed.to_string_lossy().into_owned();
    let named = profiles::names().into_iter().filter(move |name| name.starts_with(&start));
    let is_one = |path: &Path| path.is_dir() || path.extension().is_some_and(|it| it == "toml");
    let files = PathCompleter::any().filter(is_one).complete(typed);
    named.map(CompletionCandidate::new).chain(files)
}
