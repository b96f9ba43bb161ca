//! What a shell is offered for a word, asked of vmrun itself while it is typed.

use crate::cli::guest;
use crate::unit::GuestName;
use clap_complete::{ArgValueCandidates, CompletionCandidate};

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
