//! Faults on request, for tests of what a failure or a death half-way leaves: in debug builds only.
//!
//! `VMRUN_FAULT=fail:3` refuses the third step that the run makes on the host, `VMRUN_FAULT=kill:3` ends vmrun by SIGKILL
//! right after that step. Steps that put the host back are not counted. Every other moment has a name, a [`Point`]:
//! `kill:journal-write` is the first of its kind, `kill:journal-write#4` the fourth, `kill:any#7` the seventh moment of
//! whatever kind. `panic` in the place of `kill` is a mistake of vmrun's own.

use super::ApplyError;
use nix::sys::signal::{Signal, raise};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

/// A moment between two writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Point {
    /// The journal is written, and has not got its name.
    JournalRename,
    /// It has its name.
    JournalRenamed,
    /// An entry is about to be written.
    JournalWrite,
    /// The entry is on the disk.
    JournalWritten,
    /// A step is about to be made on the host.
    Step,
    /// The step is made.
    StepDone,
    /// A step that puts something back is about to be made.
    Undo,
    /// The step that puts something back is made.
    UndoDone,
    /// The run folder is about to be removed.
    Release,
    /// The run folder is gone.
    Released,
}

impl Point {
    const ALL: [Self; 10] = [
        Self::JournalRename,
        Self::JournalRenamed,
        Self::JournalWrite,
        Self::JournalWritten,
        Self::Step,
        Self::StepDone,
        Self::Undo,
        Self::UndoDone,
        Self::Release,
        Self::Released,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::JournalRename => "journal-rename",
            Self::JournalRenamed => "journal-renamed",
            Self::JournalWrite => "journal-write",
            Self::JournalWritten => "journal-written",
            Self::Step => "step",
            Self::StepDone => "step-done",
            Self::Undo => "undo",
            Self::UndoDone => "undo-done",
            Self::Release => "release",
            Self::Released => "released",
        }
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is to go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fault {
    fate: Fate,
    /// At which kind of moment; `None` for all of them.
    point: Option<Point>,
    /// At which one of them, from 1.
    number: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Fail,
    Kill,
    Panic,
}

/// What is to go wrong in this process, and the moments that have passed.
#[derive(Debug, Default)]
struct Faults {
    planned: Option<Fault>,
    passed: BTreeMap<Point, u32>,
}

thread_local! {
    // One thread changes the host.
    static FAULTS: RefCell<Faults> = RefCell::new(Faults::asked_for());
}

/// Passes `point`.
///
/// # Errors
/// When it is the moment that is to fail.
pub(super) fn at(point: Point) -> Result<(), ApplyError> {
    at_what(point, &point)
}

/// Passes `point`, at which `what` is done.
///
/// # Errors
/// When it is the moment that is to fail.
pub(super) fn at_what(point: Point, what: &dyn fmt::Display) -> Result<(), ApplyError> {
    match FAULTS.with_borrow_mut(|faults| faults.pass(point)) {
        None => Ok(()),
        Some(Fate::Fail) => Err(ApplyError::Refused(format!("`{what}` was refused, as VMRUN_FAULT asks"))),
        Some(Fate::Kill) => {
            // It cannot fail: the signal exists, and this process may send itself any.
            let _ = raise(Signal::SIGKILL);
            Ok(())
        }
        Some(Fate::Panic) => panic!("`{what}` broke, as VMRUN_FAULT asks"),
    }
}

impl Faults {
    /// As the environment asks; none in a release build.
    fn asked_for() -> Self {
        let wanted = if cfg!(debug_assertions) { std::env::var("VMRUN_FAULT").ok() } else { None };
        Self { planned: wanted.as_deref().and_then(Fault::parse), passed: BTreeMap::new() }
    }

    fn pass(&mut self, point: Point) -> Option<Fate> {
        let planned = self.planned?;
        *self.passed.entry(point).or_default() += 1;
        let number = match planned.point {
            Some(at) if at != point => return None,
            Some(at) => self.passed[&at],
            None => self.passed.values().sum(),
        };
        (number == planned.number).then_some(planned.fate)
    }
}

impl Fault {
    fn parse(text: &str) -> Option<Self> {
        let (fate, moment) = text.split_once(':')?;
        let (fate, step) = match fate {
            "fail" => (Fate::Fail, Point::Step),
            "kill" => (Fate::Kill, Point::StepDone),
            "panic" => (Fate::Panic, Point::StepDone),
            _ => return None,
        };
        if let Ok(number) = moment.parse() {
            return Some(Self { fate, point: Some(step), number });
        }
        let (name, number) = moment.split_once('#').unwrap_or((moment, "1"));
        let number = number.parse().ok()?;
        let point = Point::ALL.into_iter().find(|point| point.name() == name);
        (point.is_some() || name == "any").then_some(Self { fate, point, number })
    }
}

#[cfg(test)]
mod test {
    use super::{Fate, Fault, Faults, Point};
    use std::collections::BTreeMap;

    fn fates(wanted: &str, points: &[Point]) -> Vec<Option<Fate>> {
        let mut faults = Faults { planned: Fault::parse(wanted), passed: BTreeMap::new() };
        points.iter().map(|point| faults.pass(*point)).collect()
    }

    #[test]
    fn only_the_moment_of_that_kind_and_number_goes_wrong() {
        use Point::{JournalWrite, Step, StepDone};
        let points = [JournalWrite, Step, StepDone, JournalWrite, Step, StepDone];
        let (none, fail, kill) = (None, Some(Fate::Fail), Some(Fate::Kill));
        assert_eq!(fates("fail:2", &points), [none, none, none, none, fail, none]);
        assert_eq!(fates("kill:1", &points), [none, none, kill, none, none, none]);
        assert_eq!(fates("fail:journal-write", &points), [fail, none, none, none, none, none]);
        assert_eq!(fates("kill:journal-write#2", &points), [none, none, none, kill, none, none]);
        assert_eq!(fates("kill:any#3", &points), [none, none, kill, none, none, none]);
    }

    #[test]
    fn words_that_mean_no_fault_make_none() {
        assert!(Fault::parse("kill:7").is_some());
        for text in ["", "fail", "fail:", "fail:x", "fail:x#1", "fail:step#", "burn:1"] {
            assert_eq!(Fault::parse(text), None, "{text}");
        }
    }
}
