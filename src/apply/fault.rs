//! Faults on request, for tests of what a failure or a death half-way leaves: in debug builds only.
//!
//! `VMRUN_FAULT=fail:3` refuses the third step that the run makes on the host, `VMRUN_FAULT=kill:3` ends vmrun by SIGKILL
//! right after that step. Steps that put the host back are not counted.

use super::ApplyError;
use crate::plan::Step;
use nix::sys::signal::{Signal, raise};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// What is to go wrong, and the steps made so far.
#[derive(Debug, Default)]
pub(super) struct Faults {
    planned: Option<Fault>,
    made: AtomicU32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Fail(u32),
    Kill(u32),
}

impl Faults {
    /// Those of this process, as the environment asks for them; none in a release build.
    pub(super) fn of_process() -> &'static Self {
        static FAULTS: OnceLock<Faults> = OnceLock::new();
        FAULTS.get_or_init(|| {
            let wanted = if cfg!(debug_assertions) { std::env::var("VMRUN_FAULT").ok() } else { None };
            Self { planned: wanted.as_deref().and_then(Fault::parse), made: AtomicU32::new(0) }
        })
    }

    /// Counts `step`, which is about to be made.
    ///
    /// # Errors
    /// When it is the one that is to be refused.
    pub(super) fn before(&self, step: &Step) -> Result<(), ApplyError> {
        let number = self.made.fetch_add(1, Ordering::Relaxed) + 1;
        if self.planned == Some(Fault::Fail(number)) {
            return Err(ApplyError::Refused(format!("`{step}` was refused, as VMRUN_FAULT asks")));
        }
        Ok(())
    }

    /// Ends the process when the step just made is the one after which it is to die.
    pub(super) fn after(&self) {
        if self.planned == Some(Fault::Kill(self.made.load(Ordering::Relaxed))) {
            // It cannot fail: the signal exists, and this process may send itself any.
            let _ = raise(Signal::SIGKILL);
        }
    }
}

impl Fault {
    fn parse(text: &str) -> Option<Self> {
        let (fate, number) = text.split_once(':')?;
        let number = number.parse().ok()?;
        match fate {
            "fail" => Some(Self::Fail(number)),
            "kill" => Some(Self::Kill(number)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod test {
    use super::{Fault, Faults};
    use crate::plan::{Command, Step};
    use std::sync::atomic::AtomicU32;

    #[test]
    fn only_the_step_of_that_number_is_refused() {
        let faults = Faults { planned: Fault::parse("fail:2"), made: AtomicU32::new(0) };
        let step = Step::Run(Command { argv: vec!["true".into()], user: None, env: [].into(), timeout: None });
        let refused: Vec<bool> = (0..3).map(|_| faults.before(&step).is_err()).collect();
        assert_eq!(refused, [false, true, false]);
    }

    #[test]
    fn words_that_mean_no_fault_make_none() {
        assert_eq!(Fault::parse("kill:7"), Some(Fault::Kill(7)));
        for text in ["", "fail", "fail:", "fail:x", "burn:1"] {
            assert_eq!(Fault::parse(text), None, "{text}");
        }
    }
}
