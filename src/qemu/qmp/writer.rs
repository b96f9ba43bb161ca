//! Writes the commands, apart from those who give them, so that a dropped one never leaves half a line behind.

use std::convert::Infallible;
use std::future::pending;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::mpsc;

/// Writes line after line; it is the reading end that notices when the connection is gone.
pub(super) async fn run(mut output: OwnedWriteHalf, mut lines: mpsc::UnboundedReceiver<Vec<u8>>) -> Infallible {
    while let Some(line) = lines.recv().await {
        if let Err(error) = output.write_all(&line).await {
            tracing::debug!(%error, "monitor connection takes no more");
            break;
        }
    }
    pending().await
}
