//! A descriptor that the runtime watches.

use rustix::fd::OwnedFd;
use std::io;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Has the runtime watch whether `fd` can be read.
///
/// # Errors
/// When epoll does not take it; `epoll_ctl(2)`.
pub(crate) fn watched(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    watched_for(fd, Interest::READABLE)
}

/// The same of something else, like that the other end of a pipe is closed: that is [`Interest::ERROR`].
///
/// # Errors
/// When epoll does not take it, like a file.
#[allow(unsafe_code)]
pub(crate) fn watched_for(fd: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is one open descriptor, always the same, until it is dropped.
    let watched = unsafe { AsyncFd::register_with_interest(fd, interest) };
    Ok(watched?)
}
