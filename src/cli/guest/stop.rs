//! `vmrun stop`: the guest's power button, or its plug.

use super::{Refused, done, for_guest, run_dir};
use crate::apply::{Standing, standing, unsupervised};
use crate::cli::Exit;
use crate::cli::args::Stop;
use crate::cli::output::{Output, Weight};
use crate::supervise::{Ask, Client};
use crate::unit::GuestName;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;
use tokio::time::timeout;

/// How long the kernel may take to free the locks of a vmrun that is gone.
const LOCKS: Duration = Duration::from_secs(2);

/// Ends a guest and waits until the host is put back.
pub(in crate::cli) fn stop(args: &Stop, output: Output) -> Exit {
    for_guest(&args.name, output, ended(args, output))
}

async fn ended(Stop { name, force, timeout: limit }: &Stop, output: Output) -> Result<Exit, Refused> {
    let dir = run_dir(name);
    let mut client = Client::connect(&dir).await?;
    asked(&mut client, *force && limit.is_none(), &dir).await?;
    let Some(limit) = limit else {
        client.gone().await;
        return after(&dir).await.map(|()| Exit::Good);
    };
    if timeout(limit.get(), client.gone()).await.is_ok() {
        return after(&dir).await.map(|()| Exit::Good);
    }
    if !force {
        return Ok(still_there(name, limit.get(), output));
    }
    // The first connection waits for the end, and cannot ask any more.
    match Client::connect(&dir).await {
        Ok(mut client) => {
            asked(&mut client, true, &dir).await?;
            client.gone().await;
            after(&dir).await?;
            Ok(done(name, "it did not power off in time, and was forced off", output))
        }
        // Gone at the last moment.
        Err(_) => after(&dir).await.map(|()| Exit::Good),
    }
}

/// Whether the guest has ended, and not its vmrun alone.
async fn after(dir: &Path) -> Result<(), Refused> {
    // Over which somebody may have started it again.
    let _ = timeout(LOCKS, unsupervised(dir)).await;
    match standing(dir) {
        Standing::Orphan | Standing::Owed => Err(Refused::Away),
        Standing::Running | Standing::Stopped | Standing::Foreign => Ok(()),
    }
}

/// Asks for the end. A guest may end by itself at that very moment, and its vmrun with it, before that could answer; then
/// it did what is asked.
async fn asked(client: &mut Client, force: bool, dir: &Path) -> Result<(), Refused> {
    let Err(error) = client.ask(&Ask::Stop { force }).await else { return Ok(()) };
    let ended = matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof);
    if ended { after(dir).await } else { Err(error.into()) }
}

fn still_there(name: &GuestName, limit: Duration, output: Output) -> Exit {
    let limit = humantime::format_duration(limit);
    let text = format!("{name}: after {limit} it has not ended; `vmrun stop --force {name}` forces it off");
    output.say(Weight::Warning, &text);
    Exit::InTransition
}
