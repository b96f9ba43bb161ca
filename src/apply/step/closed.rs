//! Waiting until those who have a device open have let go of it.

use super::Ground;
use crate::apply::ApplyError;
use crate::host::{Host, PciHolder};
use crate::process::Closing;
use crate::unit::Bdf;
use std::time::Duration;
use tokio::time::timeout;

/// How long those may take whose desktop has ended. A driver waits for ever, and cannot be told to give up.
const LETTING_GO: Duration = Duration::from_secs(20);

/// Waits until nobody has `bdf` open for whom its driver would wait.
///
/// Each look follows something that happened: a node was closed, or a process ended.
pub(super) async fn closed(ground: &Ground, bdf: Bdf) -> Result<(), ApplyError> {
    let last = Host::holders(&ground.root, bdf);
    let nodes: Vec<_> = last.1.iter().map(|node| ground.root.resolve(node)).collect();
    let closing = Closing::watch(&nodes).map_err(ApplyError::io("watch the nodes of", bdf.to_string()))?;
    let all_gone = async {
        // Watched before they are looked at, so that who leaves meanwhile is told.
        loop {
            let holders = hindering(ground, bdf);
            if holders.is_empty() {
                return;
            }
            let pids: Vec<_> = holders.iter().map(|holder| holder.pid).collect();
            closing.any(&pids).await;
        }
    };
    if timeout(LETTING_GO, all_gone).await.is_ok() {
        return Ok(());
    }
    let holders = hindering(ground, bdf);
    let names: Vec<_> = holders.iter().map(|holder| format!("{} (process {})", holder.program, holder.pid)).collect();
    let seconds = LETTING_GO.as_secs();
    Err(ApplyError::Refused(format!("{bdf} is still in use by {}, {seconds} s after it was to end", names.join(", "))))
}

fn hindering(ground: &Ground, bdf: Bdf) -> Vec<PciHolder> {
    let (mut holders, _) = Host::holders(&ground.root, bdf);
    holders.retain(PciHolder::hinders);
    holders
}
