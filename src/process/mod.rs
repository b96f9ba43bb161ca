//! Floor 2: deeds on processes. Starts a command of the user, hands out what it prints, and ends it with everything
//! that it started. Nothing here prints, and nothing polls: the end of a process is a readable pidfd.
//!
//! [`run`] is for a command that ends by itself, [`start`] for one that is watched.

mod bearing;
mod child;
mod closing;
mod end;
mod error;
mod exec;
mod identity;
mod image;
mod kept;
mod launch;
mod lines;
mod log;
mod oom;
mod output;
mod run;
mod running;
mod session;
mod spare;
mod spawn;
mod stat;
mod stop;
mod watched;

pub use bearing::bearing;
pub use child::{Child, keep_their_ends};
pub use closing::Closing;
pub use end::End;
pub use error::ProcessError;
pub use identity::Identity;
pub use image::Image;
pub use kept::Kept;
pub use launch::{Launch, Stdin, start};
pub use lines::escaped;
pub use log::Log;
pub use oom::{as_any_process, spare_this_process};
pub use run::{Ran, finish, run};
pub use running::Running;
pub use session::session;
pub use spare::{share_one_heap, spare_memory};
pub use spawn::{BrokenPipe, NotSpawned, spawn};
pub use stat::ProcessId;
pub(crate) use watched::{watched, watched_for};
