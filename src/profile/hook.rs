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
    /// The point.
    at: Point,
    /// Program and arguments.
    run: Vec<String>,
    /// Program and arguments that take it back after the guest ended or a later step of the start failed.
    undo: Option<Vec<String>>,
    /// Login name of the user it runs as.
    user: Option<String>,
    /// How long it may take; 30s unless given.
    #[serde(default = "timeout")]
    timeout: Period,
    #[serde(default)]
    on_error: OnError,
    /// Name for messages; the program's unless given.
    name: Option<String>,
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
