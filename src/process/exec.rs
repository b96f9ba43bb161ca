//! Between fork and exec: what the child makes of itself, and why it could not.

use super::launch::{Launch, pipe};
use super::{Identity, ProcessError, oom};
use nix::libc;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Uid, chdir, setgroups, setresgid, setresuid, setsid};
use std::collections::BTreeMap;
use std::ffi::{CString, OsStr, OsString, c_char};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, PipeReader, PipeWriter, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What is executed, laid out before the fork, since a child of a program with threads may not allocate.
pub(super) struct Image {
    path: PathBuf,
    program: CString,
    argv: Strings,
    env: Strings,
}

impl Image {
    pub(super) fn new(argv: &[String], env: &BTreeMap<String, OsString>) -> Result<Self, ProcessError> {
        let name = argv.first().ok_or_else(|| ProcessError::refused("a command has no program"))?;
        let path = find(name, env.get("PATH").map_or(OsStr::new(""), |path| path))?;
        let program = c_string(path.as_os_str())?;
        let argv = argv.iter().map(|argument| c_string(argument.as_ref())).collect::<Result<_, _>>()?;
        let env = env.iter().map(|(name, value)| variable(name, value)).collect::<Result<_, _>>()?;
        Ok(Self { path, program, argv: Strings::new(argv), env: Strings::new(env) })
    }

    pub(super) fn program(&self) -> &Path {
        &self.path
    }

    /// Executes it; returns only when that failed. `execve` and not `execvp`: that one gives a file of unknown format
    /// to the shell.
    #[allow(unsafe_code)]
    fn exec(&self) -> io::Error {
        // SAFETY: the path and both arrays end in NUL, and live as long as `self`.
        unsafe { libc::execve(self.program.as_ptr(), self.argv.pointers.as_ptr(), self.env.pointers.as_ptr()) };
        io::Error::last_os_error()
    }
}

/// Strings as `execve(2)` wants them.
struct Strings {
    /// Keeps alive what `pointers` point to.
    _strings: Vec<CString>,
    pointers: Vec<*const c_char>,
}

impl Strings {
    fn new(strings: Vec<CString>) -> Self {
        let pointers = strings.iter().map(|string| string.as_ptr()).chain([std::ptr::null()]).collect();
        Self { _strings: strings, pointers }
    }
}

// SAFETY: the pointers point to the heap memory of `_strings`, which moves with them and is never written.
#[allow(unsafe_code)]
unsafe impl Send for Strings {}
// SAFETY: as above.
#[allow(unsafe_code)]
unsafe impl Sync for Strings {}

/// What the child makes of itself.
pub(super) struct Become {
    image: Image,
    /// Groups, group and user; `None` for our own.
    user: Option<(Vec<Gid>, Gid, Uid)>,
    folder: CString,
    /// Whether `/` does as well.
    anywhere: bool,
    tell: PipeWriter,
}

impl Become {
    /// With the end of a pipe that tells at which stage the child failed.
    pub(super) fn new(
        image: Image,
        identity: &Identity,
        folder: Option<&Path>,
    ) -> Result<(PipeReader, Self), ProcessError> {
        let (fault, tell) = pipe()?;
        let groups = identity.groups.iter().copied().map(Gid::from_raw).collect();
        let other = (groups, Gid::from_raw(identity.gid), Uid::from_raw(identity.uid));
        let become_it = Self {
            image,
            user: (!identity.is_ours()).then_some(other),
            folder: c_string(folder.unwrap_or(&identity.home).as_os_str())?,
            anywhere: folder.is_none(),
            tell,
        };
        Ok((fault, become_it))
    }

    /// Runs in the child: system calls only, no allocation. Returns only when something failed.
    fn run(&self) -> io::Error {
        let (fault, error) = match self.prepare() {
            Ok(()) => (Fault::Exec, self.image.exec()),
            Err((fault, errno)) => (fault, errno.into()),
        };
        // Without it the parent still learns the error, if not the stage.
        let _told = (&self.tell).write(&[fault as u8]);
        error
    }

    fn prepare(&self) -> Result<(), (Fault, nix::Error)> {
        setsid().map_err(|errno| (Fault::Session, errno))?;
        umask(Mode::from_bits_truncate(0o022));
        close_others();
        oom::as_before();
        if let Some((groups, gid, uid)) = &self.user {
            // The user last: after it, we may change nothing any more.
            setgroups(groups)
                .and_then(|()| setresgid(*gid, *gid, *gid))
                .and_then(|()| setresuid(*uid, *uid, *uid))
                .map_err(|errno| (Fault::User, errno))?;
        }
        // As the user: a home on NFS may be closed to root.
        match chdir(self.folder.as_c_str()) {
            Err(_) if self.anywhere => chdir(c"/").map_err(|errno| (Fault::Folder, errno)),
            other => other.map_err(|errno| (Fault::Folder, errno)),
        }
    }
}

