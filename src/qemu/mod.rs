//! Floor 3: deeds on QEMU. It is executed, asked for its threads, pinned, and told when to run and when to end.
//!
//! [`spawn`] gives a [`Booting`], which knows no `cont`; only [`Booting::pin`] leads to [`Paused`], and only
//! [`Paused::cont`] to a [`Guest`]. So no vCPU runs an instruction before every thread is in its place.

mod child;
mod descriptors;
mod environment;
mod error;
mod guest;
mod limits;
mod log_tail;
mod mask;
mod person;
mod pin;
mod qmp;
mod spawn;
mod start;
mod tap;

pub use descriptors::{QMP_SOCKET, qmp_socket};
pub use error::QemuError;
pub use guest::{Guest, News};
pub use pin::{Pinned, Thread, Threads, Told, is_in_place, stay_off};
pub use qmp::{
    Call, Event, Events, Iothread, Qmp, QmpError, QueryCpus, QueryIothreads, QueryStatus, QueryVersion, RunState,
    Status, Vcpu, Version, VersionNumbers,
};
pub use spawn::spawn;
pub use start::{Booting, Paused};
