//! What hooks and companions are told about the run they belong to.

use super::Phase;
use crate::plan::Command;
use crate::process::Launch;
use crate::unit::GuestName;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

/// What is known about a run at one moment.
#[derive(Clone, Debug)]
pub struct Scene {
    /// Name of the guest.
    pub name: GuestName,
    /// The run's own folder.
    pub run_dir: PathBuf,
    /// Folder that hooks and companions run in, the profile's; `None` for the home of their user.
    pub folder: Option<PathBuf>,
    /// Folder for the logs of hooks and companions; `None` for no logs.
    pub log_dir: Option<PathBuf>,
    /// Why the guest ended, one word; `None` while nobody knows.
    pub reason: Option<String>,
    /// Exit code that vmrun will have; `None` while nobody knows.
    pub exit: Option<i32>,
    /// Process id of QEMU; `None` when there is none.
    pub pid: Option<u32>,
    /// The QMP socket; `None` when there is none.
    pub qmp: Option<PathBuf>,
    /// The plan as JSON, for a hook to read on its standard input.
    pub plan_json: Arc<[u8]>,
}

impl Scene {
    /// `command` as part of this run: with the `VMRUN_*` variables, over which its own ones win, and with a log that is
    /// called `kind` and `name`.
    pub(super) fn launch(&self, command: &Command, kind: &str, name: &str, phase: Option<Phase>) -> Launch {
        let mut launch = Launch::from(command);
        let own = std::mem::replace(&mut launch.env, self.variables(phase));
        launch.env.extend(own);
        launch.folder.clone_from(&self.folder);
        launch.log = self.log_dir.as_ref().map(|folder| folder.join(log_name(kind, name)));
        launch
    }

    /// `undo` with everything that its run says about itself, so that it can be run when nobody else is left.
    pub(super) fn complete(&self, undo: &Command) -> Command {
        let mut complete = Command { folder: self.folder.clone(), ..undo.clone() };
        for (name, value) in self.variables(Some(Phase::Undo)) {
            complete.env.entry(name).or_insert_with(|| value.to_string_lossy().into_owned());
        }
        complete
    }

    fn variables(&self, phase: Option<Phase>) -> BTreeMap<String, OsString> {
        let Self { name, run_dir, folder: _, log_dir: _, reason, exit, pid, qmp, plan_json: _ } = self;
        [
            ("VMRUN_NAME", Some(name.as_str().into())),
            ("VMRUN_RUN_DIR", Some(run_dir.into())),
            ("VMRUN_PHASE", phase.map(|phase| phase.to_string().into())),
            ("VMRUN_REASON", reason.as_ref().map(OsString::from)),
            ("VMRUN_EXIT", exit.map(|exit| exit.to_string().into())),
            ("VMRUN_PID", pid.map(|pid| pid.to_string().into())),
            ("VMRUN_QMP", qmp.as_ref().map(OsString::from)),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
    }
}

/// A name is the user's and may hold a `/`; a file name of ours may not.
fn log_name(kind: &str, name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    format!("{kind}-{}.log", name.chars().map(plain).collect::<String>())
}

#[cfg(test)]
mod test {
    use super::log_name;

    #[test]
    fn a_log_stays_in_its_folder_whatever_the_name() {
        assert_eq!(log_name("hook", "../../etc/passwd"), "hook-.._.._etc_passwd.log");
        assert_eq!(log_name("service", "synergys"), "service-synergys.log");
    }
}
