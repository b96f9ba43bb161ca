//! `vmrun import`: a profile of what people already have, and a report of what became of each piece of it.

mod process;

use super::args::{Form, Import as Args};
use super::output::{Output, Weight};
use super::refuse::refuse;
use super::render::import as render;
use super::save::save;
use super::{Exit, layers};
use crate::import::{Import, LARGEST, import};
use crate::plan::{Class, Problem};
use serde_json::json;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// Does what follows `vmrun import`.
pub(super) fn run(args: &Args, output: Output) -> Exit {
    let made = match made(args) {
        Ok(made) => made,
        Err(problem) => return refuse(&[problem], output),
    };
    let exit = if made.report.is_complete() { Exit::Good } else { Exit::Incomplete };
    if let Some(path) = &args.output
        && let Err(problem) = save(path, &made.profile, args.force, false)
    {
        return refuse(&[problem], output);
    }
    if output.json {
        return output.answer_json(&json(&made, exit), exit);
    }
    if args.report == Form::Json {
        output.say(Weight::Info, &format!("{:#}", json(&made, exit)));
    } else if !(output.quiet && made.report.is_complete()) {
        output.say(Weight::Info, &render::text(&made, output.width));
    }
    match &args.output {
        Some(_) => exit,
        None => output.answer(&made.profile, exit),
    }
}

fn made(args: &Args) -> Result<Import, Problem> {
    match (&args.file, args.pid) {
        (_, Some(pid)) => process::import(pid),
        (Some(file), None) => of_file(file),
        (None, None) => of_file(Path::new("-")),
    }
}

fn json(made: &Import, exit: Exit) -> serde_json::Value {
    json!({
        "kind": made.kind.as_str(),
        "complete": made.report.is_complete(),
        "exit": exit.code(),
        "entries": made.report.entries,
        "profile": made.profile,
    })
}

fn of_file(path: &Path) -> Result<Import, Problem> {
    let stdin = path == Path::new("-");
    let name = if stdin { "standard input".into() } else { path.display().to_string() };
    let refuse = |class: Class, error: &io::Error| {
        Problem::new(class, "", format!("{name} cannot be read: {}", layers::reason(error)))
    };
    let read = || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        // One byte more tells that it is too large.
        let most = LARGEST as u64 + 1;
        match stdin {
            true => io::stdin().take(most).read_to_end(&mut bytes)?,
            false => File::open(path)?.take(most).read_to_end(&mut bytes)?,
        };
        Ok(bytes)
    };
    let bytes = read().map_err(|error| match error.kind() {
        ErrorKind::PermissionDenied => refuse(Class::Denied, &error).fix("run it as root: sudo vmrun …"),
        _ => refuse(Class::Invalid, &error),
    })?;
    import(&name, &bytes)
}
