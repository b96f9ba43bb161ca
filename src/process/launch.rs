//! Starts a command.

use super::exec::{Become, explain};
use super::image::Image;
use super::log::Log;
use super::output::Output;
use super::spawn::{BrokenPipe, spawn};
use super::{Identity, ProcessError, Running, session};
use crate::host::Root;
use crate::plan::Command;
use crate::unit::Period;
use nix::unistd::geteuid;
use rustix::fs::{MemfdFlags, SeekFrom, memfd_create, seek};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::unix::pipe::Receiver;

/// A command with everything around it.
#[derive(Clone, Debug, Default)]
pub struct Launch {
    /// Program and arguments. A program without `/` is looked for in `PATH`.
    pub argv: Vec<String>,
    /// Login name of the user it runs as; `None` for the user that vmrun runs as.
    pub user: Option<String>,
    /// Variables beside those of the user's session; they win over them.
    pub env: BTreeMap<String, OsString>,
    /// Folder it runs in; `None` for the user's home, or `/` when that cannot be entered.
    pub folder: Option<PathBuf>,
    /// What it reads.
    pub stdin: Stdin,
    /// Where its output is kept beside being handed out; where that cannot be, it runs without.
    pub log: Option<PathBuf>,
    /// What becomes of it when nobody reads its output any more.
    pub broken_pipe: BrokenPipe,
    /// How long [`super::run`] lets it run; `None` for as long as it likes.
    pub timeout: Option<Duration>,
}

/// What a command reads on its standard input.
#[derive(Clone, Debug, Default)]
pub enum Stdin {
    /// Nothing: `/dev/null`.
    #[default]
    Null,
    /// These bytes. They lie in memory, so that a command that does not read them hinders nobody.
    Bytes(Arc<[u8]>),
}

impl From<&Command> for Launch {
    fn from(command: &Command) -> Self {
        Self {
            argv: command.argv.clone(),
            user: command.user.clone(),
            env: command.env.iter().map(|(name, value)| (name.clone(), value.into())).collect(),
            folder: command.folder.clone(),
            timeout: command.timeout.map(Period::get),
            ..Self::default()
        }
    }
}

/// Starts a command: argv only, no shell; in a session of its own, without controlling terminal; with umask 022; as
/// the user with all of that user's groups; with the environment of that user's session, see [`session`]; standard
/// output and error in one pipe, all other descriptors closed. Resolved once the program was executed.
///
/// # Errors
/// When there is no such user or we may not become it, or when the program cannot be executed; the sentence names the
/// path and why.
///
/// # Panics
/// Outside a tokio runtime with I/O and time.
pub fn start(launch: &Launch) -> Result<Running, ProcessError> {
    let identity = launch.user.as_deref().map_or_else(|| Ok(Identity::ours()), Identity::of)?;
    may_become(&identity)?;
    let mut env = session(&identity, &Root::default());
    env.extend(launch.env.clone());
    let image = Image::new(&launch.argv, &env.into_iter().map(|(name, value)| (name.into(), value)).collect())?;
    let log = launch.log.as_deref().and_then(open_log);
    let (reader, writer) = pipe()?;
    let reader = Receiver::from_owned_fd(reader.into()).map_err(|error| ProcessError::io(NO_PIPE, error))?;
    let become_it = Become::new(&identity, launch.folder.as_deref())?;
    let stdin = stdin(&launch.stdin)?;
    // SAFETY: `prepare` does system calls on memory that was laid out before, and allocates nothing.
    #[allow(unsafe_code)]
    let spawned = unsafe {
        let descriptors = [stdin.as_fd(), writer.as_fd(), writer.as_fd()];
        spawn(&image, &descriptors, launch.broken_pipe, || become_it.prepare())
    };
    let child = spawned.map_err(|fault| explain(fault, image.program(), &identity, launch))?;
    // The pipe ends when the command does, not when this function has.
    drop(writer);
    Running::new(child, identity.uid, Output::new(reader, log))
}

const NO_PIPE: &str = "there is no pipe for the output";

fn may_become(identity: &Identity) -> Result<(), ProcessError> {
    if identity.is_ours() || geteuid().is_root() {
        return Ok(());
    }
    let Identity { name, .. } = identity;
    Err(ProcessError::refused(format!("only root may run a command as `{name}`; vmrun runs as user {}", geteuid())))
}

fn pipe() -> Result<(io::PipeReader, io::PipeWriter), ProcessError> {
    io::pipe().map_err(|error| ProcessError::io(NO_PIPE, error))
}

/// A command that puts the host back is not left out for want of a log.
fn open_log(path: &Path) -> Option<Log> {
    let opened = Log::open(path);
    opened.inspect_err(|error| tracing::warn!(%error, path = %path.display(), "a command runs without its log")).ok()
}

fn stdin(stdin: &Stdin) -> Result<File, ProcessError> {
    let (opened, what) = match stdin {
        Stdin::Null => (File::open("/dev/null"), "/dev/null cannot be read"),
        Stdin::Bytes(bytes) => (in_memory(bytes), "there is no memory for the standard input"),
    };
    opened.map_err(|error| ProcessError::io(what, error))
}

/// A file without name: it holds more than a pipe does, and needs nobody who writes on.
fn in_memory(bytes: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create("vmrun-stdin", MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    seek(&file, SeekFrom::Start(0))?;
    Ok(file)
}
