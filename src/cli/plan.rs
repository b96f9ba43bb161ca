//! `vmrun plan`: everything that would be done.

use super::Exit;
use super::args::Plan;
use super::load::{Loaded, Planned, planned};
use super::output::{Output, Weight};
use super::render::plan::{self, Against};
use super::render::{PlanJson, argv, finding, place_origins};

/// Shows the plan, also of a profile that this host refuses; then the problems are told on standard error.
pub(super) fn run(args: &Plan, output: Output) -> Exit {
    let (loaded, planned) = match planned(&args.profile, &args.layers, &args.host, output) {
        Ok(both) => both,
        Err(exit) => return exit,
    };
    let exit = planned.exit();
    if output.json {
        return output.answer_json(&json(&loaded, &planned), exit);
    }
    let shown = output.answer(&text(args, &loaded, &planned, output.width), exit);
    let worth_telling = exit != Exit::Good || !output.quiet;
    if !planned.findings.is_empty() && worth_telling {
        let weight = if exit == Exit::Good { Weight::Warning } else { Weight::Error };
        output.say(weight, &finding::text(&loaded.sheets, &planned.findings, output.width));
    }
    shown
}

/// What the plan of a profile is shown against, with its name and lines or without.
pub(super) fn against<'a>(loaded: &'a Loaded, planned: &'a Planned, lines: bool) -> Against<'a> {
    Against { keys: &loaded.keys, sheets: &loaded.sheets, host: &planned.host, problems: planned.problems(), lines }
}

fn text(args: &Plan, loaded: &Loaded, planned: &Planned, width: usize) -> String {
    let contents = planned.contents();
    let against = against(loaded, planned, true);
    match (args.argv, args.lines) {
        (false, _) => plan::text(contents, &against, width),
        (true, false) => argv::line(contents),
        (true, true) => argv::lines(contents),
    }
}

/// The record of the findings, with the plan beside them.
fn json(loaded: &Loaded, planned: &Planned) -> serde_json::Value {
    let mut record = finding::json(&loaded.sheets, &planned.findings, planned.exit());
    record["plan"] = PlanJson(planned.contents()).value();
    place_origins(&mut record["plan"]["options"], &loaded.keys, &loaded.sheets);
    record
}
