//! `vmrun schema`: the profile's language, for editors.

use super::Exit;
use super::output::Output;
use crate::profile::reference;

/// Writes the JSON Schema of a profile to standard output.
pub(super) fn run(output: Output) -> Exit {
    output.answer_json(&reference::schema(), Exit::Good)
}
