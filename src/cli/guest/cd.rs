//! `vmrun cd`: discs in the guest's CD-ROM drives.

use super::{Refused, done, for_guest, run_dir};
use crate::cli::Exit;
use crate::cli::args::{Cd, CdCommand};
use crate::cli::output::Output;
use crate::supervise::{Ask, Client};
use crate::unit::GuestName;
use serde_json::{Map, Value, json};
use std::path::{Path, absolute};

/// Puts a disc in, or takes it out.
pub(in crate::cli) fn cd(Cd { command }: &Cd, output: Output) -> Exit {
    match command {
        CdCommand::Insert { name, file, drive } => {
            for_guest(name, output, insert(name, file, drive.as_deref(), output))
        }
        CdCommand::Eject { name, drive, force } => {
            for_guest(name, output, eject(name, drive.as_deref(), *force, output))
        }
    }
}

async fn insert(name: &GuestName, file: &Path, drive: Option<&str>, output: Output) -> Result<Exit, Refused> {
    let file = absolute(file)?;
    if !file.exists() {
        return Err(Refused::Said(format!("there is no {}", file.display())));
    }
    let mut client = Client::connect(&run_dir(name)).await?;
    let drive = chosen(&mut client, drive).await?;
    let arguments = json!({ "id": drive, "filename": file, "format": "raw", "read-only-mode": "read-only" });
    qmp(&mut client, "blockdev-change-medium", arguments).await?;
    Ok(done(name, &format!("{} is in drive {drive}", file.display()), output))
}

async fn eject(name: &GuestName, drive: Option<&str>, force: bool, output: Output) -> Result<Exit, Refused> {
    let mut client = Client::connect(&run_dir(name)).await?;
    let drive = chosen(&mut client, drive).await?;
    match qmp(&mut client, "eject", json!({ "id": drive, "force": force })).await {
        Err(Refused::Said(why)) if !force && why.contains("locked") => {
            let what = format!("the guest holds the disc, and was asked to let go of it ({why})");
            Err(Refused::unless(what, format!("vmrun cd eject {name} --force   # takes it all the same")))
        }
        Err(other) => Err(other),
        Ok(_) => Ok(done(name, &format!("drive {drive} is empty"), output)),
    }
}

/// The drive that is meant, by its id.
async fn chosen(client: &mut Client, drive: Option<&str>) -> Result<String, Refused> {
    let blocks = qmp(client, "query-block", json!({})).await?;
    let removable = blocks.as_array().into_iter().flatten().filter(|block| block["removable"] == true);
    let drives: Vec<_> = removable.filter_map(|block| block["qdev"].as_str()).collect();
    match (drive, &drives[..]) {
        (Some(drive), _) if drives.contains(&drive) => Ok(drive.to_owned()),
        (None, [only]) => Ok((*only).to_owned()),
        (_, []) => Err(Refused::unless("it has no CD-ROM drive", "in its profile:\n[[disk]]\ncdrom = true")),
        (Some(drive), _) => {
            Err(Refused::unless(format!("it has no drive {drive}"), format!("name one of {}", drives.join(", "))))
        }
        (None, _) => {
            Err(Refused::unless("it has several drives", format!("name one: --drive {}", drives.join(" or --drive "))))
        }
    }
}

async fn qmp(client: &mut Client, execute: &str, arguments: Value) -> Result<Value, Refused> {
    let arguments = match arguments {
        Value::Object(arguments) => arguments,
        _ => Map::new(),
    };
    Ok(client.ask(&Ask::Qmp { execute: execute.to_owned(), arguments }).await?)
}
