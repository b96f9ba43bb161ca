//! The serial port that vmrun holds, for several people at once.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::{broadcast, mpsc};

/// Bytes of what was said before that a newcomer is shown, so that a prompt is seen.
const BEFORE: usize = 16 << 10;
/// Pieces that a listener may be behind.
const BEHIND: usize = 256;
/// Pieces that may wait for a guest that does not read.
const WAITING: usize = 16;

/// What the guest said, and who types.
#[derive(Clone)]
pub(super) struct Console {
    inner: Rc<RefCell<Inner>>,
}

struct Inner {
    before: VecDeque<u8>,
    said: broadcast::Sender<Arc<[u8]>>,
    keys: Option<mpsc::Sender<Vec<u8>>>,
}

impl Default for Console {
    fn default() -> Self {
        let inner = Inner { before: VecDeque::new(), said: broadcast::channel(BEHIND).0, keys: None };
        Self { inner: Rc::new(RefCell::new(inner)) }
    }
}

impl Console {
    /// What is typed from now on goes to `port`.
    pub(super) fn plug(&self, mut port: OwnedWriteHalf) {
        let (keys, mut typed) = mpsc::channel::<Vec<u8>>(WAITING);
        self.inner.borrow_mut().keys = Some(keys);
        tokio::task::spawn_local(async move {
            while let Some(bytes) = typed.recv().await {
                if port.write_all(&bytes).await.is_err() {
                    return;
                }
            }
        });
    }

    /// The guest said this.
    pub(super) fn say(&self, bytes: &[u8]) {
        let inner = &mut *self.inner.borrow_mut();
        inner.before.extend(bytes);
        let surplus = inner.before.len().saturating_sub(BEFORE);
        inner.before.drain(..surplus);
        if inner.said.receiver_count() > 0 {
            // Who left meanwhile needs nothing.
            let _ = inner.said.send(bytes.into());
        }
    }

    /// Whether there is a port.
    pub(super) fn is_there(&self) -> bool {
        self.inner.borrow().keys.is_some()
    }

    /// The last of what was said, and what will be.
    pub(super) fn listen(&self) -> (Vec<u8>, broadcast::Receiver<Arc<[u8]>>) {
        let inner = self.inner.borrow();
        (inner.before.iter().copied().collect(), inner.said.subscribe())
    }

    /// Where to type; what is sent without a port is lost.
    pub(super) fn keys(&self) -> mpsc::Sender<Vec<u8>> {
        self.inner.borrow().keys.clone().unwrap_or_else(|| mpsc::channel(1).0)
    }
}
