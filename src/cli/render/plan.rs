//! A plan for a person: what is run and why, who runs where, what is changed and how it is put back.

use super::argv::quoted;
use super::layout::{columns, counted, paragraph, wrapped};
use super::{life, pins};
use crate::host::Host;
use crate::plan::{Arg, Change, Contents, Descriptor, FIRST_DESCRIPTOR, NewFile, Origin};
use anstyle::Style;
use std::fmt::Write as _;

const HEAD: Style = Style::new().bold();

/// The plan with `problems` reasons against it on `host`, in lines of `width` columns. With terminal styles, and
/// readable without.
pub(in crate::cli) fn text(contents: &Contents, problems: usize, host: &Host, width: usize) -> String {
    let mut page = Page { text: String::new(), width };
    page.summary(contents, problems);
    page.argv(contents);
    page.pins(contents, host);
    page.handed(contents);
    page.files(&contents.files);
    page.changes(&contents.changes);
    page.section("From start to end");
    life::steps(&mut page.text, width, contents);
    page.section("How it ends");
    life::ending(&mut page.text, width, &contents.ending);
    page.text
}

struct Page {
    text: String,
    width: usize,
}

impl Page {
    fn section(&mut self, title: &str) {
        _ = writeln!(self.text, "\n{HEAD}{title}{HEAD:#}");
    }

    fn item(&mut self, text: &str) {
        paragraph(&mut self.text, 2, self.width, text);
    }

    fn summary(&mut self, contents: &Contents, problems: usize) {
        let Contents { name, emulator, vcpus, run_dir, .. } = contents;
        let version = emulator.version.map_or("QEMU, not found".to_owned(), |version| format!("QEMU {version}"));
        _ = writeln!(self.text, "{HEAD}Guest {name}{HEAD:#}: {}", counted(*vcpus as usize, "vCPU"));
        if problems > 0 {
            _ = writeln!(self.text, "cannot run here: {}", counted(problems, "problem"));
        }
        self.item(&format!("{version}: {}", emulator.path.display()));
        self.item(&format!("its folder while it runs: {}", run_dir.display()));
    }

    fn argv(&mut self, contents: &Contents) {
        self.section("Command line: what the profile gives, what is derived from it, and why");
        for arg in contents.argv.args() {
            self.arg(&arg);
        }
    }

    fn arg(&mut self, arg: &Arg) {
        let (column, width) = (self.width * 2 / 5, self.width * 3 / 5);
        let value = arg.value.as_deref().map(|value| format!(" {value}")).unwrap_or_default();
        let option = format!("{}{value}", arg.option);
        let mut notes = notes(&arg.origins).into_iter().flat_map(|note| hanging(&note, width));
        if columns(&option) + 4 <= column {
            let note = notes.next().unwrap_or_default();
            let line = format!("  {option:rest$}{note}", rest = column - 2);
            _ = writeln!(self.text, "{}", line.trim_end());
        } else {
            self.item(&option);
        }
        for note in notes {
            _ = writeln!(self.text, "{:column$}{note}", "");
        }
    }

    fn pins(&mut self, contents: &Contents, host: &Host) {
        self.section("Threads on the cores of this host");
        if contents.pins.is_empty() {
            return self.item("no thread is placed: each runs wherever the kernel likes");
        }
        pins::cores(&mut self.text, self.width, &contents.pins, host);
        for thread in pins::unplaced(&contents.pins) {
            self.item(&thread);
        }
    }

    fn handed(&mut self, contents: &Contents) {
        self.section("Handed to QEMU");
        for (number, descriptor) in (FIRST_DESCRIPTOR..).zip(&contents.descriptors) {
            self.item(&format!("descriptor {number}: {}", opened(descriptor)));
        }
        for (name, value) in &contents.env {
            self.item(&format!("environment: {name}={}", quoted(value)));
        }
    }

    fn files(&mut self, files: &[NewFile]) {
        if files.is_empty() {
            return;
        }
        self.section("Files made before");
        for NewFile { path, copy_of } in files {
            let (path, from) = (path.display(), copy_of.display());
            self.item(&format!("{path}: copied from {from} if there is none; kept from run to run"));
        }
    }

    fn changes(&mut self, changes: &[Change]) {
        self.section("Changes of the host, as a root shell would make them");
        if changes.is_empty() {
            return self.item("none");
        }
        self.steps(changes.iter().cloned());
        self.section("Put back afterwards, last change first");
        self.steps(changes.iter().rev().map(Change::inverse));
    }

    fn steps(&mut self, changes: impl Iterator<Item = Change>) {
        for step in changes.flat_map(|change| change.steps()) {
            self.item(&step.to_string());
        }
    }
}

/// Where an argument comes from: the keys that give it on one line, then each that it is derived from with the reason.
fn notes(origins: &[Origin]) -> Vec<String> {
    let given: Vec<_> = origins.iter().filter(|origin| !origin.derived).map(|origin| origin.key.as_str()).collect();
    let mut notes = Vec::new();
    if !given.is_empty() {
        notes.push(format!("given   {}", given.join(", ")));
    }
    let derived = origins.iter().filter(|origin| origin.derived);
    notes.extend(derived.map(|Origin { key, why, .. }| match (key.as_str(), *why) {
        ("vmrun", why) => format!("always  {why}"),
        (key, "") => format!("derived {key}"),
        (key, why) => format!("derived {key}: {why}"),
    }));
    notes
}

/// A note whose later lines stand below its ninth column.
fn hanging(note: &str, width: usize) -> Vec<String> {
    let (word, text) = note.split_at(8);
    let lines = wrapped(text, width.saturating_sub(8)).into_iter().enumerate();
    lines.map(|(index, line)| if index == 0 { format!("{word}{line}") } else { format!("{:8}{line}", "") }).collect()
}

fn opened(descriptor: &Descriptor) -> String {
    match descriptor {
        Descriptor::Qmp => "the listening QMP socket".to_owned(),
        Descriptor::Serial => "one end of a socket pair; vmrun reads the serial port at the other".to_owned(),
        Descriptor::Tap { bridge } => format!("a tap device on bridge {bridge}, gone with its descriptor"),
        Descriptor::VhostNet => "/dev/vhost-net for the tap before it".to_owned(),
    }
}
