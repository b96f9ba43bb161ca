//! Making the files of a plan.

use super::ApplyError;
use crate::plan::NewFile;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};

/// Makes `file` whole or not at all: copied beside its place, synced, then linked there. A file that is already there is
/// kept, since it holds the guest's own settings.
///
/// # Errors
/// When its source cannot be read or its folder cannot be written.
pub fn make_file(file: &NewFile) -> Result<(), ApplyError> {
    let NewFile { path, copy_of } = file;
    if path.exists() {
        return Ok(());
    }
    if let Some(dir) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(ApplyError::io("make", dir))?;
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

    #[test]
    fn a_copy_is_made_once_and_then_kept() {
        let dir = tempfile::tempdir().unwrap();
        let file = NewFile { path: dir.path().join("state/VARS.fd"), copy_of: dir.path().join("template") };
        fs::write(&file.copy_of, "fresh").unwrap();
        make_file(&file).unwrap();
        assert_eq!(fs::read_to_string(&file.path).unwrap(), "fresh");
        fs::write(&file.path, "boot entries").unwrap();
        make_file(&file).unwrap();
        assert_eq!(fs::read_to_string(&file.path).unwrap(), "boot entries");
        assert_eq!(fs::read_dir(dir.path().join("state")).unwrap().count(), 1);
    }

    #[test]
    fn a_missing_source_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let file = NewFile { path: dir.path().join("VARS.fd"), copy_of: dir.path().join("none") };
        assert!(make_file(&file).unwrap_err().to_string().contains("VARS.fd"));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
