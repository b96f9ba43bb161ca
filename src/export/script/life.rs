//! Hooks and companions in the order of the guest's life.

use super::quote::word;
use super::sheet::Sheet;
use super::step::{command, program};
use crate::export::Gap;
use crate::plan::{Change, Command, Contents, Hook, OnError, Point, Ready, Restart, Service, Start, UnitState, What};
use crate::unit::Period;

/// How long a hook may take of which the profile does not say it.
const HOOK: Period = Period::from_secs(30);

/// Hooks at `point`, each with what it owes.
pub(super) fn hooks(contents: &Contents, point: Point, sheet: &mut Sheet) {
    for hook in contents.hooks.iter().filter(|hook| hook.at == point) {
        sheet.comment(&format!("Hook {} ({point}).", hook.name));
        let owed = hook.undo.as_ref().map(|undo| sheet.owe(vec![told(undo, "undo")])).is_some();
        sheet.line(if owed { line(hook, "forget; ") } else { line(hook, "") });
    }
}

/// Whether there is a hook at `point`.
pub(super) fn has(contents: &Contents, point: Point) -> bool {
    contents.hooks.iter().any(|hook| hook.at == point)
}

/// Hooks at `point`, of which none owes anything.
pub(super) fn lines(contents: &Contents, point: Point) -> Vec<String> {
    contents.hooks.iter().filter(|hook| hook.at == point).map(|hook| line(hook, "")).collect()
}

/// The line of a hook, with what is done beside saying so when it fails.
fn line(hook: &Hook, also: &str) -> String {
    let Hook { name, at, run, on_error, .. } = hook;
    let failed = word(&format!("hook {name} ({at}) failed"));
    let failure = match on_error {
        OnError::Warn => format!("{also}say {failed}"),
        OnError::Abort if at.can_veto() => format!("{also}die {failed}"),
        OnError::Abort => format!("{also}say {failed}; late=yes"),
    };
    format!("{} || {{ {failure}; }}", told(run, &at.to_string()))
}

/// A command of a hook, which hears of the run what vmrun would say.
fn told(run: &Command, phase: &str) -> String {
    let mut run = Command { timeout: run.timeout.or(Some(HOOK)), ..run.clone() };
    run.env.entry("VMRUN_PHASE".to_owned()).or_insert_with(|| phase.to_owned());
    format!("{} </dev/null", command(&run))
}

/// The companions that start at `start`: units, then commands.
pub(super) fn services(contents: &Contents, start: Start, sheet: &mut Sheet, gaps: &mut Vec<Gap>) {
    let those = || contents.services.iter().filter(move |service| service.start == start);
    for Service { name, what, required, .. } in those() {
        let What::Unit { unit, user } = what else { continue };
        sheet.comment(&format!("Service {name}: a unit of systemd, started unless it runs."));
        let (from, to) = (UnitState::Inactive, UnitState::Active);
        let change = Change::Unit { unit: unit.clone(), user: user.clone(), from, to };
        let failed = word(&format!("service {name} did not start"));
        sheet.change(&change, &format!("{} {failed}", if *required { "die" } else { "say" }));
    }
    for service in those().filter(|service| is_companion(service)) {
        companion(service, sheet, gaps);
    }
}

/// Whether it is a command, which the script itself runs.
pub(super) fn is_companion(service: &Service) -> bool {
    matches!(service.what, What::Command { .. })
}

fn companion(Service { key, name, what, required, .. }: &Service, sheet: &mut Sheet, gaps: &mut Vec<Gap>) {
    let What::Command { run, restart, delay, burst, ready, stop_timeout } = what else { return };
    let restart = match restart {
        Restart::Always => "always",
        Restart::OnFailure => "on-failure",
        Restart::No => "no",
    };
    let file = match ready {
        Ready::Exec => String::new(),
        Ready::File(path) => path.display().to_string(),
        Ready::Notify => {
            gaps.push(Gap::new(key, format!("a shell does not hear READY=1, so {name} is not waited for")));
            String::new()
        }
    };
    let required = if *required { "yes" } else { "no" };
    let program = program(run);
    let seconds = |period: &Period| period.get().as_secs_f64();
    sheet.comment(&format!("Service {name}."));
    sheet.line(format!(
        "start_companion {} {required} {restart} {} {burst} {} {} {program}",
        word(name),
        seconds(delay),
        seconds(stop_timeout),
        word(&file),
    ));
}
