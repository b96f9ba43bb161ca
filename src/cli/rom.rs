//! `vmrun rom`: the option ROM of a card, read and judged. Nothing is ever flashed.

use super::Exit;
use super::args::{Rom, RomCommand, RomDump, RomInspect, address};
use super::output::{Output, Weight};
use super::refuse::{failed, refuse};
use super::render::rom as render;
use crate::apply::{ApplyError, read_rom};
use crate::host::{Host, PciFunction, Root};
use crate::plan::{Class, Problem};
use crate::unit::{Bdf, LARGEST_ROM, NoRom, OptionRom, RomVerdict};
use serde_json::json;
use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::path::Path;

/// Said of a ROM of the card that the host started with.
const SHADOWED: &str = "warning: the host has started with this card, and its firmware may have changed what was read\n  \
                        fix: if a guest stays dark with it, read it again on a host that starts with another card";

/// Does what follows `vmrun rom`.
pub(super) fn run(args: &Rom, output: Output) -> Exit {
    match &args.what {
        RomCommand::Dump(args) => dump(args, output),
        RomCommand::Inspect(args) => inspect(args, output),
    }
}

fn dump(args: &RomDump, output: Output) -> Exit {
    if args.output.is_none() && io::stdout().is_terminal() {
        let what = "a ROM is no text for a terminal";
        let fix = format!("vmrun rom dump {} -o card.rom", args.bdf);
        return refuse(&[Problem::new(Class::Invalid, "", what).fix(fix)], output);
    }
    let (bytes, rom) = match of_card(args.bdf).and_then(|bytes| Ok((parsed(&args.bdf.to_string(), &bytes)?, bytes))) {
        Ok((rom, bytes)) => (bytes, rom),
        Err(refusal) => return refusal.tell(output),
    };
    let written = match &args.output {
        Some(path) => save(path, &bytes),
        None => io::stdout().write_all(&bytes).map_err(ApplyError::io("write", "standard output")),
    };
    if let Err(error) = written {
        return failed(&error, output);
    }
    let verdict = RomVerdict::of(&rom, ids(function(args.bdf).as_ref()));
    if !output.quiet {
        let weight = if verdict.is_good() { Weight::Info } else { Weight::Warning };
        let place = args.output.as_deref().map_or("the ROM".to_owned(), |path| path.display().to_string());
        output.say(weight, &format!("{place}: {} bytes, {verdict}", bytes.len()));
    }
    if function(args.bdf).is_some_and(|function| function.boot_vga) {
        output.say(Weight::Warning, SHADOWED);
    }
    Exit::Good
}

fn inspect(args: &RomInspect, output: Output) -> Exit {
    let own = args.source.to_str().and_then(|text| address(text).ok()).filter(|_| !args.source.exists());
    let name = own.map_or_else(|| args.source.display().to_string(), |bdf| bdf.to_string());
    let read = own.map_or_else(|| of_file(&args.source), of_card);
    let (bytes, rom) = match read.and_then(|bytes| Ok((parsed(&name, &bytes)?, bytes))) {
        Ok((rom, bytes)) => (bytes, rom),
        Err(refusal) => return refusal.tell(output),
    };
    let card = match args.card.or(own) {
        None => fitting(&rom),
        Some(bdf) => match function(bdf) {
            Some(card) => Some(card),
            None => return refuse(&[absent(bdf)], output),
        },
    };
    let verdict = RomVerdict::of(&rom, ids(card.as_ref()));
    if let Some(path) = &args.trim {
        return trim(&rom, &bytes, path, output);
    }
    let exit = if verdict.is_good() { Exit::Good } else { Exit::Impossible };
    if output.json {
        let verdict = json!({"good": verdict.is_good(), "text": verdict.to_string(), "fix": verdict.fix()});
        let card = card.map(|card| card.bdf.to_string());
        return output.answer_json(&json!({"rom": rom, "card": card, "verdict": verdict}), exit);
    }
    output.answer(&render::text(&name, bytes.len(), &rom, card.as_ref(), &verdict), exit)
}

/// Writes `rom` without what stands before it.
fn trim(rom: &OptionRom, bytes: &[u8], path: &Path, output: Output) -> Exit {
    match save(path, rom.trimmed(bytes)) {
        Err(error) => failed(&error, output),
        Ok(()) => {
            let said = match rom.header {
                0 => "nothing stands before the ROM; copied as it is".to_owned(),
                header => format!("{header} bytes before the ROM are cut off"),
            };
            if !output.quiet {
                output.say(Weight::Info, &format!("{}: {said}", path.display()));
            }
            Exit::Good
        }
    }
}

/// Why there is no ROM.
enum Refusal {
    Problem(Problem),
    Failed(ApplyError),
}

impl Refusal {
    fn tell(self, output: Output) -> Exit {
        match self {
            Self::Problem(problem) => refuse(&[problem], output),
            Self::Failed(error) => failed(&error, output),
        }
    }
}

fn of_card(bdf: Bdf) -> Result<Vec<u8>, Refusal> {
    match function(bdf) {
        None => Err(Refusal::Problem(absent(bdf))),
        Some(_) => read_rom(&Root::default(), bdf).map_err(Refusal::Failed),
    }
}

fn of_file(path: &Path) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LARGEST_ROM as u64 + 1).read_to_end(&mut bytes));
    read.map_err(|error| Refusal::Failed(ApplyError::io("read", path)(error)))?;
    Ok(bytes)
}

fn parsed(name: &str, bytes: &[u8]) -> Result<OptionRom, Refusal> {
    OptionRom::parse(bytes).map_err(|why| {
        let problem = Problem::new(Class::Invalid, "", format!("{name} is no option ROM: {why}"));
        Refusal::Problem(match why {
            NoRom::Blank(_) => problem.why("a card that sleeps, or whose ROM its firmware has hidden, reads so").fix(
                "wake the card with its own driver and read it again, or read it on a host that starts with another card",
            ),
            _ => problem,
        })
    })
}

fn absent(bdf: Bdf) -> Problem {
    Problem::new(Class::Impossible, "", format!("there is no PCI function {bdf} on this host"))
        .fix("`lspci -D` lists them")
}

/// Writes a file that was not there before.
fn save(path: &Path, bytes: &[u8]) -> Result<(), ApplyError> {
    let mut file = File::create_new(path).map_err(ApplyError::io("make", path))?;
    file.write_all(bytes).map_err(ApplyError::io("write", path))
}

fn functions() -> Vec<PciFunction> {
    Host::functions(&Root::default())
}

fn function(bdf: Bdf) -> Option<PciFunction> {
    functions().into_iter().find(|function| function.bdf == bdf)
}

/// A card of this host that the ROM is for.
fn fitting(rom: &OptionRom) -> Option<PciFunction> {
    functions().into_iter().find(|function| rom.is_for(function.vendor, function.device))
}

fn ids(card: Option<&PciFunction>) -> Option<(u16, u16)> {
    card.map(|card| (card.vendor, card.device))
}
