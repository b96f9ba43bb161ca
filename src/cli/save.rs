//! Files that are written for the user.

use crate::plan::{Class, Problem};
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Writes `content`, for a program so that it can be executed; over a file that is there only by `force`.
///
/// # Errors
/// When it cannot be written.
pub(super) fn save(path: &Path, content: impl AsRef<[u8]>, force: bool, program: bool) -> Result<(), Problem> {
    let shown = path.display();
    let mut options = OpenOptions::new();
    options.write(true).mode(if program { 0o777 } else { 0o666 });
    let file = if force { options.create(true).truncate(true).open(path) } else { options.create_new(true).open(path) };
    file.and_then(|mut file| file.write_all(content.as_ref())).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => {
            Problem::new(Class::Invalid, "", format!("{shown} is there already, and is not written over"))
                .fix("another name, or --force")
        }
        ErrorKind::PermissionDenied => Problem::new(Class::Denied, "", format!("{shown} may not be written")),
        kind => {
            Problem::new(Class::Missing, "", format!("{shown} cannot be written: {}", kind.to_string().to_lowercase()))
        }
    })
}
