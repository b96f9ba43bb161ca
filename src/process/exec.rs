//! What the child of a command makes of itself, and why it could not.

use super::image::c_string;
use super::launch::Launch;
use super::spawn::NotSpawned;
use super::{Identity, ProcessError, oom};
use nix::libc;
use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::process::{Gid, Uid, chdir, setsid, umask};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use std::ffi::CString;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// What the child makes of itself.
pub(super) struct Become {
    /// Groups, group and user; `None` for our own.
    user: Option<(Vec<Gid>, Gid, Uid)>,
    folder: CString,
    /// Whether `/` does as well.
    anywhere: bool,
}

impl Become {
    pub(super) fn new(identity: &Identity, folder: Option<&Path>) -> Result<Self, ProcessError> {
        let groups = identity.groups.iter().copied().map(Gid::from_raw).collect();
        let other = (groups, Gid::from_raw(identity.gid), Uid::from_raw(identity.uid));
        Ok(Self {
            user: (!identity.is_ours()).then_some(other),
            folder: c_string(folder.unwrap_or(&identity.home).as_os_str())?,
            anywhere: folder.is_none(),
        })
    }

    /// Runs in the child: system calls only, no allocation.
    pub(super) fn prepare(&self) -> Result<(), (Stage, Errno)> {
        setsid().map_err(|errno| (Stage::Session, errno))?;
        umask(Mode::from_raw_mode(0o022));
        oom::as_before();
        if let Some((groups, gid, uid)) = &self.user {
            // The user last: after it, we may change nothing any more.
            set_thread_groups(groups)
                .and_then(|()| set_thread_res_gid(*gid, *gid, *gid))
                .and_then(|()| set_thread_res_uid(*uid, *uid, *uid))
                .map_err(|errno| (Stage::User, errno))?;
        }
        // As the user: a home on NFS may be closed to root.
        match chdir(self.folder.as_c_str()) {
            Err(_) if self.anywhere => chdir(c"/").map_err(|errno| (Stage::Folder, errno)),
            other => other.map_err(|errno| (Stage::Folder, errno)),
        }
    }
}

/// How far the child came.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stage {
    /// `setsid(2)`.
    Session,
    /// `setgroups(2)`, `setresgid(2)` or `setresuid(2)`.
    User,
    /// `chdir(2)`.
    Folder,
}

/// Why `program` does not run.
pub(super) fn explain(
    fault: NotSpawned<(Stage, Errno)>,
    program: &Path,
    identity: &Identity,
    launch: &Launch,
) -> ProcessError {
    let shown = program.display();
    match fault {
        NotSpawned::Made(error) => ProcessError::io(format!("no process can be made for {shown}"), error),
        NotSpawned::Executed(error) => ProcessError::io(not_executed(program, &error, identity), error),
        NotSpawned::Prepared((stage, errno)) => {
            let what = match stage {
                Stage::Session => format!("no session can be made for {shown}"),
                Stage::User => format!("{shown} cannot be run as `{}`, user {}", identity.name, identity.uid),
                Stage::Folder => {
                    let folder = launch.folder.as_deref().unwrap_or(Path::new("/")).display();
                    format!("{shown} cannot be run in {folder} as `{}`", identity.name)
                }
            };
            ProcessError::io(what, errno)
        }
    }
}

fn not_executed(program: &Path, error: &io::Error, identity: &Identity) -> String {
    let shown = program.display();
    match error.raw_os_error() {
        Some(libc::ENOENT) if program.exists() => match interpreter(program) {
            Some(name) => format!("{shown} names the interpreter `{}`, which is not there", name.escape_debug()),
            None => format!("{shown} needs a loader that is not there"),
        },
        Some(libc::ENOENT) => format!("{shown} is not there"),
        Some(libc::EACCES) => format!("{shown} may not be executed by `{}`{}", identity.name, mode(program)),
        Some(libc::ENOEXEC) => format!("{shown} is no program: it starts neither with `#!` nor as an ELF file"),
        _ => format!("{shown} cannot be executed"),
    }
}

fn mode(program: &Path) -> String {
    let mode = fs::metadata(program).map(|meta| meta.permissions().mode() & 0o7777);
    mode.map(|mode| format!(", its mode is {mode:04o}")).unwrap_or_default()
}

/// What a script names behind `#!`; the kernel reads 256 bytes, `execve(2)`.
fn interpreter(program: &Path) -> Option<String> {
    let mut line = Vec::new();
    BufReader::new(File::open(program).ok()?.take(256)).read_until(b'\n', &mut line).ok()?;
    let line = String::from_utf8_lossy(line.strip_prefix(b"#!")?).into_owned();
    // A carriage return is part of the name for the kernel, and is the usual reason why it is not found.
    let name = line.trim_matches([' ', '\t', '\n']).split([' ', '\t']).next()?;
    Some(name.to_owned())
}
