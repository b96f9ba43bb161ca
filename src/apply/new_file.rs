//! Making the files and folders of a plan.

use super::ApplyError;
use crate::plan::NewFile;
use nix::unistd::geteuid;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, lchown};
use std::path::Path;

/// Makes `file` whole or not at all. One that is already there is kept, since it holds the guest's own settings.
///
/// # Errors
/// When its source cannot be read, its folder cannot be written, or something else stands in its place.
pub fn make_file(file: &NewFile) -> Result<(), ApplyError> {
    match file {
        NewFile::Copy { path, .. } if path.exists() => Ok(()),
        NewFile::Copy { path, copy_of } => copy(copy_of, path),
        NewFile::Folder { folder, owner: None } => make_folder(folder),
        NewFile::Folder { folder, owner: Some(uid) } => make_folder_of(folder, *uid),
    }
}

/// Makes `dir` and what is missing above it, for its owner alone. One that is there keeps its owner and its mode.
fn make_folder(dir: &Path) -> Result<(), ApplyError> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(ApplyError::io("make", dir))
}

/// Makes `dir` and gives it, with what is in it, to `uid`, who may pass the folder above it and look at nothing there.
fn make_folder_of(dir: &Path, uid: u32) -> Result<(), ApplyError> {
    make_folder(dir)?;
    if let Some(above) = dir.parent() {
        let meta = fs::metadata(above).map_err(ApplyError::io("look at", above))?;
        let passing = meta.permissions().mode() | 0o011;
        if meta.uid() == geteuid().as_raw() && passing != meta.permissions().mode() {
            fs::set_permissions(above, fs::Permissions::from_mode(passing))
                .map_err(ApplyError::io("let others pass", above))?;
        }
    }
    let entries = fs::read_dir(dir).map_err(ApplyError::io("read", dir))?.flatten().map(|entry| entry.path());
    for path in entries.chain([dir.to_owned()]) {
        // A link is not followed: the folder may be somebody's by now.
        lchown(&path, Some(uid), None).map_err(ApplyError::io("change the owner of", &path))?;
    }
    Ok(())
}

/// Copies beside the place, syncs, then links there.
fn copy(copy_of: &Path, path: &Path) -> Result<(), ApplyError> {
    if let Some(dir) = path.parent() {
        make_folder(dir)?;
    }
    let next = path.with_extension(format!("new-{}", std::process::id()));
    let make = || -> io::Result<()> {
        fs::copy(copy_of, &next)?;
        let copy = File::options().write(true).open(&next)?;
        copy.set_permissions(fs::Permissions::from_mode(0o600))?;
        copy.sync_all()?;
        // A link, not a rename: it fails when somebody else made the file meanwhile.
        match fs::hard_link(&next, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }
    };
    let result = make();
    // Already gone when the copy never began.
    let _ = fs::remove_file(&next);
    result.map_err(ApplyError::io("make", path))
}

#[cfg(test)]
mod test {
    use super::make_file;
    use crate::plan::NewFile;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_copy_is_made_once_and_then_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state/VARS.fd");
        let file = NewFile::Copy { path: path.clone(), copy_of: dir.path().join("template") };
        fs::write(dir.path().join("template"), "fresh").unwrap();
        make_file(&file).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "fresh");
        fs::write(&path, "boot entries").unwrap();
        make_file(&file).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "boot entries");
        assert_eq!(fs::read_dir(dir.path().join("state")).unwrap().count(), 1);
    }

    #[test]
    fn a_missing_source_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let file = NewFile::Copy { path: dir.path().join("VARS.fd"), copy_of: dir.path().join("none") };
        assert!(make_file(&file).unwrap_err().to_string().contains("VARS.fd"));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_is_its_owners_alone_and_keeps_what_is_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("state/win_TPM");
        let file = NewFile::Folder { folder: folder.clone(), owner: None };
        make_file(&file).unwrap();
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        fs::write(folder.join("tpm2-00.permall"), "keys").unwrap();
        make_file(&file).unwrap();
        assert_eq!(fs::read_to_string(folder.join("tpm2-00.permall")).unwrap(), "keys");
    }

    #[test]
    fn a_file_in_the_place_of_a_folder_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("win_TPM");
        fs::write(&folder, "").unwrap();
        assert!(make_file(&NewFile::Folder { folder, owner: None }).unwrap_err().to_string().contains("win_TPM"));
    }
}
