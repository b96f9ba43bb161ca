//! `vmrun pick`: which guest, and so which card? Asked on a terminal; the answer is run.

mod entry;
mod key;
mod menu;
mod terminal;

use super::args::{Pick, Run};
use super::output::Output;
use super::profiles;
use super::refuse::{SILENT, refuse, refuse_with};
use super::{Exit, broken, run as runner};
use crate::plan::{Class, Problem};
use entry::Entry;
use menu::{Menu, Step};
use std::io::{self, BufRead, IsTerminal, Write};
use terminal::Raw;

/// Lets the user choose among profiles, and runs the chosen one as `vmrun run` does.
pub(super) fn run(args: &Pick, output: Output) -> Exit {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        let problem = Problem::new(Class::Invalid, "", "to choose takes a terminal, and this is none");
        return refuse(&[problem.fix("name the profile: vmrun run PROFILE")], output);
    }
    let places = if args.places.is_empty() { profiles::places() } else { args.places.clone() };
    let entries = match entry::find(&places) {
        Ok(entries) => entries,
        Err(problems) => return refuse(&problems, output),
    };
    let chosen = match choose(&entries) {
        Ok(chosen) => chosen,
        Err(error) => {
            let what = format!("the terminal does not answer: {error}");
            return refuse_with(Exit::Internal, what, SILENT, output);
        }
    };
    match chosen {
        Some(entry) => runner::run(&Run { profile: entry.path.clone(), layers: args.layers.clone() }, output),
        None => Exit::Good,
    }
}

fn choose(entries: &[Entry]) -> io::Result<Option<&Entry>> {
    let plain = std::env::var_os("TERM").is_none_or(|terminal| terminal.is_empty() || terminal == "dumb");
    let chosen = if plain { ask(entries)? } else { point(entries)? };
    Ok(chosen.and_then(|at| entries.get(at)))
}

/// A list and a question, for terminals that cannot move their cursor.
fn ask(entries: &[Entry]) -> io::Result<Option<usize>> {
    let mut stderr = io::stderr();
    let (width, _) = terminal::size();
    for (number, entry) in entries.iter().enumerate() {
        writeln!(stderr, "{}", menu::cut(&format!("{:3}  {}", number + 1, entry.text), width))?;
    }
    loop {
        write!(stderr, "which guest? 1 to {}, or nothing for none: ", entries.len())?;
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer)?;
        match answer.trim() {
            "" | "q" => return Ok(None),
            text => match text.parse::<usize>() {
                Ok(number) if (1..=entries.len()).contains(&number) => return Ok(Some(number - 1)),
                _ => {}
            },
        }
    }
}

/// A list in which arrows and numbers move.
fn point(entries: &[Entry]) -> io::Result<Option<usize>> {
    let texts: Vec<_> = entries.iter().map(|entry| entry.text.as_str()).collect();
    let raw = Raw::enter()?;
    let mut menu = Menu::new(texts.len());
    let mut drawn = 0;
    loop {
        let (width, height) = terminal::size();
        let lines = menu.lines(&texts, width, height);
        terminal::draw(&lines, drawn)?;
        drawn = lines.len();
        broken::terminal_is_changed();
        for key in raw.keys()? {
            match menu.press(key) {
                Step::Stay => {}
                Step::Leave => return Ok(None),
                Step::Choose(at) => return Ok(Some(at)),
            }
        }
    }
}
