//! `tune.governor` and `tune.preference`: how fast the guest's host CPUs are.
//!
//! Linux: `Documentation/admin-guide/pm/cpufreq.rst`, `intel_pstate.rst`, `amd-pstate.rst`.

use super::Ground;
use crate::host::{Cpu, Frequency};
use crate::plan::{Change, Class, Draft, Problem};
use std::collections::BTreeSet;

/// The governor, and the preference, that runs a CPU at its highest frequency. With this governor the drivers that know
/// preferences take no other than this one.
const PERFORMANCE: &str = "performance";

pub(super) fn draft(governor: Option<&str>, preference: Option<&str>, ground: &Ground, draft: &mut Draft) {
    if governor.or(preference).is_none() {
        return;
    }
    let host = ground.scene.host;
    let Some(frequency) = &host.frequency else {
        let key = if governor.is_some() { "tune.governor" } else { "tune.preference" };
        return draft.warn(
            Problem::new(Class::Impossible, key, "nothing sets frequencies on this host; the guest runs at those it has")
                .why("/sys/devices/system/cpu/cpu0/cpufreq is not there; a firmware that hides its tables, or a guest's kernel")
                .fix("leave it out"),
        );
    };
    if !judge(governor, preference, frequency, draft) {
        return;
    }
    let mut policies = BTreeSet::new();
    // Of a policy that several share, one is as good as all.
    let cpus = ground.guest.iter().filter_map(|id| host.cpu(id));
    let cpus = cpus.filter(|cpu| cpu.policy.is_none_or(|policy| policies.insert(policy)));
    let changes: Vec<_> = cpus.flat_map(|cpu| changes(cpu, governor, preference)).collect();
    draft.contents.changes.extend(changes);
}

fn judge(governor: Option<&str>, preference: Option<&str>, frequency: &Frequency, draft: &mut Draft) -> bool {
    let Frequency { driver, governors, preferences } = frequency;
    let unknown = |key: &str, word: &str, known: &[String]| {
        let problem = Problem::new(Class::Impossible, key, format!("{driver} does not know {word}"));
        match known.first() {
            Some(first) => problem.why(format!("it knows {}", known.join(", "))).fix(format!("\"{first}\"")),
            None => problem.why("it knows none at all").fix("governor = \"performance\", or leave it out"),
        }
    };
    let mut good = true;
    for (key, word, known) in [("tune.governor", governor, governors), ("tune.preference", preference, preferences)] {
        if let Some(word) = word.filter(|word| !known.iter().any(|known| known == word)) {
            draft.refuse(unknown(key, word, known));
            good = false;
        }
    }
    if governor == Some(PERFORMANCE) && preference.is_some_and(|word| word != PERFORMANCE) {
        draft.refuse(
            Problem::new(
                Class::Invalid,
                "tune.preference",
                "with the governor performance there is no other preference",
            )
            .why(format!("{driver} answers that it is busy"))
            .fix("governor = \"powersave\"   # which follows the load, whatever its name says"),
        );
        good = false;
    }
    good
}

/// The changes of one CPU, also those to what is there already: another guest may have set that, and end first. A
/// preference can be set only while another governor than performance is there, so it comes first on the way to that one
/// and last on the way from it; turned round, it is the same.
fn changes(cpu: &Cpu, governor: Option<&str>, preference: Option<&str>) -> Vec<Change> {
    // That governor moves the preference, and not every driver moves it back.
    let preference = preference.or((governor == Some(PERFORMANCE)).then_some(PERFORMANCE));
    // By the policy's own name: guests whose host CPUs share one have to find each other in it.
    let folder =
        cpu.policy.map_or_else(|| format!("cpu{}/cpufreq", cpu.id), |policy| format!("cpufreq/policy{policy}"));
    let change = |file: &str, from: Option<&String>, to: Option<&str>| {
        let (from, to) = (from?, to?);
        let path = format!("/sys/devices/system/cpu/{folder}/{file}");
        Some(Change::Shared { path, from: from.clone(), to: to.to_owned() })
    };
    let fast = governor == Some(PERFORMANCE);
    let governor = change("scaling_governor", cpu.governor.as_ref(), governor);
    let preference = change("energy_performance_preference", cpu.preference.as_ref(), preference);
    let order = if fast { [preference, governor] } else { [governor, preference] };
    order.into_iter().flatten().collect()
}

#[cfg(test)]
mod test {
    use super::changes;
    use crate::host::Cpu;
    use crate::plan::Change;

    fn told(governor: &str, preference: Option<&str>, wanted: (Option<&str>, Option<&str>)) -> Vec<String> {
        let (governor, preference) = (Some(governor.to_owned()), preference.map(str::to_owned));
        let cpu = Cpu { id: 2, governor, preference, ..Cpu::default() };
        let file = |path: &str| path.rsplit('_').next().unwrap().to_owned();
        let line = |change: Change| match change {
            Change::Shared { path, from, to } => format!("{} {from} {to}", file(&path)),
            other => panic!("{other:?}"),
        };
        changes(&cpu, wanted.0, wanted.1).into_iter().map(line).collect()
    }

    #[test]
    fn acpi_cpufreq_has_governors_alone() {
        assert_eq!(told("schedutil", None, (Some("performance"), None)), ["governor schedutil performance"]);
        assert_eq!(told("performance", None, (Some("performance"), None)), ["governor performance performance"]);
    }

    #[test]
    fn host_cpus_that_share_a_policy_are_told_by_its_name() {
        let cpu = Cpu { id: 3, governor: Some("schedutil".into()), policy: Some(2), ..Cpu::default() };
        let path = "/sys/devices/system/cpu/cpufreq/policy2/scaling_governor".to_owned();
        let change = Change::Shared { path, from: "schedutil".into(), to: "performance".into() };
        assert_eq!(changes(&cpu, Some("performance"), None), [change]);
    }

    #[test]
    fn a_preference_goes_along_with_the_governor_and_comes_back_after_it() {
        let wanted = (Some("performance"), None);
        let made = told("powersave", Some("balance_performance"), wanted);
        assert_eq!(made, ["preference balance_performance performance", "governor powersave performance"]);
        // The same way round where another guest has both so already, and ends first.
        let made = told("performance", Some("performance"), wanted);
        assert_eq!(made, ["preference performance performance", "governor performance performance"]);
    }

    #[test]
    fn a_preference_is_set_once_the_governor_lets_it_be() {
        let wanted = (Some("powersave"), Some("power"));
        assert_eq!(
            told("performance", Some("performance"), wanted),
            ["governor performance powersave", "preference performance power"]
        );
        assert_eq!(told("powersave", Some("power"), (None, Some("performance"))), ["preference power performance"]);
    }
}
