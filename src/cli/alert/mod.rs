//! What is told where no terminal is: as a notification of the desktop, and in the journal.

mod call;
mod journal;

use super::output::Weight;
use crate::host::Caller;
use anstream::adapter::strip_str;
use nix::unistd::{Uid, User};
use std::env;
use std::fs::File;
use std::io::{IsTerminal, stderr};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};

/// Lines of a notification: desktops show about as many.
const LINES: usize = 8;

/// What becomes a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alerts {
    /// Nothing: a person looks on.
    Off,
    /// What is wrong, or needs the user.
    Trouble,
    /// Answers too, as `--notify` wants it.
    All,
}

impl Alerts {
    /// What a command tells by itself that goes on for as long as its guest: trouble, when no terminal is there to see it.
    #[must_use]
    pub fn of_a_run(self) -> Self {
        match self {
            Self::Off if !has_terminal() => Self::Trouble,
            other => other,
        }
    }

    /// Shows `text` on the desktop of the user behind this run, and keeps it in the journal where nothing else does.
    /// Where there is no desktop, nobody can be shown anything.
    pub(super) fn show(self, weight: Weight, text: &str) {
        let wanted = match self {
            Self::Off => false,
            Self::Trouble => weight != Weight::Info,
            Self::All => true,
        };
        let text = strip_str(text.trim()).to_string();
        if !wanted || text.is_empty() {
            return;
        }
        if weight != Weight::Info && !is_seen() {
            journal::write(Path::new(journal::SOCKET), weight, &text);
        }
        if let Some(shown) = notify(&Caller::current(), weight, &text)
            && weight != Weight::Warning
        {
            // The last words of a process: it waits for them. A warning is told by a run that goes on.
            _ = shown.join();
        }
    }
}

/// Whether there is a terminal, even if standard error goes elsewhere.
fn has_terminal() -> bool {
    stderr().is_terminal() || File::open("/dev/tty").is_ok()
}

/// Whether standard error is a terminal, or a socket: the journal's, in a session of systemd.
fn is_seen() -> bool {
    let stderr = stderr();
    stderr.is_terminal() || rustix::net::getsockname(stderr.as_fd()).is_ok()
}

/// Has one of the desktop's own tools show `text`; `None` without tool or session bus.
fn notify(caller: &Caller, weight: Weight, text: &str) -> Option<JoinHandle<()>> {
    let (tool, program) = call::TOOLS.iter().find_map(|tool| {
        let programs = caller.path.iter().map(|folder| folder.join(tool.program()));
        programs.into_iter().find(|program| program.is_file()).map(|program| (tool, program))
    })?;
    let mut command = Command::new(program);
    command.args(tool.words(weight, &head(text)));
    session(&mut command, caller)?;
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    // Waited for by a thread of its own: a desktop that does not answer holds no run up.
    thread::Builder::new().name("notify".into()).spawn(move || _ = command.status()).ok()
}

/// Leads `command` to the session bus of the user behind this run. `None` when they have none.
fn session(command: &mut Command, caller: &Caller) -> Option<()> {
    let Some(uid) = caller.invoker else {
        let own = env::var_os("DBUS_SESSION_BUS_ADDRESS").is_some();
        let runtime = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        return (own || runtime.is_some_and(|runtime| runtime.join("bus").exists())).then_some(());
    };
    // sudo and pkexec clear the environment. Only the user themselves may speak on their bus.
    let user = User::from_uid(Uid::from_raw(uid)).ok().flatten()?;
    let runtime = PathBuf::from(format!("/run/user/{uid}"));
    let bus = runtime.join("bus");
    command.uid(uid).gid(user.gid.as_raw()).current_dir("/");
    command.env("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={}", bus.display()));
    command.env("XDG_RUNTIME_DIR", runtime).env("HOME", user.dir);
    bus.exists().then_some(())
}

/// As much of `text` as a notification shows.
fn head(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    match lines.len() > LINES {
        true => format!("{}\n… all of it: journalctl -t vmrun", lines[..LINES].join("\n")),
        false => lines.join("\n"),
    }
}

#[cfg(test)]
mod test {
    use super::head;

    #[test]
    fn a_long_text_is_cut_and_says_where_the_rest_is() {
        let text = "line\n".repeat(30);
        assert_eq!(head(&text).lines().count(), 9);
        assert!(head(&text).ends_with("journalctl -t vmrun"));
        assert_eq!(head("one\n"), "one");
    }
}
