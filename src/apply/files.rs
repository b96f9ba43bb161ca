//! Editing files of the host that stay edited, and putting them back to the byte.
//!
//! Unlike the changes of a run, these outlive vmrun and a reboot. What was written, and what was there before, stands in
//! a file of its own, whole, before anything is written.

use super::ApplyError;
use crate::host::Root;
use crate::plan::FileEdit;
use serde::{Deserialize, Serialize};
use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

/// What stands written on the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standing {
    /// The edits, with what was there before.
    pub edits: Vec<FileEdit>,
    /// Folders that were made for them, outermost first.
    #[serde(default)]
    pub folders: Vec<PathBuf>,
    /// Commands that are due when they are taken back.
    #[serde(default)]
    pub back: Vec<String>,
}

impl Standing {
    /// What the record at `path` tells; nothing when there is none.
    ///
    /// # Errors
    /// When it cannot be read, or is none.
    pub fn read(root: &Root, path: &Path) -> Result<Self, ApplyError> {
        let place = root.resolve(path);
        match fs::read(&place) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| ApplyError::Refused(format!("{} is damaged: {error}", place.display()))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(ApplyError::io("read", place)(error)),
        }
    }

    /// Whether nothing is written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }
}

/// Makes the files as `wanted` says, in the place of what the record at `path` says is written, and keeps the record.
/// `wanted` starts from the files as they were before the first edit. Files that are no longer wanted are put back.
///
/// # Errors
/// When somebody else has changed one of the files meanwhile; then nothing is written. When the kernel refuses; then the
/// record is kept, and the same call goes on where it stopped.
pub fn edit_files(root: &Root, path: &Path, wanted: &[FileEdit], back: &[String]) -> Result<(), ApplyError> {
    let before = Standing::read(root, path)?;
    let is_wanted = |edit: &FileEdit| wanted.iter().any(|it| it.path == edit.path);
    let given_up: Vec<_> = before.edits.iter().filter(|edit| !is_wanted(edit)).cloned().collect();
    for edit in wanted {
        let standing = before.edits.iter().find(|it| it.path == edit.path).and_then(|it| it.to.as_ref());
        check(root, edit, standing)?;
    }
    for edit in &given_up {
        check(root, edit, None)?;
    }
    let mut record = Standing { edits: [wanted, &given_up].concat(), back: back.to_vec(), ..before };
    for edit in wanted {
        record.folders.extend(missing_folders(root, &edit.path, &record.folders));
    }
    let files_folders = record.folders.clone();
    record.folders = [missing_folders(root, path, &record.folders), record.folders].concat();
    keep(root, path, &record)?;
    for folder in &files_folders {
        fs::create_dir_all(root.resolve(folder)).map_err(ApplyError::io("make", folder))?;
    }
    for edit in wanted {
        write(root, edit)?;
    }
    for edit in given_up {
        write(root, &edit.inverse())?;
    }
    record.edits = wanted.to_vec();
    keep(root, path, &record)
}

/// Puts back what the record at `path` says was written, and returns the files that somebody else has changed since,
/// which are left alone. The record goes with the last of the others.
///
/// # Errors
/// When the kernel refuses; the record is kept.
pub fn restore_files(root: &Root, path: &Path) -> Result<Vec<PathBuf>, ApplyError> {
    let standing = Standing::read(root, path)?;
    let mut strange = Vec::new();
    for edit in standing.edits.iter().rev() {
        match check(root, edit, None) {
            Err(ApplyError::Refused(_)) => strange.push(edit.path.clone()),
            Err(error) => return Err(error),
            Ok(()) => write(root, &edit.clone().inverse())?,
        }
    }
    let place = root.resolve(path);
    match fs::remove_file(&place) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(ApplyError::io("remove", place)(error)),
        _ => {}
    }
    for folder in standing.folders.iter().rev() {
        // Others may have put something there, and then it stays.
        _ = fs::remove_dir(root.resolve(folder));
    }
    Ok(strange)
}