/// Marks every descriptor but the standard ones to be closed by exec: those of ours are so already, but one that vmrun
/// itself inherited need not be. Linux 5.11; on an older kernel the mark that we set ourselves must do.
#[allow(unsafe_code)]
fn close_others() {
    let first: libc::c_uint = 3;
    // SAFETY: no memory is passed, and no descriptor is closed before exec.
    unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) };
}

/// Has the child become what it shall be before it executes anything.
#[allow(unsafe_code)]
pub(super) fn set(command: &mut tokio::process::Command, become_it: Become) {
    // SAFETY: `run` does system calls on memory that was laid out before, and allocates nothing.
    unsafe { command.pre_exec(move || Err(become_it.run())) };
}

/// Where the child failed.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(super) enum Fault {
    /// Before it was ours: in fork, or with its standard descriptors.
    Spawn,
    /// `setsid(2)`.
    Session,
    /// `setgroups(2)`, `setresgid(2)` or `setresuid(2)`.
    User,
    /// `chdir(2)`.
    Folder,
    /// `execve(2)`.
    Exec,
}

impl Fault {
    /// What the child told before it ended.
    pub(super) fn told(mut pipe: PipeReader) -> Self {
        let mut stage = [0];
        // Nothing is in the pipe when the child did not get so far.
        let _count = pipe.read(&mut stage);
        let all = [Self::Session, Self::User, Self::Folder, Self::Exec];
        all.into_iter().find(|fault| *fault as u8 == stage[0]).unwrap_or(Self::Spawn)
    }

    pub(super) fn explain(
        self,
        error: io::Error,
        program: &Path,
        identity: &Identity,
        launch: &Launch,
    ) -> ProcessError {
        let shown = program.display();
        let what = match self {
            Self::Spawn => format!("no process can be made for {shown}"),
            Self::Session => format!("no session can be made for {shown}"),
            Self::User => format!("{shown} cannot be run as `{}`, user {}", identity.name, identity.uid),
            Self::Folder => {
                let folder = launch.folder.as_deref().unwrap_or(Path::new("/")).display();
                format!("{shown} cannot be run in {folder} as `{}`", identity.name)
            }
            Self::Exec => not_executed(program, &error, identity),
        };
        ProcessError::io(what, error)
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

/// The program `name`: a path as it is, else the first file of that name in `path` that somebody may execute.
fn find(name: &str, path: &OsStr) -> Result<PathBuf, ProcessError> {
    if name.contains('/') {
        return Ok(name.into());
    }
    let found = std::env::split_paths(path).map(|folder| folder.join(name)).find(|file| is_program(file));
    found.ok_or_else(|| ProcessError::refused(format!("there is no program `{name}` in {}", path.display())))
}

fn is_program(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

fn variable(name: &str, value: &OsStr) -> Result<CString, ProcessError> {
    if name.is_empty() || name.contains('=') {
        return Err(ProcessError::refused(format!("`{name}` cannot be the name of a variable")));
    }
    let mut text = OsString::from(name);
    text.push("=");
    text.push(value);
    c_string(&text)
}

fn c_string(text: &OsStr) -> Result<CString, ProcessError> {
    CString::new(text.as_bytes())
        .map_err(|_| ProcessError::refused(format!("`{}` holds a NUL byte", text.to_string_lossy().escape_debug())))
}

#[cfg(test)]
mod test {
    use super::{find, variable};
    use std::ffi::OsStr;

    #[test]
    fn a_program_that_is_nowhere_is_named_with_the_folders() {
        let refusal = find("no-such-program", OsStr::new("/usr/bin:/bin")).unwrap_err();
        assert_eq!(refusal.what, "there is no program `no-such-program` in /usr/bin:/bin");
    }

    #[test]
    fn a_variable_cannot_carry_another() {
        assert!(variable("A=B", OsStr::new("c")).is_err());
        assert!(variable("A", OsStr::new("b\0LD_PRELOAD=x")).is_err());
        assert_eq!(variable("A", OsStr::new("b=c")).unwrap().as_c_str(), c"A=b=c");
    }
}
