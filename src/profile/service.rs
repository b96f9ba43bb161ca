//! `[[service]]`: companions that run while the guest runs.

use super::program;
use super::scene::Scene;
use super::setting::Setting;
use crate::plan::{Class, Command, Draft, Problem, Ready, Restart, Service as Planned, Start, What};
use crate::unit::Period;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::iter;
use std::num::NonZeroU32;
use std::path::PathBuf;

/// A companion that runs while the guest runs: a systemd unit, or a command that vmrun watches itself.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Service {
    /// The systemd unit: started unless it runs, and stopped only if vmrun started it.
    unit: Option<Unit>,
    /// The program and its arguments, instead of a unit. It must stay in the foreground.
    run: Option<Vec<String>>,
    /// Login name of the user whose systemd has the unit, or as whom the command runs.
    user: Option<String>,
    /// Whether it is started before the guest, or when that runs.
    #[serde(default)]
    start: Start,
    /// Ends the guest when it fails, and prevents the start when it cannot be started.
    #[serde(default)]
    required: bool,
    /// Its name in messages and logs. The unit's or the program's unless given, numbered where that is taken.
    name: Option<String>,
    /// What happens when the command ends before the guest.
    #[schemars(extend("default" = "always"))]
    restart: Option<Restart>,
    /// Pause before the command is started again; it doubles each time, up to 30s.
    #[schemars(extend("default" = "1s"))]
    delay: Option<Period>,
    /// How often the command may end within a minute before it is given up.
    #[schemars(extend("default" = 5))]
    burst: Option<NonZeroU32>,
    /// When the command counts as started: as soon as it was executed, or when it says so (`sd_notify`).
    #[schemars(extend("default" = "exec"))]
    ready: Option<ReadyWhen>,
    /// The command counts as started when this file or socket is there.
    ready_file: Option<PathBuf>,
    /// How long the command may take to end when it is asked to, before it is killed.
    #[schemars(extend("default" = "5s"))]
    stop_timeout: Option<Period>,
    /// Environment variables of the command.
    #[serde(default)]
    env: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum ReadyWhen {
    Exec,
    Notify,
}

/// Name of a systemd unit; systemd.unit(5).
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("pattern" = r"^[A-Za-z0-9:_.\\@][A-Za-z0-9:_.\\@-]*\.(service|socket|target|mount|timer)$", "examples" = ["smbd.service"]))]
struct Unit(String);

/// Kinds of units that start and stop something.
const SUFFIXES: [&str; 5] = [".service", ".socket", ".target", ".mount", ".timer"];

impl TryFrom<String> for Unit {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let odd = |c: char| !(c.is_ascii_alphanumeric() || ":-_.\\@".contains(c));
        if !SUFFIXES.iter().any(|suffix| text.len() > suffix.len() && text.ends_with(suffix)) {
            return Err(format!("`{text}` has no suffix of a unit; write it whole, like smbd.service"));
        }
        match text.find(odd) {
            Some(_) => Err(format!("`{}` is not the name of a systemd unit", text.escape_debug())),
            None if text.starts_with('-') => Err(format!("`{text}` starts with a dash")),
            None => Ok(Self(text)),
        }
    }
}

/// Whether a `[[service]]` may name `text` as its unit.
#[must_use]
pub fn is_unit(text: &str) -> bool {
    Unit::try_from(text.to_owned()).is_ok()
}

impl Service {
    pub(super) fn paths(&self, setting: &Setting) -> Vec<PathBuf> {
        let program = self.run.iter().filter_map(|run| run.first());
        program.flat_map(|name| program::candidates(name, setting)).collect()
    }

    fn draft(&self, i: usize, scene: &Scene, draft: &mut Draft) {
        let key = format!("service[{i}]");
        program::judge_user(self.user.as_deref(), &format!("{key}.user"), scene, draft);
        let (what, name) = match (&self.unit, &self.run) {
            (Some(unit), None) => (self.unit(unit, &key, scene, draft), unit.0.clone()),
            (None, Some(run)) => (self.command(run, &key, scene, draft), program::name(run)),
            (Some(_), Some(_)) => {
                let what = "a service has both unit and run";
                return draft
                    .refuse(Problem::new(Class::Invalid, key, what).fix("two [[service]] tables, or one of the keys"));
            }
            (None, None) => {
                let what = "a service has neither unit nor run";
                return draft.refuse(
                    Problem::new(Class::Invalid, key, what)
                        .fix("unit = \"smbd.service\"   # or run = [\"/usr/bin/synergys\", \"--no-daemon\"]"),
                );
            }
        };
        let name = self.own_name(name, &key, draft);
        draft.contents.services.push(Planned { key, name, what, start: self.start, required: self.required });
    }

