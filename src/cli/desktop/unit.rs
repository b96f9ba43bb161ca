//! A service of systemd. systemd.service(5), systemd.unit(5).

use crate::unit::{GuestName, Period};
use std::fmt;
use std::path::Path;
use std::time::Duration;

/// What vmrun may need beside the guest's own time to end: the ladder of force, and putting the host back.
const PUT_BACK: Duration = Duration::from_secs(60);
/// The guest's own time where no profile tells it.
const LONG: Duration = Duration::from_secs(240);

/// Whose systemd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manager {
    System,
    User,
}

/// What a unit is made of.
pub(super) struct Service {
    description: String,
    exec: String,
    stop: Duration,
    manager: Manager,
}

impl Service {
    /// The unit of guest `name`, which has `timeout` to power off; `program` with the words that lay something over its
    /// profile.
    pub(super) fn of(
        name: &GuestName,
        profile: &Path,
        timeout: Period,
        program: (&Path, &[String]),
        manager: Manager,
    ) -> Self {
        let profile = escaped(&profile.to_string_lossy());
        Self {
            description: format!("Guest {name}"),
            exec: exec(program, &profile),
            stop: timeout.get() + PUT_BACK,
            manager,
        }
    }

    /// A template: its instance is the name of a profile.
    pub(super) fn template(program: &Path, layers: &[String], manager: Manager) -> Self {
        let exec = exec((program, layers), "%i");
        Self { description: "Guest %i".into(), exec, stop: LONG + PUT_BACK, manager }
    }
}

fn exec((program, layers): (&Path, &[String]), profile: &str) -> String {
    let laid = layers.iter().map(|word| format!(" {}", escaped(word)));
    format!("{} run {profile}{}", escaped(&program.to_string_lossy()), laid.collect::<String>())
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { description, exec, stop, manager } = self;
        let (after, wanted_by) = match manager {
            Manager::System => ("network.target", "multi-user.target"),
            Manager::User => ("basic.target", "default.target"),
        };
        writeln!(f, "[Unit]\nDescription={description}\nDocumentation=man:vmrun(1)\nAfter={after}")?;
        writeln!(f, "\n[Service]\n# Started when the guest runs; stopped by SIGTERM, which presses its power button.")?;
        writeln!(f, "Type=notify\nExecStart={exec}\nTimeoutStartSec=5min\nTimeoutStopSec={}s", stop.as_secs())?;
        writeln!(f, "# A guest with unsaved work does not die with its vmrun: a new one is with it again.")?;
        writeln!(f, "KillMode=process\nRestart=on-abnormal\nWatchdogSec=2min")?;
        writeln!(f, "\n[Install]\nWantedBy={wanted_by}")
    }
}

/// A word of `ExecStart`, of which systemd expands nothing.
fn escaped(word: &str) -> String {
    let word = word.replace('%', "%%").replace('$', "$$");
    let plain = |c: char| c.is_alphanumeric() || "/._-+=:,@%$".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word;
    }
    format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

#[cfg(test)]
mod test {
    use super::escaped;

    #[test]
    fn systemd_expands_nothing_in_a_path() {
        assert_eq!(escaped("/home/a/50% $x.toml"), r#""/home/a/50%% $$x.toml""#);
        assert_eq!(escaped("/usr/bin/vmrun"), "/usr/bin/vmrun");
        assert_eq!(escaped("a\"b\\"), r#""a\"b\\""#);
    }
}
