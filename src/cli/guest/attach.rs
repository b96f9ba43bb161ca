//! `vmrun attach`: a vmrun for a guest whose own was killed.

use super::{boot_id, on_the_loop, run_dir, state_dir};
use crate::apply::{Standing, standing};
use crate::cli::args::Attach;
use crate::cli::output::Output;
use crate::cli::progress::Progress;
use crate::cli::{Exit, ending};
use crate::host::Root;
use crate::supervise::{self, Outcome};

/// Takes over a guest that runs without its vmrun, and stays with it to its end.
pub(in crate::cli) fn attach(Attach { name }: &Attach, output: Output) -> Exit {
    let progress = Progress::new(name.as_str(), output);
    let dir = run_dir(name);
    let outcome = if dir.is_dir() && standing(&dir) != Standing::Foreign {
        on_the_loop(supervise::attach(&dir, Root::default(), &boot_id(), &|notice| progress.tell(notice)))
            .unwrap_or_else(|error| Outcome::unable(format!("there is no event loop: {error}")))
    } else {
        return super::refuse(name, super::Refused::Away, output);
    };
    progress.finish();
    if !outcome.is_refusal() {
        ending::keep(&state_dir(name), &outcome);
    }
    ending::tell(name.as_str(), &outcome, output)
}
