//! The control socket of a guest: one request, one answer, each a line of JSON.
//!
//! It is served beside everything else, so a hook may call vmrun while vmrun waits for the hook.

use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::rc::Rc;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;

/// Name of the socket in the run folder.
const SOCKET: &str = "control.sock";
/// Longest request in bytes.
const LONGEST: u64 = 4096;

/// What a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case", deny_unknown_fields)]
pub enum Ask {
    /// How the guest is.
    Status,
    /// Its end. The answer comes at once, the connection closes when the host is put back.
    Stop {
        /// Without asking the guest.
        force: bool,
    },
}

/// How a guest is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Its name.
    pub name: String,
    /// Its state, in the words of [`super::State`].
    pub state: String,
    /// Process id of its supervisor.
    pub supervisor: u32,
    /// Process id of QEMU, once it runs.
    pub qemu: Option<u32>,
    /// Seconds since 1970 when vmrun was started for it.
    pub since: u64,
}

/// The listening socket, and what its clients get to know and to say.
pub(super) struct Control {
    listener: UnixListener,
    status: Rc<RefCell<Status>>,
    stops: mpsc::UnboundedSender<bool>,
    asked: mpsc::UnboundedReceiver<bool>,
}

impl Control {
    /// Listens in the run folder `dir`.
    ///
    /// # Errors
    /// When the socket cannot be made.
    pub(super) fn listen(dir: &Path, status: Status) -> io::Result<Self> {
        let path = dir.join(SOCKET);
        let listener = UnixListener::bind(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        let (stops, asked) = mpsc::unbounded_channel();
        Ok(Self { listener, status: Rc::new(RefCell::new(status)), stops, asked })
    }

    /// Lets clients know of a new state.
    pub(super) fn tell(&self, change: impl FnOnce(&mut Status)) {
        change(&mut self.status.borrow_mut());
    }

    /// Serves clients until one of them asks for an end; says whether by force. Cancel-safe.
    pub(super) async fn next_stop(&mut self) -> bool {
        loop {
            tokio::select! {
                Some(force) = self.asked.recv() => return force,
                Ok((client, _)) = self.listener.accept() => {
                    tokio::task::spawn_local(serve(client, Rc::clone(&self.status), self.stops.clone()));
                }
            }
        }
    }
}

async fn serve(client: UnixStream, status: Rc<RefCell<Status>>, stops: mpsc::UnboundedSender<bool>) {
    let (read, mut write) = client.into_split();
    let mut lines = BufReader::new(read.take(LONGEST)).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        lines.get_mut().get_mut().set_limit(LONGEST);
        let stop = match serde_json::from_str(&line) {
            Ok(Ask::Status) => None,
            Ok(Ask::Stop { force }) => Some(force),
            Err(error) => {
                let answer = serde_json::json!({ "error": format!("not understood: {error}") });
                if write.write_all(format!("{answer}\n").as_bytes()).await.is_err() {
                    return;
                }
                continue;
            }
        };
        if let Some(force) = stop {
            // The loop that receives lives as long as this task.
            let _ = stops.send(force);
        }
        let answer = serde_json::to_string(&*status.borrow()).unwrap_or_default();
        if write.write_all(format!("{answer}\n").as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Asks the supervisor of the guest in the run folder `dir`, and with `until_gone` waits for its end.
///
/// # Errors
/// When nobody listens there, or the answer is none.
pub async fn ask(dir: &Path, ask: Ask, until_gone: bool) -> io::Result<Status> {
    let mut client = BufReader::new(UnixStream::connect(dir.join(SOCKET)).await?);
    let question = serde_json::to_string(&ask)?;
    client.write_all(format!("{question}\n").as_bytes()).await?;
    let mut answer = String::new();
    client.read_line(&mut answer).await?;
    let status = serde_json::from_str(&answer)?;
    if until_gone {
        let mut rest = Vec::new();
        // A supervisor that ends resets the connection or closes it: both are the end.
        let _ = client.read_to_end(&mut rest).await;
    }
    Ok(status)
}

#[cfg(test)]
mod test {
    use super::{Ask, Control, Status, ask};
    use tokio::task::LocalSet;

    fn status() -> Status {
        Status { name: "Windows".into(), state: "running".into(), supervisor: 1, qemu: None, since: 0 }
    }

    #[tokio::test]
    async fn clients_are_answered_while_the_loop_waits_for_a_stop() {
        let dir = tempfile::tempdir().unwrap();
        let mut control = Control::listen(dir.path(), status()).unwrap();
        let clients = async {
            control_state(&dir, Ask::Status).await;
            control_state(&dir, Ask::Stop { force: true }).await;
            std::future::pending::<bool>().await
        };
        let forced = LocalSet::new()
            .run_until(async {
                tokio::select! { forced = control.next_stop() => forced, never = clients => never }
            })
            .await;
        assert!(forced);
    }

    async fn control_state(dir: &tempfile::TempDir, question: Ask) {
        assert_eq!(ask(dir.path(), question, false).await.unwrap(), status());
    }

    #[tokio::test]
    async fn a_guest_that_is_not_there_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        assert!(ask(dir.path(), Ask::Status, false).await.is_err());
    }
}
