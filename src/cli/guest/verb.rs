//! `vmrun reset`, `pause`, `resume`, `wake`: one command of QEMU each.

use super::{Refused, done, for_guest, run_dir};
use crate::cli::Exit;
use crate::cli::args::Named;
use crate::cli::output::Output;
use crate::supervise::{Ask, ask};

/// What is done to a guest in a word.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) enum Verb {
    /// Its reset button.
    Reset,
    /// Its vCPUs stop.
    Pause,
    /// They go on.
    Resume,
    /// It is woken from its sleep.
    Wake,
}

impl Verb {
    /// The command of QEMU, and what is said when it was carried out.
    fn command(self) -> (&'static str, &'static str) {
        match self {
            Self::Reset => ("system_reset", "reset"),
            Self::Pause => ("stop", "paused"),
            Self::Resume => ("cont", "running"),
            Self::Wake => ("system_wakeup", "woken up"),
        }
    }
}

/// Does it.
pub(in crate::cli) fn verb(verb: Verb, Named { name }: &Named, output: Output) -> Exit {
    let (execute, said) = verb.command();
    let work = async {
        ask(&run_dir(name), &Ask::Qmp { execute: execute.to_owned(), arguments: serde_json::Map::new() }).await?;
        Ok::<_, Refused>(done(name, said, output))
    };
    for_guest(name, output, work)
}
