//! Handing a device node to another user.

use super::Ground;
use crate::apply::ApplyError;
use crate::process::{Launch, run};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

/// The socket of the daemon that gives nodes their owners.
const UDEV: &str = "/run/udev/control";

/// How long udev may take with what it has to do already.
const PATIENCE: Duration = Duration::from_secs(10);

/// Gives the node at `path` to `uid`. One that is gone has no owner any more; one that somebody else gave away meanwhile
/// is left to them.
pub(super) async fn own(ground: &Ground, path: &str, was: u32, uid: u32) -> Result<(), ApplyError> {
    settle(ground).await;
    let Some((node, found)) = owner(ground, path) else { return Ok(()) };
    if found == uid {
        return Ok(());
    }
    if found != was {
        tracing::warn!(path, found, "its owner is another one by now, and stays");
        return Ok(());
    }
    std::os::unix::fs::chown(&node, Some(uid), None).map_err(ApplyError::io("change the owner of", node))
}

/// Who owns the node at `path` now; `None` when there is none.
pub(in crate::apply) fn owner(ground: &Ground, path: &str) -> Option<(PathBuf, u32)> {
    let node = ground.root.resolve(node(ground, path)?);
    let meta = std::fs::metadata(&node).ok()?;
    Some((node, meta.uid()))
}

/// The node that `path` stands for: of a PCI function it is called after what its folder `vfio-dev` holds. Linux:
/// `Documentation/ABI/testing/sysfs-devices-vfio-dev`.
fn node(ground: &Ground, path: &str) -> Option<String> {
    if !path.ends_with("/vfio-dev") {
        return Some(path.to_owned());
    }
    ground.root.names(path).first().map(|name| format!("/dev/vfio/devices/{name}"))
}

/// Lets udev finish: it gives a node that was just made to its owner by its rules, and must not do so after us. Nothing
/// depends on its being there.
async fn settle(ground: &Ground) {
    if !ground.root.exists(UDEV) {
        return;
    }
    let argv = ["udevadm", "settle", "--timeout=10"].map(str::to_owned).to_vec();
    let launch = Launch { argv, timeout: Some(PATIENCE), ..Launch::default() };
    if let Err(error) = run(&launch, &mut |_| {}).await {
        tracing::debug!(%error, "udev cannot be waited for");
    }
}
