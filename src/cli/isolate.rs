//! `vmrun isolate`: binding at boot, for those who want it. Shows what it would write unless told to write it.

use super::Exit;
use super::args::{Isolate, Layers, address};
use super::load::Loaded;
use super::output::{Output, Weight};
use super::refuse::{failed, refuse};
use super::render::edits;
use crate::apply::{StandingEdits, edit_files, restore_files};
use crate::host::{Boot, Host, PciFunction, Root};
use crate::isolate::{CONF, Proposal, Request, SCRIPT, Staleness, propose, staleness};
use crate::plan::{Class, FileEdit, Problem};
use crate::unit::Bdf;
use serde_json::json;
use std::fmt::Write as _;
use std::io::{self, BufRead, IsTerminal};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Where stands what was written, and what was there before.
const RECORD: &str = "/var/lib/vmrun/isolate.json";

/// Shows, writes or takes back.
pub(super) fn run(args: &Isolate, output: Output) -> Exit {
    let root = Root::at(&args.root);
    let standing = match StandingEdits::read(&root, Path::new(RECORD)) {
        Ok(standing) => standing,
        Err(error) => return failed(&error, output),
    };
    if args.remove {
        return remove(&root, &standing, output);
    }
    if args.devices.is_empty() {
        return status(args, &root, &standing, output);
    }
    let devices = match devices(args, &root) {
        Ok(devices) => devices,
        Err(exit) => return exit(output),
    };
    match proposal(args, &root, devices, &standing) {
        Ok(proposal) => show(args, &root, &proposal, &standing, output),
        Err(problems) => refuse(&problems, output),
    }
}

/// A way to end that needs to know how to talk.
type End = Box<dyn FnOnce(Output) -> Exit>;

/// The functions that the arguments name: addresses, and what profiles pass.
fn devices(args: &Isolate, root: &Root) -> Result<Vec<Bdf>, End> {
    let mut devices = Vec::new();
    for word in &args.devices {
        let text = word.to_string_lossy();
        match address(&text) {
            Ok(bdf) => devices.push(bdf),
            Err(_) => devices.extend(passed(word, root)?),
        }
    }
    Ok(devices)
}

/// The functions that a profile passes on the host below `root`.
fn passed(profile: &Path, root: &Root) -> Result<Vec<Bdf>, End> {
    let loaded = match Loaded::read(profile, &Layers::default()) {
        Ok(loaded) => loaded,
        Err(rejected) => return Err(Box::new(|output| rejected.tell(output))),
    };
    let planned = loaded.plan_below(root);
    let passed = planned.contents().argv.host_functions();
    if passed.is_empty() {
        let what = format!("{} passes no PCI function to its guest", profile.display());
        let problem = Problem::new(Class::Invalid, "", what).fix("add [[pci]], or name addresses: vmrun isolate 01:00");
        return Err(Box::new(move |output| refuse(&[problem], output)));
    }
    Ok(passed)
}

/// What is to be written, from files as they were before vmrun wrote any.
fn proposal(
    args: &Isolate,
    root: &Root,
    devices: Vec<Bdf>,
    standing: &StandingEdits,
) -> Result<Proposal, Vec<Problem>> {
    let pci = Host::functions(root);
    let boot = pristine(Boot::read(root), standing)?;
    let request = Request {
        devices,
        by_address: args.by_address,
        passthrough: args.passthrough,
        initramfs: args.initramfs.map(Into::into),
        headless: args.headless,
    };
    propose(&pci, &boot, &request)
}

