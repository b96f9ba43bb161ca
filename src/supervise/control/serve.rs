//! One client of the control socket.

use super::desk::Plug;
use super::protocol::{Ask, Refusal, answer, read};
use super::{Desk, Wish};
use crate::supervise::chronicle::END;
use serde_json::{Value, json};
use std::io;
use std::rc::Rc;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;

/// Longest request in bytes; none needs as much.
const LONGEST: u64 = 1 << 20;

type Reader = BufReader<OwnedReadHalf>;

/// Serves `client` until it leaves or asks for something that takes the connection for itself.
pub(super) async fn serve(client: UnixStream, desk: Rc<Desk>, wishes: mpsc::UnboundedSender<Wish>) {
    let (read, write) = client.into_split();
    // A client that left has what it wanted.
    if let Err(error) = talk(BufReader::new(read), write, &desk, &wishes).await {
        tracing::debug!(%error, "a client of the control socket left");
    }
}

async fn talk(
    mut input: Reader,
    mut output: OwnedWriteHalf,
    desk: &Desk,
    wishes: &mpsc::UnboundedSender<Wish>,
) -> io::Result<()> {
    loop {
        let mut line = String::new();
        if (&mut input).take(LONGEST).read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let ask = read(&line);
        // What a client follows has no end of its own.
        let _open = (!matches!(ask, Ok(Ask::Events {} | Ask::Console {}))).then(|| desk.open());
        let result = match ask {
            Ok(Ask::Events {}) => return events(input, output, desk).await,
            Ok(Ask::Console {}) if desk.console.is_there() => return console(input, output, desk).await,
            Ok(Ask::Console {}) => Err(Refusal::ours(
                "the guest has no serial port that vmrun holds; its profile wants  [[serial]]  to = \"console\"",
            )),
            Ok(Ask::Status {}) => status(desk).await,
            Ok(Ask::Stop { force }) => {
                // The loop that receives lives as long as this task.
                let _ = wishes.send(Wish::Stop { force });
                status(desk).await
            }
            Ok(Ask::Qmp { execute, arguments }) => desk.execute(&execute, Value::Object(arguments)).await,
            Ok(Ask::PciAttach(gift)) => desk.plug(Plug::In(gift)).await,
            Ok(Ask::PciDetach { devices }) => desk.plug(Plug::Out(devices)).await,
            Err(why) => Err(Refusal::ours(why)),
        };
        output.write_all(answer(&result).as_bytes()).await?;
    }
}

async fn status(desk: &Desk) -> Result<Value, Refusal> {
    serde_json::to_value(desk.status().await).map_err(|error| Refusal::ours(error.to_string()))
}

/// Events until the client leaves, or falls behind.
async fn events(mut input: Reader, mut output: OwnedWriteHalf, desk: &Desk) -> io::Result<()> {
    let mut events = desk.chronicle.follow();
    output.write_all(answer(&Ok(json!({}))).as_bytes()).await?;
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Ok(line) if *line == *END => return Ok(()),
                Ok(line) => output.write_all(line.as_bytes()).await?,
                Err(RecvError::Lagged(_) | RecvError::Closed) => return Ok(()),
            },
            _ = gone(&mut input) => return Ok(()),
        }
    }
}

/// Bytes to and from the serial port until the client leaves.
async fn console(mut input: Reader, mut output: OwnedWriteHalf, desk: &Desk) -> io::Result<()> {
    let (before, mut said) = desk.console.listen();
    let keys = desk.console.keys();
    output.write_all(answer(&Ok(json!({}))).as_bytes()).await?;
    output.write_all(&before).await?;
    let write = async {
        loop {
            match said.recv().await {
                Ok(bytes) => output.write_all(&bytes).await?,
                // What was missed is gone; what comes is worth more than nothing.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Ok(()),
            }
        }
    };
    let read = async {
        loop {
            let bytes = input.fill_buf().await?.to_vec();
            if bytes.is_empty() {
                return Ok(());
            }
            input.consume(bytes.len());
            // A guest that reads nothing keeps its client waiting, not vmrun.
            if keys.send(bytes).await.is_err() {
                return Ok(());
            }
        }
    };
    tokio::select! { done = write => done, done = read => done }
}

/// Waits until the client closes; what it still says is not heard.
async fn gone(input: &mut Reader) -> io::Result<()> {
    loop {
        let count = input.fill_buf().await?.len();
        if count == 0 {
            return Ok(());
        }
        input.consume(count);
    }
}
