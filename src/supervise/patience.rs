//! What takes long is told, for who looks on: what is awaited, and for how long by now.

use super::{Notice, Tell};
use std::pin::pin;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// How long something may take without a word.
const SILENCE: Duration = Duration::from_secs(2);

/// The longest time between two words.
const RARELY: Duration = Duration::from_secs(60);

/// Does `work`, and tells `what` is awaited when it takes more than two seconds; again when it takes longer, after ever
/// longer pauses, since `what` may have changed.
pub(super) async fn awaited<T>(tell: Tell<'_>, what: impl Fn() -> String, work: impl Future<Output = T>) -> T {
    let (mut work, began, mut pause) = (pin!(work), Instant::now(), SILENCE);
    loop {
        if let Ok(done) = timeout(pause, &mut work).await {
            return done;
        }
        tell(&Notice::Waiting { what: what(), since: began.elapsed() });
        pause = RARELY.min(pause * 2);
    }
}

#[cfg(test)]
mod test {
    use super::awaited;
    use crate::supervise::Notice;
    use std::cell::RefCell;
    use std::time::Duration;
    use tokio::time::sleep;

    async fn told(takes: u64) -> Vec<u64> {
        let told = RefCell::new(Vec::new());
        let tell = |notice: &Notice| match notice {
            Notice::Waiting { what, since } if what == "a card" => told.borrow_mut().push(since.as_secs()),
            other => panic!("{other:?}"),
        };
        awaited(&tell, || "a card".into(), sleep(Duration::from_secs(takes))).await;
        told.into_inner()
    }

    #[tokio::test(start_paused = true)]
    async fn what_takes_long_is_told_ever_more_rarely() {
        assert_eq!(told(1).await, [0; 0]);
        assert_eq!(told(5).await, [2]);
        assert_eq!(told(200).await, [2, 6, 14, 30, 62, 122, 182]);
    }
}
