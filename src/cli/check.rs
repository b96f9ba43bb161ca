//! `vmrun check`: can this profile run here?

use super::Exit;
use super::args::Check;
use super::load::Loaded;
use super::output::{Output, Weight};
use super::render::finding;
use std::io::{IsTerminal, stderr};

/// Tells all refusals and warnings; silent when there are none, but for a line on a terminal.
pub(super) fn run(args: &Check, output: Output) -> Exit {
    let loaded = match Loaded::read(&args.profile, &args.layers) {
        Ok(loaded) => loaded,
        Err(rejected) => return rejected.and_on(&args.host).tell(output),
    };
    let planned = match loaded.plan(&args.host) {
        Ok(planned) => planned,
        Err(rejected) => return rejected.tell(output),
    };
    let exit = planned.exit();
    if output.json {
        return output.answer_json(&finding::json(&loaded.sheets, &planned.findings, exit), exit);
    }
    if !planned.findings.is_empty() {
        let weight = if exit == Exit::Good { Weight::Warning } else { Weight::Error };
        output.say(weight, &finding::text(&loaded.sheets, &planned.findings, output.width));
    } else if !output.quiet && stderr().is_terminal() {
        output.say(Weight::Info, &format!("{}: good, it can run here", loaded.sheets.name()));
    }
    exit
}
