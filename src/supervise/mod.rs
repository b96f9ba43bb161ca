//! Floor 4: time.

mod hook;
mod notice;
mod scene;
mod service;
mod state;

pub use hook::{HookFailure, Phase, run_hook, undo_hook};
pub use notice::{Notice, ServiceNews, Tell};
pub use scene::Scene;
pub use service::{Companions, Note, RequiredLost, ServiceFailure, unit_changes};
pub use state::{Action, Event, Rung, State};
