//! `vmrun qmp`, `vmrun hmp`: QEMU's monitor.

use super::{Refused, for_guest, run_dir};
use crate::cli::Exit;
use crate::cli::args::{Hmp, Qmp};
use crate::cli::output::{Output, Weight};
use crate::supervise::{Ask, ask, qmp_user_socket};
use crate::unit::GuestName;
use serde_json::{Map, Value, json};
use std::io;
use std::path::Path;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, stdin, stdout};
use tokio::net::UnixStream;

/// Has QEMU carry out one command, or connects standard input and output with its monitor.
pub(in crate::cli) fn qmp(Qmp { name, command }: &Qmp, output: Output) -> Exit {
    let Some(command) = command else { return for_guest(name, output, talk(&run_dir(name))) };
    match parsed(command) {
        Ok((execute, arguments)) => for_guest(name, output, one(name, execute, arguments, output)),
        Err(why) => {
            output.say(Weight::Error, &format!("{name}: {why}"));
            Exit::Usage
        }
    }
}

/// A command as QMP has it, or its bare name.
fn parsed(text: &str) -> Result<(String, Map<String, Value>), String> {
    if !text.trim_start().starts_with('{') {
        return Ok((text.trim().to_owned(), Map::new()));
    }
    let mut command: Map<String, Value> =
        serde_json::from_str(text).map_err(|error| format!("this is no QMP command: {error}"))?;
    let execute = command.remove("execute").and_then(|name| name.as_str().map(str::to_owned));
    let execute = execute.ok_or("a QMP command has the form {\"execute\": \"query-status\", \"arguments\": {…}}")?;
    match command.remove("arguments") {
        None => Ok((execute, Map::new())),
        Some(Value::Object(arguments)) => Ok((execute, arguments)),
        Some(_) => Err("the arguments of a QMP command are an object".into()),
    }
}

async fn one(
    name: &GuestName,
    execute: String,
    arguments: Map<String, Value>,
    output: Output,
) -> Result<Exit, Refused> {
    let answer = ask(&run_dir(name), &Ask::Qmp { execute, arguments }).await?;
    Ok(output.answer_json(&answer, Exit::Good))
}

/// Bytes to and from the monitor, greeting and all, until one end closes.
async fn talk(dir: &Path) -> Result<Exit, Refused> {
    let mut stream = UnixStream::connect(qmp_user_socket(dir)).await?;
    let (mut from, mut to) = stream.split();
    let typed = async {
        let mut bytes = [0; 4096];
        let mut input = stdin();
        loop {
            match input.read(&mut bytes).await? {
                // What was asked still has its answer.
                0 => return to.shutdown().await,
                count => to.write_all(&bytes[..count]).await?,
            }
        }
    };
    let mut screen = stdout();
    let said = copy(&mut from, &mut screen);
    tokio::pin!(typed, said);
    let done = tokio::select! {
        typed = &mut typed => match typed {
            Ok(()) => said.await.map(drop),
            failed => failed,
        },
        said = &mut said => said.map(drop),
    };
    done.or_else(left)?;
    Ok(Exit::Good)
}

/// A reader that has left, like `head`, has what it wanted.
fn left(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::BrokenPipe { Ok(()) } else { Err(error) }
}

/// Has QEMU carry out a command of its monitor for people.
pub(in crate::cli) fn hmp(Hmp { name, line }: &Hmp, output: Output) -> Exit {
    let work = async {
        let arguments = [("command-line".to_owned(), json!(line.join(" ")))].into_iter().collect();
        let ask_hmp = Ask::Qmp { execute: "human-monitor-command".into(), arguments };
        let answer = ask(&run_dir(name), &ask_hmp).await?;
        if output.json {
            return Ok(output.answer_json(&answer, Exit::Good));
        }
        Ok::<_, Refused>(output.answer(&answer.as_str().unwrap_or_default().replace('\r', ""), Exit::Good))
    };
    for_guest(name, output, work)
}

#[cfg(test)]
mod test {
    use super::parsed;

    #[test]
    fn a_command_is_qmps_own_or_a_bare_name() {
        assert_eq!(parsed("query-status").unwrap().0, "query-status");
        let (name, arguments) = parsed("{\"execute\":\"eject\",\"arguments\":{\"id\":\"drive0\"}}").unwrap();
        assert_eq!((name.as_str(), arguments["id"].as_str()), ("eject", Some("drive0")));
        assert!(parsed("{\"run\":\"x\"}").is_err() && parsed("{").is_err());
    }
}
