//! `vmrun list`: the profiles that are found by name.

use super::args::Layers;
use super::load::Loaded;
use super::output::Output;
use super::render::table;
use super::{Exit, guest, profiles};
use serde_json::json;
use std::path::PathBuf;

/// A profile, and what can be said of it without a look at the host.
struct Row {
    name: String,
    guest: String,
    path: PathBuf,
    runs: bool,
}

/// Lists them.
pub(super) fn run(output: Output) -> Exit {
    let rows = rows();
    if output.json {
        let rows: Vec<_> = rows
            .iter()
            .map(|row| json!({"name": row.name, "guest": row.guest, "path": row.path, "run_folder": row.runs}))
            .collect();
        return output.answer_json(&json!({"profiles": rows}), Exit::Good);
    }
    if rows.is_empty() {
        let places: Vec<_> = profiles::places().iter().map(|place| place.display().to_string()).collect();
        return output.answer(&format!("no profile in {}; make one: vmrun new\n", places.join(" or ")), Exit::Good);
    }
    let mut page = String::new();
    let lines: Vec<_> = rows.into_iter().map(|row| [row.name, row.guest, row.path.display().to_string()]).collect();
    table(&mut page, output.width, ["profile", "guest", "file"], &lines);
    output.answer(&page, Exit::Good)
}

fn rows() -> Vec<Row> {
    let started = guest::names();
    let mut rows: Vec<Row> = Vec::new();
    for path in profiles::places().iter().flat_map(|place| profiles::at(place)) {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if rows.iter().any(|row| row.name == name) {
            continue;
        }
        let (guest, runs) = match Loaded::read(&path, &Layers::default()) {
            Ok(loaded) => (loaded.profile.name().to_string(), started.contains(loaded.profile.name())),
            Err(_) => ("has mistakes".to_owned(), false),
        };
        let shown = if runs { format!("{guest}, started") } else { guest };
        rows.push(Row { name, guest: shown, path, runs });
    }
    rows
}
