//! Programs that are asked something: their answer, within limits.

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use rustix::io::Errno;
use rustix::process::{getpid, getppid, set_parent_process_death_signal};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// Most bytes that are taken from a program; QEMU's longest answers are 150 KB together.
const OUTPUT_LIMIT: usize = 1 << 20;

/// Why a program gave no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mute {
    /// It cannot be run, or was gone before it answered, or failed.
    Gone,
    /// It took too long.
    Late,
    /// It said more than an answer has.
    Endless,
}

/// Standard output of the program at `path`, which has `within` to end well. It is killed when it takes longer or says
/// more than any answer.
pub(super) fn output(path: &Path, args: &[&str], within: Duration) -> Result<Vec<u8>, Mute> {
    let mut child = spawn(path, args, Stdio::null())?;
    let answer = drain(child.stdout.take(), within, &|_| false);
    if end(child, answer.is_err()) { answer } else { Err(answer.err().unwrap_or(Mute::Gone)) }
}

/// What the program at `path` says to `input` until `enough` of it is there, within `within`. Then it is killed: this
/// is for programs that would go on listening.
pub(super) fn converse(
    path: &Path,
    args: &[&str],
    input: &[u8],
    enough: &dyn Fn(&[u8]) -> bool,
    within: Duration,
) -> Result<Vec<u8>, Mute> {
    let mut child = spawn(path, args, Stdio::piped())?;
    // A pipe holds 64 KiB (pipe(7)), more than any input here, so this does not wait for a reader. One that has gone is
    // heard of by its silence.
    let stdin = child.stdin.take().map(|mut stdin| {
        let _ = stdin.write_all(input);
        stdin
    });
    let answer = drain(child.stdout.take(), within, enough);
    let whole = answer.as_ref().is_ok_and(|answer| enough(answer));
    end(child, true);
    drop(stdin);
    if whole { answer } else { Err(answer.err().unwrap_or(Mute::Gone)) }
}

/// In a process group of its own, so that what a wrapper script started ends with it. It ends with vmrun too, however that
/// ends: one that listens would do so for ever.
#[allow(unsafe_code, reason = "what a child does before it is another program has no safe form")]
fn spawn(path: &Path, args: &[&str], stdin: Stdio) -> Result<Child, Mute> {
    let mut command = Command::new(path);
    command.args(args).stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
    let parent = getpid();
    // SAFETY: two system calls that allocate nothing. The thread that spawns stays until the child has ended, which is what
    // the kernel looks at; prctl(2).
    unsafe {
        command.pre_exec(move || {
            set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
            // Ended meanwhile, it will not end again.
            if getppid() == Some(parent) { Ok(()) } else { Err(Errno::SRCH.into()) }
        });
    }
    command.spawn().map_err(|_| Mute::Gone)
}

/// What comes from `stdout` until its end, or until it is `enough`.
fn drain(stdout: Option<ChildStdout>, within: Duration, enough: &dyn Fn(&[u8]) -> bool) -> Result<Vec<u8>, Mute> {
    let mut stdout = stdout.ok_or(Mute::Gone)?;
    let deadline = Instant::now() + within;
    let mut output = Vec::new();
    let mut chunk = vec![0; 1 << 16];
    while output.len() <= OUTPUT_LIMIT {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(stdout.as_fd(), PollFlags::POLLIN)], timeout) {
            Err(nix::errno::Errno::EINTR) => continue,
            Err(_) => return Err(Mute::Gone),
            Ok(0) => return Err(Mute::Late),
            Ok(_) => {}
        }
        match stdout.read(&mut chunk).map_err(|_| Mute::Gone)? {
            0 => return Ok(output),
            count => output.extend_from_slice(&chunk[..count]),
        }
        if enough(&output) {
            return Ok(output);
        }
    }
    Err(Mute::Endless)
}

/// Whether the child ended well; it and what it started are killed first when `kill` says so.
fn end(mut child: Child, kill: bool) -> bool {
    if let Ok(group) = i32::try_from(child.id())
        && kill
    {
        // Fails only when all of them have ended already, which is what is wanted.
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
    child.wait().is_ok_and(|status| status.success())
}