    /// The name that no other service has: by it its process is written down and its log is called.
    fn own_name(&self, default: String, key: &str, draft: &mut Draft) -> String {
        let taken = |name: &str| draft.contents.services.iter().any(|other| other.name == name);
        let Some(name) = &self.name else {
            let numbered = (2..).map(|number| format!("{default} {number}"));
            return iter::once(default.clone()).chain(numbered).find(|name| !taken(name)).unwrap_or(default);
        };
        if taken(name) {
            draft.refuse(
                Problem::new(Class::Invalid, format!("{key}.name"), format!("two services are called {name}"))
                    .why("by its name a service is found again, and its log is called")
                    .fix(format!("name = \"{name} 2\"")),
            );
        }
        name.clone()
    }

    fn unit(&self, Unit(unit): &Unit, key: &str, scene: &Scene, draft: &mut Draft) -> What {
        for name in self.keys_of_run() {
            draft.refuse(
                Problem::new(Class::Invalid, format!("{key}.{name}"), format!("{name} belongs to run, not to unit"))
                    .why("systemd watches its units by their own rules")
                    .fix(format!("systemctl edit {unit}")),
            );
        }
        if !scene.host.systemd {
            draft.refuse(
                Problem::new(Class::Missing, format!("{key}.unit"), format!("no systemd runs here to start {unit}"))
                    .why("a unit is started by systemd; a command is watched by vmrun itself")
                    .fix(format!("run = [\"{}\", \"--foreground\"]", unit.split('.').next().unwrap_or(unit))),
            );
        }
        What::Unit { unit: unit.clone(), user: self.user.clone() }
    }

    fn keys_of_run(&self) -> Vec<&'static str> {
        let Self {
            unit: _,
            run: _,
            user: _,
            start: _,
            required: _,
            name: _,
            restart,
            delay,
            burst,
            ready,
            ready_file,
            stop_timeout,
            env,
        } = self;
        let given = [
            ("restart", restart.is_some()),
            ("delay", delay.is_some()),
            ("burst", burst.is_some()),
            ("ready", ready.is_some()),
            ("ready_file", ready_file.is_some()),
            ("stop_timeout", stop_timeout.is_some()),
            ("env", !env.is_empty()),
        ];
        given.into_iter().filter(|(_, given)| *given).map(|(name, _)| name).collect()
    }

    fn command(&self, run: &[String], key: &str, scene: &Scene, draft: &mut Draft) -> What {
        let argv = program::resolve(run, &format!("{key}.run"), scene, draft);
        What::Command {
            run: Command { argv, user: self.user.clone(), env: self.env.clone(), ..Command::default() },
            restart: self.restart.unwrap_or_default(),
            delay: self.delay.unwrap_or(Period::from_secs(1)),
            burst: self.burst.map_or(5, NonZeroU32::get),
            ready: self.readiness(key, scene, draft),
            stop_timeout: self.stop_timeout.unwrap_or(Period::from_secs(5)),
        }
    }

    fn readiness(&self, key: &str, scene: &Scene, draft: &mut Draft) -> Ready {
        match (self.ready, &self.ready_file) {
            (Some(_), Some(_)) => {
                let what = "ready and ready_file both say when the command counts as started";
                draft.refuse(Problem::new(Class::Invalid, format!("{key}.ready"), what).fix("leave out one of them"));
                Ready::Exec
            }
            (None, Some(file)) => Ready::File(scene.setting.resolve(file)),
            (Some(ReadyWhen::Notify), None) => Ready::Notify,
            (Some(ReadyWhen::Exec) | None, None) => Ready::Exec,
        }
    }
}

pub(super) fn draft(services: &[Service], scene: &Scene, draft: &mut Draft) {
    for (i, service) in services.iter().enumerate() {
        service.draft(i, scene, draft);
    }
}
