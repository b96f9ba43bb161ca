//! Programs that hooks and services run.

use super::scene::Scene;
use super::setting::Setting;
use crate::host::PathFact;
use crate::plan::{Class, Draft, Problem};
use std::path::{Path, PathBuf};

/// Folders in which a program without a folder is looked for, in order; vmrun's own `PATH` says nothing about the
/// user that a service runs as.
const FOLDERS: [&str; 6] = ["/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin"];

/// All paths at which the program `name` may be.
pub(super) fn candidates(name: &str, setting: &Setting) -> Vec<PathBuf> {
    if name.contains('/') {
        return vec![setting.resolve(Path::new(name))];
    }
    FOLDERS.iter().map(|folder| Path::new(folder).join(name)).collect()
}

/// `argv` with the absolute path of its program; notes a problem at `key` when there is none that can be run.
pub(super) fn resolve(argv: &[String], key: &str, scene: &Scene, draft: &mut Draft) -> Vec<String> {
    let Some((name, arguments)) = argv.split_first().filter(|(name, _)| !name.is_empty()) else {
        let problem = Problem::new(Class::Invalid, key, "the command is empty");
        draft.refuse(problem.fix("an array of the program and its arguments, like [\"/usr/bin/true\"]"));
        return argv.to_vec();
    };
    let candidates = candidates(name, scene.setting);
    let fact = |path: &&PathBuf| scene.host.path(path);
    let found = candidates.iter().find(|path| matches!(fact(path), PathFact::File { executable: true, .. }));
    let Some(program) = found else {
        draft.refuse(missing(name, &candidates, key, scene));
        return argv.to_vec();
    };
    std::iter::once(program.to_string_lossy().into_owned()).chain(arguments.iter().cloned()).collect()
}

fn missing(name: &str, candidates: &[PathBuf], key: &str, scene: &Scene) -> Problem {
    let [path] = candidates else {
        let folders = FOLDERS.join(", ");
        return Problem::new(Class::Impossible, key, format!("there is no program {name}"))
            .why(format!("it is in none of {folders}"))
            .fix("install it, or write its whole path");
    };
    let shown = path.display();
    match scene.host.path(path) {
        PathFact::File { .. } => {
            Problem::new(Class::Impossible, key, format!("{shown} is not executable")).fix(format!("chmod +x {shown}"))
        }
        PathFact::Missing => Problem::new(Class::Impossible, key, format!("there is no program {shown}")),
        PathFact::Unreadable(why) => {
            Problem::new(Class::Denied, key, format!("{shown} cannot be looked at")).why(why.clone())
        }
        PathFact::Folder { .. } | PathFact::Block | PathFact::Other => {
            Problem::new(Class::Impossible, key, format!("{shown} is not a program"))
        }
    }
}

/// Notes a problem at `key` when the host has no account `user`.
pub(super) fn judge_user(user: Option<&str>, key: &str, scene: &Scene, draft: &mut Draft) {
    let Some(user) = user.filter(|user| scene.host.user(user).is_none()) else { return };
    draft.refuse(
        Problem::new(Class::Impossible, key, format!("this host has no account {user}")).fix("user = \"YOUR_LOGIN\""),
    );
}

/// File name of the program, for messages.
pub(super) fn name(argv: &[String]) -> String {
    let program = argv.first().map(Path::new).and_then(Path::file_name);
    program.map_or_else(|| "command".into(), |name| name.to_string_lossy().into_owned())
}
