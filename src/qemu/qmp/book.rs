//! The commands that wait for their replies.

use super::QmpError;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::sync::oneshot;

type Reply = Result<Box<RawValue>, QmpError>;

/// The waiting commands by id, oldest first.
#[derive(Debug, Default)]
pub(super) struct Book {
    pages: Mutex<Pages>,
    greeting: OnceLock<Value>,
}

#[derive(Debug, Default)]
struct Pages {
    last: u64,
    closed: bool,
    waiting: BTreeMap<u64, Waiting>,
}

#[derive(Debug)]
struct Waiting {
    command: String,
    reply: oneshot::Sender<Reply>,
}

impl Book {
    /// Enters a command: its id, and where its reply will come. On a closed connection that is an error at once.
    pub(super) fn enter(&self, command: &str) -> (u64, oneshot::Receiver<Reply>) {
        let (reply, receiver) = oneshot::channel();
        let mut pages = self.pages();
        pages.last += 1;
        let id = pages.last;
        if !pages.closed {
            pages.waiting.insert(id, Waiting { command: command.to_owned(), reply });
        }
        (id, receiver)
    }

    /// Forgets a command that nobody waits for any more.
    pub(super) fn strike(&self, id: u64) {
        self.pages().waiting.remove(&id);
    }

    /// Hands a command its reply; one for a command that was struck out is dropped.
    pub(super) fn succeed(&self, id: Option<u64>, value: Box<RawValue>) {
        let Some(waiting) = id.and_then(|id| self.pages().waiting.remove(&id)) else {
            tracing::debug!(?id, "late reply dropped");
            return;
        };
        let _ = waiting.reply.send(Ok(value));
    }

    /// Fails the command `id`.
    ///
    /// Without an id QEMU could not read the request; commands are carried out in order, so it is the oldest. It would
    /// wait for ever otherwise.
    pub(super) fn fail(&self, id: Option<u64>, class: String, desc: String) {
        let waiting = {
            let mut pages = self.pages();
            match id {
                Some(id) => pages.waiting.remove(&id),
                None => pages.waiting.pop_first().map(|(_, waiting)| waiting),
            }
        };
        let Some(Waiting { command, reply }) = waiting else {
            tracing::debug!(?id, %class, %desc, "late refusal dropped");
            return;
        };
        let _ = reply.send(Err(QmpError::Refused { command, class, desc }));
    }

    /// Fails the command `id`, whose reply is longer than is taken.
    pub(super) fn fail_too_long(&self, id: u64) {
        let Some(Waiting { command, reply }) = self.pages().waiting.remove(&id) else { return };
        let _ = reply.send(Err(QmpError::TooLong { command }));
    }

    /// Notes what QEMU greeted with.
    pub(super) fn greet(&self, greeting: Value) {
        // A second one would be a QEMU that contradicts itself.
        let _ = self.greeting.set(greeting);
    }

    pub(super) fn greeting(&self) -> Option<&Value> {
        self.greeting.get()
    }

    /// Notes the end of the connection: every command that waits or is still to come fails.
    pub(super) fn close(&self) {
        let mut pages = self.pages();
        pages.closed = true;
        pages.waiting.clear();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.pages().closed
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        // No invariant spans two statements under the lock, so a panic elsewhere leaves the pages as good as before.
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
