//! The guest is told by its agent to suspend itself to memory. QEMU: `qga/qapi-schema.json`, `guest-suspend-ram`.

use std::io;
use std::path::Path;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::Notify;

/// Has the agent whose socket is at `path` suspend its guest, and waits until `asleep` says that it sleeps.
///
/// # Errors
/// When nobody listens there, or the agent refuses.
pub(super) async fn suspend(path: &Path, asleep: &Notify) -> io::Result<()> {
    let asleep = asleep.notified();
    let mut agent = UnixStream::connect(path).await?;
    agent.write_all(b"{\"execute\":\"guest-suspend-ram\"}\n").await?;
    tokio::select! {
        () = asleep => Ok(()),
        // It answers only to refuse.
        refused = answer(&mut agent) => Err(io::Error::other(refused?)),
    }
}

async fn answer(agent: &mut UnixStream) -> io::Result<String> {
    let mut bytes = Vec::new();
    while !bytes.contains(&b'\n') {
        if agent.read_buf(&mut bytes).await? == 0 {
            return Ok("the agent's socket is closed".into());
        }
    }
    Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
}

#[cfg(test)]
mod test {
    use super::suspend;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixListener;
    use tokio::sync::Notify;

    async fn asked(listener: &UnixListener) -> tokio::net::UnixStream {
        let (mut guest, _) = listener.accept().await.unwrap();
        let mut asked = [0; 64];
        let length = guest.read(&mut asked).await.unwrap();
        assert_eq!(&asked[..length], b"{\"execute\":\"guest-suspend-ram\"}\n");
        guest
    }

    #[tokio::test]
    async fn an_agent_that_suspends_its_guest_says_nothing_and_one_that_cannot_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let asleep = Notify::new();
        let suspends = async {
            let _guest = asked(&listener).await;
            asleep.notify_waiters();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            done = suspend(&path, &asleep) => done.unwrap(),
            () = suspends => {}
        }
        let refuses = async {
            let mut guest = asked(&listener).await;
            guest.write_all(b"{\"error\": {\"desc\": \"no\"}}\n").await.unwrap();
            guest
        };
        let (refused, _guest) = tokio::join!(suspend(&path, &asleep), refuses);
        assert!(refused.unwrap_err().to_string().contains("no"));
    }
}
