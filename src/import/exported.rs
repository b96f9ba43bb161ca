//! A script that `vmrun export --to script` made: it carries its profile, which is taken as it is.

use super::report::{Fate, Report};
use crate::unit::Carried;

/// The profile in `script`, and what became of the rest; `None` when it carries none.
pub(super) fn import(script: &str) -> Option<(String, Report)> {
    let Carried { text, line, changed } = Carried::find(script)?;
    // Somebody may have taken a part of it away.
    toml::from_str::<toml::Table>(&text).ok()?;
    let mut report = Report::default();
    report.note(line, "the profile in the comments", Fate::Kept);
    let cd = |line: &&str| line.starts_with("cd ");
    if let Some((number, folder)) = script.lines().enumerate().find(|(_, line)| cd(line)) {
        let fate = Fate::Translated("relative paths of a profile start at its own folder: put it there".into());
        report.note(number + 1, folder, fate);
    }
    if !changed {
        report.note(1, "the script's commands", Fate::Needless("vmrun made them of the profile".into()));
        return Some((text, report.sorted()));
    }
    report.note(1, "the script's commands", Fate::Asked("what was changed in them since vmrun made them".into()));
    let question = "# To decide: the script was changed after vmrun had made it of this profile. What was changed in it is not here.\n";
    Some((format!("{question}{text}"), report.sorted()))
}

#[cfg(test)]
mod test {
    use super::import;
    use crate::import::report::Fate;
    use crate::unit::Carried;

    const PROFILE: &str = "schema = 1\nname = \"games\"   # mine\n\n[cpu]\ncores = 2\n";

    #[test]
    fn the_profile_of_a_script_of_vmruns_own_comes_back_as_it_was() {
        let script = Carried::put("#!/bin/sh\ncd '/srv/a b' || exit 1\nexec qemu-system-x86_64\n", PROFILE);
        let (profile, report) = import(&script).unwrap();
        assert_eq!(profile, PROFILE);
        assert!(report.is_complete(), "{report:?}");
        assert_eq!(report.entries[1].what, "cd '/srv/a b' || exit 1");
        assert_eq!(report.entries[2].fate, Fate::Kept);
    }

    #[test]
    fn what_was_changed_in_it_is_asked_for() {
        let script = Carried::put("#!/bin/sh\nexec qemu-system-x86_64\n", PROFILE).replace("exec", "exec nice");
        let (profile, report) = import(&script).unwrap();
        assert!(profile.ends_with(PROFILE) && profile.starts_with("# To decide: "), "{profile}");
        assert!(!report.is_complete());
        assert_eq!(import("#!/bin/sh\nexec qemu-system-x86_64\n"), None);
        assert_eq!(import(&Carried::put("", "no [[toml")), None);
    }
}
