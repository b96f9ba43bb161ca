//! From QEMU's events to the reason of an end. QEMU's exit status says almost nothing: a guest's power-off, its panic
//! and a signal all give 0.

use super::Ended;
use crate::process::End;
use serde_json::Value;
use std::process::ExitStatus;

/// What was heard of the guest so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Verdict {
    reason: Option<String>,
    panicked: bool,
    hibernating: bool,
    forced: bool,
    lifeless: bool,
}

impl Verdict {
    /// Notes an event of QEMU; QEMU: `qapi/run-state.json`.
    pub(super) fn hear(&mut self, name: &str, data: &Value) {
        match name {
            "SHUTDOWN" => self.reason = data["reason"].as_str().map(str::to_owned),
            "GUEST_PANICKED" => self.panicked = true,
            "SUSPEND_DISK" => self.hibernating = true,
            _ => {}
        }
    }

    /// Whether QEMU said that it ends, whatever its companions do from now on.
    #[must_use]
    pub(super) fn is_over(&self) -> bool {
        self.reason.is_some()
    }

    /// Whether QEMU ended because the guest rebooted, or its reset button was pressed.
    #[must_use]
    pub(super) fn is_reboot(&self) -> bool {
        !self.forced
            && !self.panicked
            && matches!(self.reason.as_deref(), Some("guest-reset" | "host-qmp-system-reset"))
    }

    /// Notes that vmrun itself ends QEMU.
    pub(super) fn force(&mut self) {
        self.forced = true;
    }

    /// Notes that the guest is ended because it showed no sign of life.
    pub(super) fn lifeless(&mut self) {
        self.lifeless = true;
    }

    /// Why QEMU ended with `status`, where somebody saw it; `log` reads its last words.
    #[must_use]
    pub(super) fn ended(&self, status: Option<ExitStatus>, log: impl FnOnce() -> Vec<String>) -> Ended {
        let died = |how| Ended::Died { how, log: log() };
        match self.reason.as_deref() {
            _ if self.lifeless => Ended::Lifeless,
            _ if self.forced => Ended::Forced,
            _ if self.panicked => Ended::Panicked,
            // A debug device of QEMU shuts down with a status of the guest's choice.
            Some("guest-shutdown") if status.and_then(|status| status.code()).is_some_and(|code| code != 0) => {
                died(format!("{}, by a device of the guest", status.map_or(End::Unseen, End::from)))
            }
            Some("guest-shutdown") if self.hibernating => Ended::Hibernated,
            Some("guest-shutdown") => Ended::PoweredOff,
            Some("guest-reset" | "host-qmp-system-reset") => Ended::Rebooted,
            Some("guest-panic") => Ended::Panicked,
            Some("host-qmp-quit") => died("somebody told it to quit over QMP".into()),
            Some("host-signal") => died("somebody sent it a signal to end".into()),
            Some(other) => died(format!("it shut down, reason `{other}`")),
            None => died(format!("{}, without saying why", status.map_or(End::Unseen, End::from))),
        }
    }
}

#[cfg(test)]
mod test {
    use super::Verdict;
    use crate::supervise::Ended;
    use serde_json::json;
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    fn after(events: &[(&str, serde_json::Value)]) -> Ended {
        let mut verdict = Verdict::default();
        for (name, data) in events {
            verdict.hear(name, data);
        }
        verdict.ended(Some(ExitStatus::from_raw(0)), Vec::new)
    }

    #[test]
    fn a_power_off_by_the_guest_is_a_good_end() {
        assert_eq!(after(&[("SHUTDOWN", json!({"guest": true, "reason": "guest-shutdown"}))]), Ended::PoweredOff);
    }

    #[test]
    fn a_panic_is_told_from_a_power_off_although_both_exit_with_0() {
        let events =
            [("GUEST_PANICKED", json!({"action": "poweroff"})), ("SHUTDOWN", json!({"reason": "guest-panic"}))];
        assert_eq!(after(&events), Ended::Panicked);
    }

    #[test]
    fn a_crash_kernel_that_was_loaded_is_no_panic() {
        let loaded = ("GUEST_CRASHLOADED", json!({"action": "run"}));
        assert_eq!(after(&[loaded, ("SHUTDOWN", json!({"reason": "guest-shutdown"}))]), Ended::PoweredOff);
    }

    #[test]
    fn a_status_without_a_reason_is_told_as_it_is() {
        let Ended::Died { how, .. } = Verdict::default().ended(Some(ExitStatus::from_raw(33 << 8)), Vec::new) else {
            panic!("no good end")
        };
        assert!(how.contains("33"), "{how}");
    }

    #[test]
    fn hibernation_is_a_power_off_after_the_guest_said_so() {
        let events = [("SUSPEND_DISK", json!({})), ("SHUTDOWN", json!({"reason": "guest-shutdown"}))];
        assert_eq!(after(&events), Ended::Hibernated);
    }

    #[test]
    fn a_signal_from_a_stranger_is_no_good_end() {
        assert!(matches!(after(&[("SHUTDOWN", json!({"reason": "host-signal"}))]), Ended::Died { .. }));
    }

    #[test]
    fn a_crash_names_its_signal() {
        let Ended::Died { how, log } = Verdict::default().ended(Some(ExitStatus::from_raw(11)), || vec!["last".into()])
        else {
            panic!("a crash")
        };
        assert!(how.contains("SIGSEGV"), "{how}");
        assert_eq!(log, ["last"]);
    }
}
