//! Floor 4: time. The life of a guest is a table, [`State::on`]; [`run`] performs what it says, in one loop that never
//! polls: hooks, companions, signals, the control socket, QEMU's events and one deadline.

mod adopt;
mod boot;
mod chronicle;
mod company;
mod console;
mod control;
mod evdev;
mod hook;
mod host_cpus;
mod host_power;
mod hot;
mod huge_share;
mod inputs;
mod interrupts;
mod life;
mod log_cap;
#[cfg(test)]
#[path = "../../tests/fuzz/mutate.rs"]
mod mutate;
mod notice;
mod notify;
mod opening;
mod outcome;
mod panic_key;
mod patience;
mod prepare;
mod reactions;
mod reboots;
mod recover;
mod relay;
mod rtc;
mod run;
mod run_folder;
mod rung;
mod scene;
mod serial;
mod service;
mod side;
mod signal;
mod state;
mod state_file;
mod uevent;
mod undo;
mod usb;
mod verdict;
mod watch;

pub use adopt::{attach, clear_unborn};
#[cfg(any(fuzzing, test))]
pub use control::fuzz_control;
pub use control::{Ask, Client, Gift, Pins as PinStatus, ServiceStatus, Silent, Status, ask, control_socket};
pub use hook::{HookFailure, HookLife, Phase, run_hook};
#[cfg(any(fuzzing, test))]
pub use host_power::fuzz_bus;
pub use notice::{Notice, Placed, ServiceNews, Speaker, Tell};
pub use outcome::{Ended, Failure, Outcome, Stage};
pub use recover::{Zeal, owed, recover, recover_all, sweep};
pub use relay::qmp_user_socket;
pub use run::{Order, run};
pub use run_folder::{kept_addresses, latest_run};
pub use rung::Rung;
pub use scene::Scene;
pub use service::{Companions, Note, RequiredLost, ServiceFailure, unit_changes};
pub(crate) use signal::Signals;
pub use state::{Action, Event, State};
pub use state_file::{plan_of, profile_of};

use run::sentence;
