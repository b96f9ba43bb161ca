//! `vmrun man`: the pages of the manual, made of the command line and of the types of a profile.

mod profile;
mod roff;

use super::Exit;
use super::args::{self, Man};
use super::output::{Output, Weight};
use super::refuse::failed;
use crate::apply::ApplyError;
use clap::Command;
use std::fs;
use std::io;
use std::path::Path;

/// What vmrun(1) says below what its command line says.
const MORE: &str = include_str!("vmrun.1.more");

/// The date of the pages: that of the version, since the same sources give the same pages.
const DATE: &str = "2026-11-26";

/// Writes all pages below a folder.
pub(super) fn run(Man { folder }: &Man, output: Output) -> Exit {
    let written = commands(&folder.join("man1")).and_then(|count| {
        let path = folder.join("man5");
        let file = path.join("vmrun-profile.5");
        fs::create_dir_all(&path).map_err(ApplyError::io("make", &path))?;
        fs::write(&file, profile::page()).map_err(ApplyError::io("write", &file))?;
        Ok(count + 1)
    });
    match written {
        Ok(count) => {
            if !output.quiet {
                output.say(Weight::Info, &format!("{count} pages are written below {}", folder.display()));
            }
            Exit::Good
        }
        Err(error) => failed(&error, output),
    }
}

/// Writes vmrun(1) and a page for each command; how many.
fn commands(folder: &Path) -> Result<usize, ApplyError> {
    fs::create_dir_all(folder).map_err(ApplyError::io("make", folder))?;
    let mut root = args::command();
    let names: Vec<_> = root.get_subcommands().map(|it| it.get_name().to_owned()).filter(|it| it != "help").collect();
    // What is named in one line of a help that must fit a terminal is told in full here.
    for name in &names {
        root = root.mut_subcommand(name, |command| command.hide(false));
    }
    let options: Vec<_> = root.get_arguments().map(|option| option.get_id().clone()).collect();
    root = options.into_iter().fold(root, |root, id| root.mut_arg(id, |option| option.hide(false)));
    root = root.after_help("");
    let commands: Vec<_> = root.get_subcommands().filter(|it| it.get_name() != "help").collect();
    for command in &commands {
        let name = format!("vmrun-{}", command.get_name());
        let page = rendered(command, &name).map_err(ApplyError::io("make", folder))?;
        write(folder, &name, &page)?;
    }
    let page = rendered(&root, "vmrun").map_err(ApplyError::io("make", folder))?;
    write(folder, "vmrun", &format!("{page}{MORE}"))?;
    Ok(commands.len() + 1)
}

fn write(folder: &Path, name: &str, page: &str) -> Result<(), ApplyError> {
    let path = folder.join(format!("{name}.1"));
    fs::write(&path, page).map_err(ApplyError::io("write", &path))
}

/// The page of `command`.
fn rendered(command: &Command, name: &str) -> io::Result<String> {
    // A page of the manual is named by what is typed after `man`.
    let command = command
        .clone()
        .display_name(name.to_owned())
        .bin_name(name.replacen('-', " ", 1))
        .disable_help_subcommand(true);
    let mut page = Vec::new();
    clap_mangen::Man::new(command).title(name).date(DATE).source("vmrun").manual("vmrun").render(&mut page)?;
    // What stands below the options in a help: examples, exit codes.
    Ok(String::from_utf8_lossy(&page).replace(".SH EXTRA", ".SH NOTES"))
}
