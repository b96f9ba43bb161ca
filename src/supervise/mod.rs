//! Floor 4: time.

mod state;

pub use state::{Action, Event, Rung, State};
