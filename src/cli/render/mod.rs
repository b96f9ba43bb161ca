//! Values as text and as JSON. Nothing here prints.

pub(super) mod argv;
pub(super) mod doctor;
pub(super) mod edits;
pub(super) mod finding;
pub(super) mod host;
pub(super) mod import;
mod json;
mod layout;
mod life;
mod note;
mod pins;
pub(super) mod plan;
pub(super) mod reference;
pub(super) mod rom;

pub(super) use json::{PlanJson, place_origins};
pub(super) use layout::{counted, paragraph, table};
