//! Floor 3: deeds on the host. What was changed stands in a journal before it is changed, and is taken back by the
//! same changes turned round.

mod claim;
mod error;
#[cfg(test)]
mod fake;
mod fault;
mod files;
mod instance;
mod journal;
mod lease;
mod new_file;
mod pool;
mod rom;
mod room;
mod shared;
mod step;
#[cfg(test)]
mod test;

pub use error::ApplyError;
pub use files::{Standing as StandingEdits, edit_files, restore_files};
pub use instance::{Instance, Standing, gone, standing, unsupervised};
pub use journal::{Damage, Entry, Journal, Record};
pub use lease::{CLOSING, Lease, Made, Owed, Recovered, SERVICE_VARIABLE, Unrestored, make_all, owed, recover};
pub use new_file::make_file;
pub use rom::read_rom;
pub use room::{Entered, enter_room};
