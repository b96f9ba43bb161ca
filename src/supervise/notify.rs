//! What systemd is told when vmrun is a service of type `notify`; `sd_notify(3)`. Without `NOTIFY_SOCKET`, nothing.

use sd_notify::NotifyState;

/// The guest runs.
pub(super) fn ready() {
    tell(&[NotifyState::Ready, NotifyState::Status("the guest runs")]);
}

/// The guest was asked to power off.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("the guest was asked to power off")]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd could not be told");
    }
}
