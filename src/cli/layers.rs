//! The texts of a profile: its file, the files that this one extends, and what the command line adds.

use super::args::Layers;
use super::place;
use crate::host::Caller;
use crate::plan::Kept;
use crate::profile::Setting;
use crate::profile::source::{self, MAX_BYTES, Mistake, Sheets};
use std::fs::{File, canonicalize};
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Most files that a profile extends, one after the other; more is a mistake, not a design.
const MAX_BASES: usize = 8;

/// Reads the profile in the file `path` and the files below it. What is wrong with a file below is a mistake of the file
/// that names it, and is noted.
///
/// # Errors
/// When the file itself cannot be read.
pub(super) fn read(path: &Path, layers: &Layers) -> io::Result<Sheets> {
    let bytes = bytes(path)?;
    let mut sheets = Sheets::new(shown(path), place::folder_of(path), &String::from_utf8_lossy(&bytes));
    let mut next = Extends::of(path, &bytes, &mut sheets);
    let mut seen = vec![path.to_owned()];
    while let Some(extends) = next.take() {
        next = extends.follow(&mut seen, &mut sheets);
    }
    add(&mut sheets, layers);
    Ok(sheets)
}

/// The text that vmrun carries as `name`, with what the command line adds.
pub(super) fn embedded(name: &str, text: &str, layers: &Layers) -> Sheets {
    let mut sheets = Sheets::new(name, place::folder_of(Path::new(name)), text);
    add(&mut sheets, layers);
    sheets
}

fn add(sheets: &mut Sheets, layers: &Layers) {
    for word in &layers.variants {
        sheets.variant(word);
    }
    for assignment in &layers.sets {
        sheets.set(assignment);
    }
}

/// The file below the last one that was read, and where that one names it.
struct Extends {
    path: PathBuf,
    span: Range<usize>,
}

impl Extends {
    /// What the file `path` with the content `bytes` extends. When it is no text, that is noted instead.
    fn of(path: &Path, bytes: &[u8], sheets: &mut Sheets) -> Option<Self> {
        let text = match source::decode(bytes) {
            Ok(text) => text,
            Err(mistake) => {
                sheets.mistake(mistake);
                return None;
            }
        };
        let (base, span) = source::extends(text)?;
        let setting = Setting {
            dir: path.parent().unwrap_or(Path::new("")).to_owned(),
            home: place::home(&Caller::current()),
            run_dir: PathBuf::new(),
            state_dir: PathBuf::new(),
            kept: Kept::default(),
        };
        Some(Self { path: setting.resolve(Path::new(&base)), span })
    }

    /// Reads the file and says what it extends in turn.
    fn follow(self, seen: &mut Vec<PathBuf>, sheets: &mut Sheets) -> Option<Self> {
        let Self { path, span } = self;
        let mut wrong = |what: String, help: &str| {
            let mistake = Mistake::new(span.clone(), what);
            sheets.mistake(if help.is_empty() { mistake } else { mistake.help(help) });
        };
        if let Some(first) = seen.iter().position(|seen| is_same(seen, &path)) {
            let way: Vec<_> = seen[first..].iter().chain([&path]).map(|path| shown(path)).collect();
            wrong(format!("the profile extends itself: {}", way.join(" → ")), "the last base extends nothing");
            return None;
        }
        if seen.len() > MAX_BASES {
            wrong(format!("this is base number {}; a profile has at most {MAX_BASES}", seen.len()), "");
            return None;
        }
        let bytes = match bytes(&path) {
            Ok(bytes) => bytes,
            Err(error) => {
                let reason = reason(&error);
                wrong(
                    format!("{} cannot be read: {reason}", path.display()),
                    "the path starts at the folder of this file",
                );
                return None;
            }
        };
        sheets.base(shown(&path), place::folder_of(&path), &String::from_utf8_lossy(&bytes));
        seen.push(path.clone());
        Self::of(&path, &bytes, sheets)
    }
}

/// Whether both paths lead to one file, by whatever links.
fn is_same(one: &Path, other: &Path) -> bool {
    one == other || matches!((canonicalize(one), canonicalize(other)), (Ok(one), Ok(other)) if one == other)
}

fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let mut bytes = Vec::new();
    // One byte more than is read of a profile, so that a longer one is seen to be longer.
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A path as it is shown to the user.
pub(super) fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// Why a file cannot be read.
pub(super) fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
        io::ErrorKind::PermissionDenied => "this user has no permission".to_owned(),
        _ => format!("the kernel refuses: {error}"),
    }
}

/// What helps when a profile cannot be read.
pub(super) fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "write one, or start with `vmrun demo`, which needs none",
        io::ErrorKind::IsADirectory => "name the profile in it",
        io::ErrorKind::PermissionDenied => "chmod a+r, or run as its owner",
        _ => "",
    }
}
