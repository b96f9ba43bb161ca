//! What a run tells while it goes on, for a person or a program to follow.

use super::Ended;
use crate::plan::Sched;
use crate::unit::CpuSet;
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::time::Duration;

/// Takes the notices of a run.
pub type Tell<'a> = &'a dyn Fn(&Notice);

/// Something that happened. As JSON, one object with the kind as its only key; times are in milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    /// A part of the start is done.
    Stage {
        /// What was done, like `huge pages`.
        what: String,
        /// How long it took.
        #[serde(rename = "took_ms", serialize_with = "millis")]
        took: Duration,
    },
    /// A part that takes long.
    Waiting {
        /// What is awaited, like `QEMU to answer`.
        what: String,
        /// For how long by now.
        #[serde(rename = "for_ms", serialize_with = "millis")]
        since: Duration,
    },
    /// A line that a hook or a companion printed; nothing in it is obeyed by a terminal.
    Output {
        /// Which of the two.
        by: Speaker,
        /// Its name.
        from: String,
        /// The line, without its line feed.
        line: String,
    },
    /// Something about a companion.
    Service {
        /// Its name.
        name: String,
        /// What happened.
        #[serde(flatten)]
        what: ServiceNews,
    },
    /// Every thread of QEMU is in its place; the guest has not run an instruction.
    Pinned {
        /// The threads.
        threads: Vec<Placed>,
        /// How long it took to place them and to read that back.
        #[serde(rename = "took_ms", serialize_with = "millis")]
        took: Duration,
    },
    /// A line that the guest wrote to its captured serial port.
    Guest {
        /// The line, without control characters.
        line: String,
    },
    /// Something that QEMU said, as it said it.
    Event {
        /// Its name, like `RTC_CHANGE`.
        event: String,
        /// Its data.
        data: Value,
    },
    /// The guest entered a state, in the words of `vmrun status`.
    State(String),
    /// The run is over.
    Ended(Ended),
    /// Something that happened and is as it should be.
    Note(String),
    /// Something that the user should know and that stops nothing.
    Warning(String),
}

/// A thread of QEMU and its place, as the kernel says it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Placed {
    /// Its id.
    pub tid: i32,
    /// What it is, like `vCPU 0`.
    pub what: String,
    /// Host CPUs it may run on.
    pub cpus: CpuSet,
    /// Its scheduling class.
    pub sched: Sched,
}

impl Notice {
    /// A part of the start that is done.
    pub(super) fn stage(what: impl Into<String>, took: Duration) -> Self {
        Self::Stage { what: what.into(), took }
    }
}

/// Who printed something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Speaker {
    /// A hook.
    Hook,
    /// A companion.
    Companion,
}

/// What happened to a companion.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum ServiceNews {
    /// It was executed.
    Started {
        /// Its process id.
        pid: u32,
    },
    /// It counts as started.
    Ready,
    /// It ended by itself.
    Ended {
        /// How, like `exit 1`.
        how: String,
        /// After which pause it is started again; `None` when its restart policy wants no more of it.
        #[serde(rename = "again_in_ms", serialize_with = "some_millis")]
        again_in: Option<Duration>,
    },
    /// It died too often and is not started again: the one warning about it.
    GivenUp {
        /// Deaths within a minute.
        deaths: u32,
        /// How it ended the last time.
        how: String,
    },
    /// vmrun ended it.
    Stopped {
        /// How it ended, like `killed by SIGTERM`.
        how: String,
    },
}

fn millis<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    // Tenths are noise, and a float is what JSON has for times longer than its readers' integers.
    serializer.serialize_f64((time.as_secs_f64() * 1e4).round() / 10.0)
}

#[allow(clippy::ref_option)] // serde passes the field by reference
fn some_millis<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => millis(time, serializer),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod test {
    use super::{Notice, ServiceNews};
    use std::time::Duration;

    fn json(notice: &Notice) -> String {
        serde_json::to_string(notice).unwrap()
    }

    #[test]
    fn every_notice_is_one_object() {
        let took = Duration::from_micros(40_250);
        assert_eq!(
            json(&Notice::Stage { what: "huge pages".into(), took }),
            r#"{"stage":{"what":"huge pages","took_ms":40.3}}"#
        );
        assert_eq!(json(&Notice::Warning("x".into())), r#"{"warning":"x"}"#);
        let again_in = Some(Duration::from_secs(1));
        let what = ServiceNews::Ended { how: "exit 1".into(), again_in };
        assert_eq!(
            json(&Notice::Service { name: "synergy".into(), what }),
            r#"{"service":{"name":"synergy","what":"ended","how":"exit 1","again_in_ms":1000.0}}"#
        );
    }
}
