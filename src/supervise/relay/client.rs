//! One client of the monitor.

use super::stream::Requests;
use crate::qemu::{Event, Qmp, QmpError};
use serde_json::{Map, Value, json};
use std::io;
use std::time::UNIX_EPOCH;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

/// Serves a client until it leaves, QEMU ends, or it falls behind with reading. QEMU: `docs/interop/qmp-spec`.
pub(super) async fn serve(stream: UnixStream, qmp: &Qmp, mut events: Receiver<Event>) -> io::Result<()> {
    let (input, mut output) = stream.into_split();
    let mut client = Client { input, requests: Requests::default(), negotiated: false };
    let mut greeting = json!({ "QMP": qmp.greeting().cloned().unwrap_or_default() });
    // Commands that overtake others cannot be relayed in order.
    greeting["QMP"]["capabilities"] = json!([]);
    line(&mut output, &greeting).await?;
    loop {
        let request = tokio::select! {
            biased;
            event = events.recv() => match event {
                Ok(event) if client.negotiated => { line(&mut output, &told(&event)).await?; continue }
                Ok(_) => continue,
                Err(RecvError::Lagged(_) | RecvError::Closed) => return Ok(()),
            },
            request = client.next() => match request? { Some(request) => request, None => return Ok(()) },
        };
        let negotiated = client.negotiated;
        let carried_out = client.carry_out(request, qmp);
        tokio::pin!(carried_out);
        let reply = loop {
            tokio::select! {
                biased;
                event = events.recv() => match event {
                    Ok(event) if negotiated => line(&mut output, &told(&event)).await?,
                    Ok(_) => {}
                    Err(RecvError::Lagged(_) | RecvError::Closed) => return Ok(()),
                },
                reply = &mut carried_out => break reply,
            }
        };
        line(&mut output, &reply).await?;
    }
}

struct Client {
    input: OwnedReadHalf,
    requests: Requests,
    negotiated: bool,
}

impl Client {
    /// The next request; `None` when the client has left. Cancel-safe.
    async fn next(&mut self) -> io::Result<Option<Result<Value, String>>> {
        loop {
            if let Some(request) = self.requests.next() {
                return Ok(Some(request));
            }
            let mut bytes = [0; 16 << 10];
            match self.input.read(&mut bytes).await? {
                0 => return Ok(None),
                count => self.requests.push(&bytes[..count]),
            }
        }
    }

    async fn carry_out(&mut self, request: Result<Value, String>, qmp: &Qmp) -> Value {
        let mut request = match request {
            Ok(Value::Object(request)) => request,
            Ok(_) => return error(None, "GenericError", "QMP input must be a JSON object"),
            Err(why) => return error(None, "GenericError", &why),
        };
        let id = request.remove("id");
        let (command, arguments) = match read(request) {
            Ok(command) => command,
            Err(why) => return error(id, "GenericError", &why),
        };
        match (command.as_str(), self.negotiated) {
            ("qmp_capabilities", false) => {
                self.negotiated = true;
                reply(id, json!({ "return": {} }))
            }
            ("qmp_capabilities", true) => {
                error(id, "CommandNotFound", "Capabilities negotiation is already complete, command ignored")
            }
            (_, false) => error(id, "CommandNotFound", "Expecting capabilities negotiation with 'qmp_capabilities'"),
            (command, true) => match qmp.raw(command, &arguments).await {
                Ok(value) => reply(id, json!({ "return": value })),
                Err(QmpError::Refused { class, desc, .. }) => error(id, &class, &desc),
                Err(other) => error(id, "GenericError", &other.to_string()),
            },
        }
    }
}

fn read(mut request: Map<String, Value>) -> Result<(String, Value), String> {
    let command = match request.remove("execute") {
        Some(Value::String(command)) => command,
        Some(_) => return Err("QMP input member 'execute' must be a string".into()),
        None => return Err("QMP input lacks member 'execute'".into()),
    };
    let arguments = request.remove("arguments").unwrap_or_else(|| json!({}));
    match request.keys().next() {
        Some(unknown) => Err(format!("QMP input member '{unknown}' is unexpected")),
        None => Ok((command, arguments)),
    }
}

fn reply(id: Option<Value>, mut reply: Value) -> Value {
    if let Some(id) = id {
        reply["id"] = id;
    }
    reply
}

fn error(id: Option<Value>, class: &str, desc: &str) -> Value {
    reply(id, json!({ "error": { "class": class, "desc": desc } }))
}

/// An event as QEMU wrote it.
fn told(Event { name, data, at }: &Event) -> Value {
    let since = at.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let (seconds, microseconds) = since
        .map_or((-1, -1), |since| (i64::try_from(since.as_secs()).unwrap_or(-1), i64::from(since.subsec_micros())));
    let mut event = json!({ "timestamp": { "seconds": seconds, "microseconds": microseconds }, "event": name });
    if data.as_object().is_none_or(|data| !data.is_empty()) {
        event["data"] = data.clone();
    }
    event
}

async fn line(output: &mut OwnedWriteHalf, message: &Value) -> io::Result<()> {
    output.write_all(format!("{message}\r\n").as_bytes()).await
}
