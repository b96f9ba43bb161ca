//! Floor 4: time. The life of a guest is a table, [`State::on`]; [`run`] performs what it says, in one loop that never
//! polls: hooks, companions, signals, the control socket, QEMU's events and one deadline.

mod boot;
mod control;
mod hook;
mod huge_share;
mod inputs;
mod notice;
mod notify;
mod outcome;
mod prepare;
mod run;
mod scene;
mod serial;
mod service;
mod side;
mod signal;
mod state;
mod undo;
mod usb;
mod verdict;
mod watch;

pub use control::{Ask, Status, ask};
pub use hook::{HookFailure, Phase, run_hook, undo_hook};
pub use notice::{Notice, Placed, ServiceNews, Speaker, Tell};
pub use outcome::{Ended, Failure, Outcome, Stage};
pub use run::{Order, run};
pub use scene::Scene;
pub use service::{Companions, Note, RequiredLost, ServiceFailure, unit_changes};
pub use state::{Action, Event, Rung, State};