/// `boot` with the files as they were before.
fn pristine(mut boot: Boot, standing: &StandingEdits) -> Result<Boot, Vec<Problem>> {
    let mut problems = Vec::new();
    for edit in &standing.edits {
        let now = boot.files.get(&edit.path).cloned().flatten();
        if now != edit.to && now != edit.from {
            let what = format!("{} was changed since vmrun wrote it", edit.path.display());
            problems.push(
                Problem::new(Class::Impossible, "", what)
                    .fix("`vmrun isolate --remove` takes the rest back, and leaves it to you"),
            );
        }
        match &edit.from {
            Some(text) => boot.files.insert(edit.path.clone(), Some(text.clone())),
            None => boot.files.remove(&edit.path),
        };
    }
    if problems.is_empty() { Ok(boot) } else { Err(problems) }
}

fn show(args: &Isolate, root: &Root, proposal: &Proposal, standing: &StandingEdits, output: Output) -> Exit {
    let due = due(proposal, standing);
    if output.json && !args.apply {
        return output.answer_json(&record(proposal, &due), Exit::Good);
    }
    let mut text = String::new();
    for function in &proposal.functions {
        _ = writeln!(text, "# {}", named(function));
    }
    text += &edits::diff(&due);
    let shown = output.answer(&text, Exit::Good);
    if shown != Exit::Good {
        return shown;
    }
    tell_notes(&proposal.notes, output);
    if due.is_empty() {
        output.say(Weight::Info, "all of it is written already");
        return Exit::Good;
    }
    if !args.apply {
        let then: String = proposal.commands.iter().map(|command| format!("\n  {command}")).collect();
        let said = format!("nothing was written; the same with --apply writes it, and these make it count:{then}");
        output.say(Weight::Info, &said);
        return Exit::Good;
    }
    if !agreed() {
        output.say(Weight::Info, "nothing was written");
        return Exit::Good;
    }
    if let Err(error) = edit_files(root, Path::new(RECORD), &proposal.edits, &proposal.back) {
        return failed(&error, output);
    }
    output.say(Weight::Info, &format!("written; {RECORD} keeps what was there before\n{}", to_do(&proposal.commands)));
    Exit::Good
}

/// The edits that are still due: those that are wanted, from what stands there, and those no longer wanted, turned round.
fn due(proposal: &Proposal, standing: &StandingEdits) -> Vec<FileEdit> {
    let stands = |path: &Path| standing.edits.iter().find(|edit| edit.path == path);
    let wanted = proposal.edits.iter().map(|edit| FileEdit {
        from: stands(&edit.path).map_or(edit.from.clone(), |standing| standing.to.clone()),
        ..edit.clone()
    });
    let is_wanted = |edit: &&FileEdit| proposal.edits.iter().any(|it| it.path == edit.path);
    let given_up = standing.edits.iter().filter(|edit| !is_wanted(edit)).cloned().map(FileEdit::inverse);
    wanted.chain(given_up).filter(|edit| edit.from != edit.to).collect()
}

fn record(proposal: &Proposal, due: &[FileEdit]) -> serde_json::Value {
    let functions: Vec<_> = proposal.functions.iter().map(|function| function.bdf.to_string()).collect();
    json!({"functions": functions, "edits": due, "commands": proposal.commands, "notes": proposal.notes})
}

fn named(function: &PciFunction) -> String {
    let driver = function.driver.as_deref().unwrap_or("no driver");
    let group = function.iommu_group.map_or("no IOMMU group".to_owned(), |group| format!("IOMMU group {group}"));
    format!("{} {:04x}:{:04x}, {group}, now {driver}", function.bdf, function.vendor, function.device)
}

fn tell_notes(notes: &[Problem], output: Output) {
    if output.quiet {
        return;
    }
    for Problem { what, why, fix, .. } in notes {
        let more = [("why", why), ("fix", fix)].into_iter().filter(|(_, text)| !text.is_empty());
        let more: String = more.map(|(word, text)| format!("\n  {word}: {text}")).collect();
        output.say(Weight::Warning, &format!("warning: {what}{more}"));
    }
}

fn to_do(commands: &[String]) -> String {
    let lines: String = commands.iter().map(|command| format!("  {command}\n")).collect();
    format!("now run, as root, and restart:\n{lines}")
}

