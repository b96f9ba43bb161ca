//! Removing a bridge.

use super::{Ground, run_to_end};
use crate::apply::ApplyError;
use crate::plan::Command;
use crate::unit::Mac;

/// Removes the bridge `name` that was made with the address `mac`. One that is gone, one that somebody else made meanwhile,
/// and one that somebody has a port on, is left as it is.
pub(super) async fn remove(ground: &Ground, name: &str, mac: Mac) -> Result<(), ApplyError> {
    let folder = format!("/sys/class/net/{name}");
    let found = ground.root.text(format!("{folder}/address")).and_then(|text| text.parse::<Mac>().ok());
    if found != Some(mac) || !ground.root.exists(format!("{folder}/bridge")) {
        return Ok(());
    }
    let ports = ground.root.names(format!("{folder}/brif"));
    if !ports.is_empty() {
        tracing::warn!(name, ?ports, "the bridge stays, since somebody has a port on it");
        return Ok(());
    }
    let argv = ["ip", "link", "del", "dev", name].map(str::to_owned).to_vec();
    run_to_end(&Command { argv, ..Command::default() }).await
}

#[cfg(test)]
mod test {
    use super::remove;
    use crate::apply::step::Ground;
    use crate::host::tree::lay_out;
    use crate::unit::Mac;

    /// No bridge of the test machine has these names, so that `ip`, were it run, would fail.
    #[tokio::test]
    async fn what_somebody_else_made_or_uses_is_left_alone() {
        let (ours, theirs) = (format!("{}\n", Mac::of_bridge("vmrun-x")), "52:54:00:00:00:09\n".to_owned());
        for (address, port, left) in [(&ours, true, true), (&theirs, false, true), (&ours, false, false)] {
            let mut files = vec![
                ("/sys/class/net/vmrun-x/address", address.as_str()),
                ("/sys/class/net/vmrun-x/bridge/stp_state", "0\n"),
            ];
            files.extend(port.then_some(("/sys/class/net/vmrun-x/brif/tap0/state", "3\n")));
            let tree = lay_out(&files);
            let done = remove(&Ground::real(tree.root.clone()), "vmrun-x", Mac::of_bridge("vmrun-x")).await;
            assert_eq!(done.is_ok(), left, "{address} {port}: {done:?}");
        }
        let tree = lay_out(&[]);
        assert!(remove(&Ground::real(tree.root.clone()), "vmrun-x", Mac::of_bridge("vmrun-x")).await.is_ok());
    }
}
