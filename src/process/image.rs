//! A program, its arguments and its environment as the kernel wants them.

use super::ProcessError;
use nix::libc;
use std::collections::BTreeMap;
use std::ffi::{CString, OsStr, OsString, c_char};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What is executed, laid out before there is a child, which may not allocate.
#[derive(Debug)]
pub struct Image {
    path: PathBuf,
    program: CString,
    argv: Strings,
    env: Strings,
}

impl Image {
    /// The first word of `argv` is the program: a path, or a name that is looked for in the `PATH` of `env`.
    ///
    /// # Errors
    /// When there is no such program, or a word or a variable holds what none can hold.
    pub fn new(argv: &[String], env: &BTreeMap<OsString, OsString>) -> Result<Self, ProcessError> {
        let name = argv.first().ok_or_else(|| ProcessError::refused("a command has no program"))?;
        let path = find(name, env.get(OsStr::new("PATH")).map_or(OsStr::new(""), |path| path))?;
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
    pub(super) fn execute(&self) -> io::Error {
        // SAFETY: the path and both arrays end in NUL, and live as long as `self`.
        unsafe { libc::execve(self.program.as_ptr(), self.argv.pointers.as_ptr(), self.env.pointers.as_ptr()) };
        io::Error::last_os_error()
    }
}

/// Strings as `execve(2)` wants them.
#[derive(Debug)]
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

fn variable(name: &OsStr, value: &OsStr) -> Result<CString, ProcessError> {
    if name.is_empty() || name.as_bytes().contains(&b'=') {
        return Err(ProcessError::refused(format!("`{}` cannot be the name of a variable", name.display())));
    }
    let mut text = name.to_owned();
    text.push("=");
    text.push(value);
    c_string(&text)
}

pub(super) fn c_string(text: &OsStr) -> Result<CString, ProcessError> {
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
        let of = |name: &str, value: &str| variable(OsStr::new(name), OsStr::new(value));
        assert!(of("A=B", "c").is_err());
        assert!(of("A", "b\0LD_PRELOAD=x").is_err());
        assert_eq!(of("A", "b=c").unwrap().as_c_str(), c"A=b=c");
    }
}