/// Asks on a terminal; `--apply` is the answer elsewhere.
fn agreed() -> bool {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return true;
    }
    _ = io::Write::write_all(&mut anstream::stderr(), b"write this? [y/N] ");
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}

fn remove(root: &Root, standing: &StandingEdits, output: Output) -> Exit {
    if standing.is_empty() {
        output.say(Weight::Info, "nothing is written that could be taken back");
        return Exit::Good;
    }
    match restore_files(root, Path::new(RECORD)) {
        Err(error) => failed(&error, output),
        Ok(strange) if strange.is_empty() => {
            output.say(Weight::Info, &format!("all is as it was before\n{}", to_do(&standing.back)));
            Exit::Good
        }
        Ok(strange) => {
            let names: String = strange.iter().map(|path| format!("\n  {}", path.display())).collect();
            let what = format!("these were changed since vmrun wrote them, and are left as they are:{names}");
            output.say(Weight::Error, &format!("{what}\n{}", to_do(&standing.back)));
            Exit::NotRestored
        }
    }
}

/// How things stand: what was written, whether images have it, and which driver has the functions.
fn status(args: &Isolate, root: &Root, standing: &StandingEdits, output: Output) -> Exit {
    if args.apply {
        let problem = Problem::new(Class::Invalid, "", "no device is named that could be isolated at boot");
        return refuse(&[problem.fix("vmrun isolate 01:00 --apply, or vmrun isolate windows.toml --apply")], output);
    }
    if standing.is_empty() && !output.json {
        let text = "nothing is isolated at boot; `vmrun isolate 01:00` shows what would be written\n";
        return output.answer(text, Exit::Good);
    }
    let by_address = standing.edits.iter().any(|edit| edit.path == Path::new(SCRIPT));
    let images = staleness(&Boot::read(root), written(root, standing), by_address);
    let functions = isolated(root, standing);
    if output.json {
        let images: Vec<_> = images.iter().map(|image| json!({"image": image.image, "stale": image.why})).collect();
        let functions: Vec<_> = functions
            .iter()
            .map(|function| json!({"bdf": function.bdf.to_string(), "driver": function.driver}))
            .collect();
        return output.answer_json(&json!({"functions": functions, "images": images}), Exit::Good);
    }
    let mut text = String::new();
    for function in &functions {
        _ = writeln!(text, "{}", named(function));
    }
    for edit in &standing.edits {
        _ = writeln!(text, "wrote {}", edit.path.display());
    }
    for image in &images {
        _ = writeln!(text, "{}", told(image));
    }
    if images.iter().any(|image| image.why.is_some()) {
        text += &to_do(&standing.back);
    }
    output.answer(&text, Exit::Good)
}

fn told(Staleness { image, why, seen }: &Staleness) -> String {
    match (why, seen) {
        (Some(why), _) => format!("stale {}: {why}", image.display()),
        (None, true) => format!("good  {}", image.display()),
        (None, false) => format!("good  {} by its time; nothing here lists what is in it", image.display()),
    }
}

/// When the last of the files was written, in seconds since 1970.
fn written(root: &Root, standing: &StandingEdits) -> i64 {
    let times = standing.edits.iter().filter_map(|edit| root.metadata(&edit.path).ok());
    times.map(|found| found.mtime()).max().unwrap_or_default()
}

/// The functions that the file for modprobe names in its comments.
fn isolated(root: &Root, standing: &StandingEdits) -> Vec<PciFunction> {
    let conf = standing.edits.iter().find(|edit| edit.path == Path::new(CONF)).and_then(|edit| edit.to.as_deref());
    let lines =
        conf.unwrap_or_default().lines().filter_map(|line| line.strip_prefix("# ")?.split(' ').next()?.parse().ok());
    let named: Vec<Bdf> = lines.collect();
    Host::functions(root).into_iter().filter(|function| named.contains(&function.bdf)).collect()
}
