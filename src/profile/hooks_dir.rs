//! `hooks_dir`: a tree of hooks as libvirt users have it, `qemu.d/GUEST/prepare/begin/…`, run unchanged.

use super::scene::Scene;
use super::setting::Setting;
use crate::host::PathFact;
use crate::plan::{Class, Command, Draft, Hook, OnError, Point, Problem};
use crate::unit::Period;
use std::path::{Path, PathBuf};

/// libvirt's operations and the points they are; libvirt: `docs/hooks.rst`.
const OPERATIONS: [(&str, &str, Point); 6] = [
    ("prepare", "begin", Point::Pre),
    ("start", "begin", Point::Prepared),
    ("started", "begin", Point::Started),
    ("reconnect", "begin", Point::Reconnect),
    ("stopped", "end", Point::Stopped),
    ("release", "end", Point::Post),
];

/// How long a hook may take. libvirt waits for ever; a hook that stops a display manager takes many seconds.
const TIMEOUT: Period = Period::from_secs(120);

const KEY: &str = "hooks_dir";

/// The folders in which guests' hooks are looked for: libvirt's `qemu.d` below `dir`, and `dir` itself.
pub(super) fn folders(dir: &Path, setting: &Setting) -> [PathBuf; 2] {
    let dir = setting.resolve(dir);
    [dir.join("qemu.d"), dir]
}

pub(super) fn draft(dir: Option<&Path>, scene: &Scene, draft: &mut Draft) {
    let Some(dir) = dir else { return };
    let [inner, outer] = folders(dir, scene.setting);
    let (folder, files) = match (scene.host.path(&inner), scene.host.path(&outer)) {
        (PathFact::Folder { files }, _) => (inner, files),
        (_, PathFact::Folder { files }) => (outer, files),
        _ => {
            let what = format!("{} is not a folder", outer.display());
            return draft.refuse(Problem::new(Class::Impossible, KEY, what));
        }
    };
    let ours: Vec<_> =
        files.iter().filter_map(|file| operation(file, scene.name.as_str()).map(|op| (file, op))).collect();
    if ours.is_empty() {
        draft.warn(
            Problem::new(
                Class::Impossible,
                KEY,
                format!("{} has no executable hook for {}", folder.display(), scene.name),
            )
            .why("hooks stand in GUEST/OPERATION/SUB-OPERATION, like prepare/begin, with or without GUEST, and are executable")
            .fix(format!("chmod +x {}/{}/*/*/*", folder.display(), scene.name)),
        );
    }
    // In the order of the guest's life, and of names at each point, as libvirt runs them.
    for (operation, sub, at) in OPERATIONS {
        for (file, _) in ours.iter().filter(|(_, found)| *found == (operation, sub)) {
            let path = folder.join(file);
            draft.contents.hooks.push(hook(&path, file, at, [scene.name.as_str(), operation, sub, "-"]));
        }
    }
}

/// Operation and sub-operation of the hook `file` of guest `name`: `NAME/prepare/begin/script`, or `NAME/prepare/begin`
/// being the script; the name is left out where the folder is the guest's own.
fn operation(file: &Path, name: &str) -> Option<(&'static str, &'static str)> {
    let mut parts = file.strip_prefix(name).unwrap_or(file).iter().map(|part| part.to_str());
    let (operation, sub) = (parts.next()??, parts.next()??);
    let short = parts.count() <= 1;
    let row = OPERATIONS.iter().find(|(op, begin, _)| *op == operation && *begin == sub);
    row.filter(|_| short).map(|(operation, sub, _)| (*operation, *sub))
}

fn hook(path: &Path, file: &Path, at: Point, arguments: [&str; 4]) -> Hook {
    let program = path.to_string_lossy().into_owned();
    let argv = std::iter::once(program).chain(arguments.map(str::to_owned)).collect();
    Hook {
        key: KEY.into(),
        name: file.to_string_lossy().into_owned(),
        at,
        run: Command { argv, timeout: Some(TIMEOUT), ..Command::default() },
        undo: None,
        on_error: OnError::Abort,
    }
}

#[cfg(test)]
mod test {
    use super::operation;
    use std::path::Path;

    #[test]
    fn a_script_and_a_folder_of_scripts_are_both_hooks() {
        assert_eq!(operation(Path::new("win/prepare/begin"), "win"), Some(("prepare", "begin")));
        assert_eq!(operation(Path::new("win/release/end/10-unbind.sh"), "win"), Some(("release", "end")));
    }

    #[test]
    fn other_guests_and_other_operations_are_none() {
        assert_eq!(operation(Path::new("mac/prepare/begin"), "win"), None);
        assert_eq!(operation(Path::new("win/migrate/begin"), "win"), None);
        assert_eq!(operation(Path::new("win/prepare/begin/a/b"), "win"), None);
    }
}
