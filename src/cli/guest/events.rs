//! `vmrun events`: what happened to a guest, and what happens.

use super::shown::event;
use super::{Refused, for_guest, never_ran, run_dir, state_dir};
use crate::cli::Exit;
use crate::cli::args::Events;
use crate::cli::output::{Output, reader_left};
use crate::supervise::{Ask, Client, latest_run};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Shows the events of the newest run; with `--follow`, those to come as well.
pub(in crate::cli) fn events(Events { name, follow }: &Events, output: Output) -> Exit {
    let Some(dir) = latest_run(&state_dir(name)) else {
        return never_ran(name, output);
    };
    if !follow {
        return kept(&dir, output).1;
    }
    let work = async {
        // Before the file is read, so that nothing falls between.
        let mut client = Client::connect(&run_dir(name)).await?;
        client.ask(&Ask::Events {}).await?;
        let (mut last, _) = kept(&dir, output);
        while let Some(line) = client.line().await? {
            let Ok(event) = serde_json::from_str::<Value>(&line) else { continue };
            if event["n"].as_u64() > last {
                last = event["n"].as_u64();
                if show(&line, &event, output) != Exit::Good {
                    break;
                }
            }
        }
        Ok::<_, Refused>(Exit::Good)
    };
    // A reader that has left has what it wanted.
    for_guest(name, output, async {
        tokio::select! { done = work => done, () = reader_left() => Ok(Exit::Good) }
    })
}

/// Shows what is on disk; the number of the last event.
fn kept(dir: &Path, output: Output) -> (Option<u64>, Exit) {
    let (mut last, mut exit) = (None, Exit::Good);
    for file in ["events.jsonl.old", "events.jsonl"] {
        for line in fs::read_to_string(dir.join(file)).unwrap_or_default().lines() {
            let Ok(event) = serde_json::from_str::<Value>(line) else { continue };
            last = event["n"].as_u64().or(last);
            exit = show(line, &event, output);
        }
    }
    (last, exit)
}

fn show(line: &str, value: &Value, output: Output) -> Exit {
    let text = if output.json { line.trim_end().to_owned() } else { event(value) };
    output.answer(&format!("{text}\n"), Exit::Good)
}
