//! `[[hook]]`: commands at points of the guest's life.

use super::program;
use super::scene::Scene;
use super::setting::Setting;
use crate::plan::{Command, Draft, Hook as Planned, OnError, Point};
use crate::unit::Period;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A command at a point of the guest's life. Never a shell line; write `["sh", "-c", "…"]` for one.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Hook {
    /// When it runs.
    at: Point,
    /// The program and its arguments.
    run: Vec<String>,
    /// The program, with its arguments, that takes it back when the guest has ended or a later step of the start fails.
    undo: Option<Vec<String>>,
    /// Login name of the user as whom it runs. Only root can run it as somebody else.
    user: Option<String>,
    /// How long it may take before it is ended and counts as failed.
    #[serde(default = "timeout")]
    timeout: Period,
    /// What its failure does.
    #[serde(default)]
    on_error: OnError,
    /// Its name in messages and logs. The program's unless given.
    name: Option<String>,
    /// Environment variables, beside those that vmrun sets for hooks.
    #[serde(default)]
    env: BTreeMap<String, String>,
}

fn timeout() -> Period {
    Period::from_secs(30)
}

impl Hook {
    pub(super) fn paths(&self, setting: &Setting) -> Vec<PathBuf> {
        let programs = self.run.first().into_iter().chain(self.undo.iter().filter_map(|undo| undo.first()));
        programs.flat_map(|name| program::candidates(name, setting)).collect()
    }
}

pub(super) fn draft(hooks: &[Hook], scene: &Scene, draft: &mut Draft) {
    for (i, hook) in hooks.iter().enumerate() {
        let Hook { at, run, undo, user, timeout, on_error, name, env } = hook;
        let key = format!("hook[{i}]");
        program::judge_user(user.as_deref(), &format!("{key}.user"), scene, draft);
        let mut command = |argv: &[String], part: &str| Command {
            argv: program::resolve(argv, &format!("{key}.{part}"), scene, draft),
            user: user.clone(),
            env: env.clone(),
            timeout: Some(*timeout),
            ..Command::default()
        };
        let run_it = command(run, "run");
        let undo = undo.as_ref().map(|undo| command(undo, "undo"));
        draft.contents.hooks.push(Planned {
            name: name.clone().unwrap_or_else(|| program::name(run)),
            key,
            at: *at,
            run: run_it,
            undo,
            on_error: *on_error,
        });
    }
}
