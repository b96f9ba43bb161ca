//! Floor 3: deeds on QEMU.
mod qmp;
pub use qmp::{
    Call, Event, Events, Iothread, Qmp, QmpError, QueryCpus, QueryIothreads, QueryStatus, QueryVersion, RunState,
    Status, Vcpu, Version, VersionNumbers,
};
