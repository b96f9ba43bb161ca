//! `vmrun export`: a guest in the forms that others start, and what is not in them.

use super::args::{Export as Args, Shape};
use super::load::{Loaded, Planned, planned};
use super::output::{Output, Weight};
use super::refuse::refuse;
use super::render::finding;
use super::save::save;
use super::{Exit, desktop};
use crate::export::{Export, From, Gap, kubevirt, libvirt, script};
use crate::profile::Profile;
use crate::profile::source::{document, whole};
use serde_json::json;
use std::fmt::Write as _;

/// Does what follows `vmrun export`.
pub(super) fn run(args: &Args, output: Output) -> Exit {
    let (loaded, planned) = match planned(&args.profile, &args.layers, &args.host, output) {
        Ok(both) => both,
        Err(exit) => return exit,
    };
    if planned.exit() != Exit::Good {
        return refused(&loaded, &planned, output);
    }
    let made = made(args, &loaded, &planned);
    let exit = if made.gaps.is_empty() { Exit::Good } else { Exit::Incomplete };
    if let Some(path) = &args.output
        && let Err(problem) = save(path, &made.text, args.force, args.to == Shape::Script)
    {
        return refuse(&[problem], output);
    }
    if output.json {
        let record =
            json!({"complete": made.gaps.is_empty(), "exit": exit.code(), "missing": made.gaps, "text": made.text});
        return output.answer_json(&record, exit);
    }
    if !made.gaps.is_empty() {
        output.say(Weight::Warning, &report(&made.gaps));
    }
    match &args.output {
        Some(_) => exit,
        None => output.answer(&made.text, exit),
    }
}

fn made(args: &Args, loaded: &Loaded, planned: &Planned) -> Export {
    let from = From {
        profile: loaded.sheets.name().to_owned(),
        folder: Some(loaded.setting.dir.clone()),
        home: loaded.setting.home.clone(),
        text: whole::<Profile>(&loaded.sheets),
    };
    match args.to {
        Shape::Kubevirt => {
            let ids = planned.host.pci.iter();
            let ids = ids.map(|function| (function.bdf, format!("{:04x}:{:04x}", function.vendor, function.device)));
            kubevirt(&document::<Profile>(&loaded.sheets), planned.contents(), &from, &ids.collect())
        }
        Shape::Libvirt => libvirt(&document::<Profile>(&loaded.sheets), planned.contents(), &from),
        Shape::Script => script(planned.contents(), &from),
        Shape::Systemd => {
            Export { text: desktop::unit_of(loaded, planned, &args.profile, &args.layers), gaps: Vec::new() }
        }
    }
}

/// What would not start here is not written for elsewhere.
fn refused(loaded: &Loaded, planned: &Planned, output: Output) -> Exit {
    let exit = planned.exit();
    if output.json {
        return output.answer_json(&finding::json(&loaded.sheets, &planned.findings, exit), exit);
    }
    output.say(Weight::Error, &finding::text(&loaded.sheets, &planned.findings, output.width));
    exit
}

/// What is not in the other form, one a line.
fn report(gaps: &[Gap]) -> String {
    let mut text = String::from("not in it:\n");
    for Gap { at, what } in gaps {
        let at = if at.is_empty() { String::new() } else { format!("{at}: ") };
        _ = writeln!(text, "  {at}{what}");
    }
    text
}