/// Refuses when the file is neither as before the edit, nor as after it, nor as `standing` says.
fn check(root: &Root, edit: &FileEdit, standing: Option<&String>) -> Result<(), ApplyError> {
    let place = root.resolve(&edit.path);
    let found = match fs::read(&place) {
        Ok(bytes) => Some(bytes),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(ApplyError::io("read", place)(error)),
    };
    let is = |text: Option<&String>| found.as_deref() == text.map(String::as_bytes);
    if is(edit.from.as_ref()) || is(edit.to.as_ref()) || (standing.is_some() && is(standing)) {
        return Ok(());
    }
    Err(ApplyError::Refused(format!("{} was changed by somebody else", edit.path.display())))
}

/// Puts the file there in one step, with the owner and mode of the one that it takes the place of.
fn write(root: &Root, edit: &FileEdit) -> Result<(), ApplyError> {
    let place = root.resolve(&edit.path);
    let Some(text) = &edit.to else {
        return match fs::remove_file(&place) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(ApplyError::io("remove", place)(error)),
            _ => Ok(()),
        };
    };
    // A link keeps being one: what it leads to is replaced.
    let place = fs::canonicalize(&place).unwrap_or(place);
    if fs::read(&place).is_ok_and(|found| found == text.as_bytes()) {
        return Ok(());
    }
    let fresh = place.with_file_name(format!(
        ".{}.vmrun-{}",
        place.file_name().unwrap_or_default().to_string_lossy(),
        std::process::id()
    ));
    let made = fs::write(&fresh, text).and_then(|()| {
        match fs::metadata(&place) {
            Ok(old) => {
                use std::os::unix::fs::MetadataExt;
                chown(&fresh, Some(old.uid()), Some(old.gid()))?;
                fs::set_permissions(&fresh, old.permissions())?;
            }
            Err(_) => fs::set_permissions(&fresh, Permissions::from_mode(if edit.executable { 0o755 } else { 0o644 }))?,
        }
        fs::File::open(&fresh)?.sync_all()?;
        fs::rename(&fresh, &place)
    });
    if made.is_err() {
        // The first error is the one that matters.
        _ = fs::remove_file(&fresh);
    }
    made.map_err(ApplyError::io("write", place))
}

/// Folders above `path` that are not there, outermost first, but those in `known`.
fn missing_folders(root: &Root, path: &Path, known: &[PathBuf]) -> Vec<PathBuf> {
    let above = path.ancestors().skip(1).filter(|folder| !root.exists(folder));
    let mut missing: Vec<_> = above.map(Path::to_owned).filter(|folder| !known.contains(folder)).collect();
    missing.reverse();
    missing
}

fn keep(root: &Root, path: &Path, record: &Standing) -> Result<(), ApplyError> {
    let text =
        serde_json::to_vec_pretty(record).map_err(|error| ApplyError::Refused(format!("internal error: {error}")))?;
    root.replace(path, &text).map_err(ApplyError::io("write", path))
}

#[cfg(test)]
mod test {
    use super::{Standing, edit_files, restore_files};
    use crate::host::Root;
    use crate::plan::FileEdit;
    use std::collections::BTreeMap;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::{Path, PathBuf};

    const RECORD: &str = "/var/lib/vmrun/isolate.json";

    fn edit(path: &str, from: Option<&str>, to: Option<&str>) -> FileEdit {
        FileEdit { path: path.into(), from: from.map(str::to_owned), to: to.map(str::to_owned), executable: false }
    }

