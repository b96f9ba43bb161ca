//! What systemd is told when vmrun is a service of type `notify`; `sd_notify(3)`. Without `NOTIFY_SOCKET`, nothing.

use sd_notify::NotifyState;
use tokio::time::sleep;

/// The guest runs.
pub(super) fn ready() {
    tell(&[NotifyState::Ready, NotifyState::Status("the guest runs")]);
}

/// The guest was asked to power off.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("the guest was asked to power off")]);
}

/// Tells a watchdog of systemd (`WatchdogSec=`) twice in its time that the loop turns; `sd_watchdog_enabled(3)`. Without one
/// it ends at once, and nothing wakes up for it.
pub(super) async fn watchdog() {
    let Some(time) = sd_notify::watchdog_enabled() else { return };
    loop {
        sleep(time / 2).await;
        tell(&[NotifyState::Watchdog]);
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd could not be told");
    }
}
