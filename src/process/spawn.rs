//! Makes a process of a program, without a copy of our memory.

use super::child::Child;
use super::image::Image;
use nix::libc;
use nix::sched::{CloneCb, CloneFlags, clone};
use nix::sys::signal::{SigSet, SigmaskHow};
use rustix::process::{Pid, WaitOptions, dumpable_behavior, set_dumpable_behavior, waitpid};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

/// Bytes of stack that the child has until it executes its program.
const STACK: usize = 128 << 10;

/// What a write to a pipe that nobody reads any more does to a program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BrokenPipe {
    /// SIGPIPE ends it, as one that a shell starts.
    #[default]
    Kills,
    /// The write fails: SIGPIPE is ignored, as systemd has it for its services; `systemd.exec(5)`, `IgnoreSIGPIPE=`.
    Fails,
}

/// Why nothing was executed. No process is left of it.
#[derive(Debug)]
pub enum NotSpawned<E> {
    /// There is no process, or nothing to watch it by.
    Made(io::Error),
    /// The child could not become what it shall be.
    Prepared(E),
    /// The program cannot be executed.
    Executed(io::Error),
}

/// Executes `image` in a child that has done `prepare` before. The first of `descriptors` is its standard input, and
/// each further one has the next number; all others are closed. No signal is blocked in it, and none ignored but those
/// that vmrun was started with, and SIGPIPE where `broken_pipe` says so.
///
/// Until it executes, the child uses our memory and we stand still, as with `vfork(2)`. A fork copies the tables of all
/// our pages, and each page that is written to after it. Nobody but root gets at our memory by it when the child becomes
/// another user: the kernel forbids that with the same call (`commit_creds`, kernel/cred.c), unless
/// `fs.suid_dumpable` is 1, which lets people look into any program for debugging; `proc_sys_fs(5)`.
///
/// # Errors
/// [`NotSpawned`].
///
/// # Panics
/// Outside a tokio runtime with I/O.
///
/// # Safety
/// `prepare` runs in the child. It may make system calls and write to what it has borrowed, and no more: it must not
/// allocate, lock or panic, nor call what the C library does for all threads of a process, like `setuid(3)`; `nptl(7)`.
#[allow(unsafe_code)]
pub unsafe fn spawn<E>(
    image: &Image,
    descriptors: &[BorrowedFd<'_>],
    broken_pipe: BrokenPipe,
    mut prepare: impl FnMut() -> Result<(), E>,
) -> Result<Child, NotSpawned<E>> {
    let sources = above(descriptors).map_err(NotSpawned::Made)?;
    let mut fault = None;
    let become_it: CloneCb<'_> = Box::new(|| {
        fault = Some(match prepare() {
            Ok(()) => NotSpawned::Executed(executed(image, &sources, broken_pipe)),
            Err(error) => NotSpawned::Prepared(error),
        });
        0
    });
    let dumpable = dumpable_behavior();
    // SAFETY: the child has a stack of its own, and we stand still until it has executed or ended, so that nobody else
    // touches our memory meanwhile. What it does is what `prepare` and `executed` promise.
    let made = unsafe { shared(become_it) };
    // That forbids core dumps of it too, now that it is ours alone again.
    if let Ok(dumpable) = dumpable {
        let _as_before = set_dumpable_behavior(dumpable);
    }
    let pid = made.map_err(NotSpawned::Made)?;
    match fault {
        None => Child::new(pid).map_err(NotSpawned::Made),
        Some(fault) => {
            let _status = waitpid(Some(pid), WaitOptions::empty());
            Err(fault)
        }
    }
}

/// Makes a child that does `become_it` in our memory. Signals wait until it has executed, since a handler would run in
/// it too.
#[allow(unsafe_code)]
unsafe fn shared(become_it: CloneCb<'_>) -> io::Result<Pid> {
    let mut stack = vec![0; STACK];
    let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
    let flags = CloneFlags::CLONE_VM | CloneFlags::CLONE_VFORK;
    // SAFETY: the caller's.
    let made = unsafe { clone(become_it, &mut stack, flags, Some(libc::SIGCHLD)) };
    before.thread_set_mask()?;
    Pid::from_raw(made?.as_raw()).ok_or_else(|| io::Error::other("it has no number"))
}

/// Runs in the child: system calls only, no allocation. Returns only when something failed.
fn executed(image: &Image, sources: &[OwnedFd], broken_pipe: BrokenPipe) -> io::Error {
    let mut end = 0;
    for (source, number) in sources.iter().zip(0..) {
        if let Err(error) = place(source.as_raw_fd(), number) {
            return error;
        }
        end = number + 1;
    }
    close_from(end);
    default_signals(broken_pipe);
    match SigSet::empty().thread_set_mask() {
        Ok(()) => image.execute(),
        Err(errno) => errno.into(),
    }
}

/// The same open files, under numbers above those that the child has them under, so that none is in the way of another.
fn above(descriptors: &[BorrowedFd<'_>]) -> io::Result<Vec<OwnedFd>> {
    let end = RawFd::try_from(descriptors.len()).map_err(io::Error::other)?;
    descriptors.iter().map(|fd| Ok(rustix::io::fcntl_dupfd_cloexec(fd, end)?)).collect()
}

#[allow(unsafe_code)]
fn place(from: RawFd, to: RawFd) -> io::Result<()> {
    // SAFETY: plain numbers to the kernel. `to` belongs to nobody in the child, which has a table of its own and is about
    // to be another program.
    let status = unsafe { libc::dup2(from, to) };
    if status < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Has exec close every descriptor from `first` on: those of ours it closes anyway, but one that vmrun itself inherited,
/// from a careless shell say, may lack the mark. Linux 5.11; on an older kernel the marks that we set must do.
#[allow(unsafe_code)]
fn close_from(first: RawFd) {
    // SAFETY: no memory is passed, and no descriptor is closed before exec.
    unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) };
}

/// Exec would do so for those that have a handler, but one may come before; and Rust's library has SIGPIPE ignored.
#[allow(unsafe_code)]
fn default_signals(broken_pipe: BrokenPipe) {
    // Those of real time have no handlers here.
    for signal in 1..=libc::SIGSYS {
        // SAFETY: an action is plain numbers, of which zeros are the default one; the calls read or write one each.
        unsafe {
            let (mut now, default): (libc::sigaction, libc::sigaction) = std::mem::zeroed();
            let known = libc::sigaction(signal, std::ptr::null(), &raw mut now) == 0;
            let handled = known && ![libc::SIG_DFL, libc::SIG_IGN].contains(&now.sa_sigaction);
            if handled || (signal == libc::SIGPIPE && broken_pipe == BrokenPipe::Kills) {
                libc::sigaction(signal, &raw const default, std::ptr::null_mut());
            }
        }
    }
}