    fn tree() -> (tempfile::TempDir, Root) {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("etc")).unwrap();
        fs::write(folder.path().join("etc/conf"), "old\n").unwrap();
        fs::set_permissions(folder.path().join("etc/conf"), fs::Permissions::from_mode(0o600)).unwrap();
        let root = Root::at(folder.path());
        (folder, root)
    }

    /// Everything below a folder: path, mode and content.
    fn everything(folder: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
        let mut found = BTreeMap::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let mode = fs::metadata(&path).unwrap().permissions().mode();
                if path.is_dir() {
                    folders.push(path.clone());
                }
                found.insert(path.clone(), (mode, fs::read(&path).unwrap_or_default()));
            }
        }
        found
    }

    #[test]
    fn what_was_edited_is_put_back_to_the_byte() {
        let (folder, root) = tree();
        let before = everything(folder.path());
        let edits = [edit("/etc/conf", Some("old\n"), Some("new\n")), edit("/etc/x.d/own", None, Some("own\n"))];
        edit_files(&root, Path::new(RECORD), &edits, &[]).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("etc/conf")).unwrap(), "new\n");
        assert_eq!(fs::read_to_string(folder.path().join("etc/x.d/own")).unwrap(), "own\n");
        let after = everything(folder.path());
        edit_files(&root, Path::new(RECORD), &edits, &[]).unwrap();
        assert_eq!(everything(folder.path()), after);
        assert_eq!(restore_files(&root, Path::new(RECORD)).unwrap(), [""; 0].map(PathBuf::from));
        assert_eq!(everything(folder.path()), before);
    }

    #[test]
    fn another_edit_takes_the_place_of_the_first_and_the_first_state_is_remembered() {
        let (folder, root) = tree();
        let before = everything(folder.path());
        let first = [edit("/etc/conf", Some("old\n"), Some("new\n")), edit("/etc/own", None, Some("own\n"))];
        edit_files(&root, Path::new(RECORD), &first, &[]).unwrap();
        let second = [edit("/etc/conf", Some("old\n"), Some("newer\n"))];
        edit_files(&root, Path::new(RECORD), &second, &[]).unwrap();
        assert!(!root.exists("/etc/own"));
        assert_eq!(Standing::read(&root, Path::new(RECORD)).unwrap().edits, second);
        restore_files(&root, Path::new(RECORD)).unwrap();
        assert_eq!(everything(folder.path()), before);
    }

    #[test]
    fn a_file_that_somebody_else_changed_is_neither_edited_nor_put_back() {
        let (folder, root) = tree();
        let edits = [edit("/etc/own", None, Some("own\n")), edit("/etc/conf", Some("other\n"), Some("new\n"))];
        let before = everything(folder.path());
        assert!(edit_files(&root, Path::new(RECORD), &edits, &[]).unwrap_err().to_string().contains("/etc/conf"));
        assert_eq!(everything(folder.path()), before);

        let edits = [edit("/etc/conf", Some("old\n"), Some("new\n"))];
        edit_files(&root, Path::new(RECORD), &edits, &[]).unwrap();
        fs::write(folder.path().join("etc/conf"), "mine\n").unwrap();
        assert_eq!(restore_files(&root, Path::new(RECORD)).unwrap(), [Path::new("/etc/conf")]);
        assert_eq!(fs::read_to_string(folder.path().join("etc/conf")).unwrap(), "mine\n");
        assert!(!root.exists("/var"));
    }

    #[test]
    fn a_run_that_was_cut_short_is_taken_up_or_back() {
        let (folder, root) = tree();
        let before = everything(folder.path());
        let edits = [edit("/etc/conf", Some("old\n"), Some("new\n")), edit("/etc/own", None, Some("own\n"))];
        edit_files(&root, Path::new(RECORD), &edits, &[]).unwrap();
        // As if it had ended after the first file.
        fs::remove_file(folder.path().join("etc/own")).unwrap();
        edit_files(&root, Path::new(RECORD), &edits, &[]).unwrap();
        assert!(root.exists("/etc/own"));
        fs::remove_file(folder.path().join("etc/own")).unwrap();
        restore_files(&root, Path::new(RECORD)).unwrap();
        assert_eq!(everything(folder.path()), before);
    }
}
