//! What happened in a run, as lines of JSON: kept in the run's folder, and told to whoever follows.

use super::Notice;
use super::run_folder::EVENTS;
use crate::process::Log;
use serde_json::Value;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::broadcast;
use tokio::time::timeout;

/// Events that `vmrun status` shows.
const RECENT: usize = 8;
/// Events that a follower may be behind before it is let go.
const BEHIND: usize = 256;

/// How long followers may take to have the last of them.
const LAST: Duration = Duration::from_secs(1);
/// What stands for the end of all events.
pub(super) const END: &str = "";

/// The events of a run.
pub(super) struct Chronicle {
    written: RefCell<Written>,
    live: broadcast::Sender<Arc<str>>,
}

struct Written {
    log: Option<Log>,
    number: u64,
    /// The last lines, oldest first.
    recent: VecDeque<Arc<str>>,
}

impl Chronicle {
    /// In the folder `dir` of a run; goes on where an earlier vmrun stopped.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        let path = dir.join(EVENTS);
        let before = fs::read_to_string(&path).unwrap_or_default();
        let whole = before.lines().rev().filter(|line| read(line).is_some()).take(RECENT);
        let mut recent: VecDeque<Arc<str>> = whole.map(Arc::from).collect();
        recent.make_contiguous().reverse();
        let number = recent.back().and_then(|line| read(line)?["n"].as_u64()).unwrap_or(0);
        let written = Written { log: Some(Log::open(&path)?), number, recent };
        Ok(Self { written: RefCell::new(written), live: broadcast::channel(BEHIND).0 })
    }

    /// Writes `notice` down. What hooks, companions and the guest print has logs of its own.
    pub(super) fn note(&self, notice: &Notice) {
        if matches!(notice, Notice::Output { .. } | Notice::Guest { .. }) {
            return;
        }
        let Ok(what) = serde_json::to_string(notice) else { return };
        // An object, in which number and time stand first. As text: of a guest with hundreds of vCPUs one notice tells
        // the place of each, right before its first instruction.
        let Some(what) = what.strip_prefix('{') else { return };
        let mut written = self.written.borrow_mut();
        written.number += 1;
        let at = humantime::format_rfc3339_millis(SystemTime::now());
        let line: Arc<str> = format!("{{\"n\":{},\"at\":\"{at}\",{what}\n", written.number).into();
        // A full disk ends the record, not the guest.
        if written.log.as_mut().is_some_and(|log| log.write(&line).is_err()) {
            written.log = None;
        }
        written.recent.push_back(Arc::clone(&line));
        if written.recent.len() > RECENT {
            written.recent.pop_front();
        }
        // Nobody may follow.
        let _ = self.live.send(line);
    }

    /// The last events, oldest first.
    pub(super) fn recent(&self) -> Vec<Value> {
        self.written.borrow().recent.iter().filter_map(|line| read(line)).collect()
    }

    /// Lets followers have what was told, and go.
    pub(super) async fn close(&self) {
        // Nobody may follow.
        let _ = self.live.send(END.into());
        // One that does not read its events does not keep vmrun from ending.
        let _ = timeout(LAST, self.live.closed()).await;
    }

    /// The events from now on, each a line with its line feed; after [`END`] comes none.
    pub(super) fn follow(&self) -> broadcast::Receiver<Arc<str>> {
        self.live.subscribe()
    }
}

/// An event; `None` of a line that was cut short.
fn read(line: &str) -> Option<Value> {
    serde_json::from_str(line).ok()
}

#[cfg(test)]
mod test {
    use super::Chronicle;
    use crate::supervise::Notice;

    #[tokio::test]
    async fn events_are_numbered_across_supervisors_and_told_to_followers() {
        let dir = tempfile::tempdir().unwrap();
        Chronicle::open(dir.path()).unwrap().note(&Notice::Note("one".into()));
        let again = Chronicle::open(dir.path()).unwrap();
        let mut follower = again.follow();
        again.note(&Notice::Guest { line: "not an event".into() });
        again.note(&Notice::Warning("two".into()));
        let line = follower.recv().await.unwrap();
        assert!(line.starts_with("{\"n\":2,") && line.ends_with("\"warning\":\"two\"}\n"), "{line}");
        assert_eq!(again.recent()[0]["note"], "one");
        assert_eq!(std::fs::read_to_string(dir.path().join("events.jsonl")).unwrap().lines().count(), 2);
    }
}
