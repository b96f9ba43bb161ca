//! `vmrun host`: what vmrun sees of this machine.

use super::Exit;
use super::args::Host as Args;
use super::load::Loaded;
use super::output::Output;
use crate::host::{Area, Host, Root, Wants};

/// Dumps every fact as JSON; with a profile also the facts about the paths that it names.
pub(super) fn run(args: &Args, output: Output) -> Exit {
    let mut wants = match args.profile.as_deref().map(|path| Loaded::read(path, &args.layers)) {
        None => Wants::default(),
        Some(Ok(loaded)) => loaded.profile.wants(&loaded.setting),
        Some(Err(rejected)) => return rejected.tell(output),
    };
    wants.areas.extend(Area::ALL);
    match serde_json::to_value(Host::read(&Root::default(), &wants)) {
        Ok(facts) => output.answer_json(&facts, Exit::Good),
        Err(error) => output.answer(&format!("{error}\n"), Exit::Internal),
    }
}
