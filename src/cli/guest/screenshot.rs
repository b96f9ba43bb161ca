//! `vmrun screenshot`: what the guest's emulated display shows.

use super::{Refused, done, for_guest, run_dir};
use crate::cli::Exit;
use crate::cli::args::Screenshot;
use crate::cli::output::Output;
use crate::plan::SOCKETS;
use crate::supervise::{Ask, ask};
use nix::libc;
use serde_json::{Map, Value, json};
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Writes a picture of the guest's display to a file.
pub(in crate::cli) fn screenshot(Screenshot { name, file }: &Screenshot, output: Output) -> Exit {
    let work = async {
        let dir = run_dir(name);
        // QEMU may write in the run's folder, and need not be able to write elsewhere.
        let own = Some(dir.join(SOCKETS)).filter(|folder| folder.is_dir());
        let taken = own.unwrap_or_else(|| dir.clone()).join(format!("screenshot-{}", std::process::id()));
        let result = ask(&dir, &Ask::Qmp { execute: "screendump".into(), arguments: wanted(&taken, file) }).await;
        let copied = result.map_err(Refused::from).and_then(|_| copy(&taken, file));
        // Not there when QEMU took none.
        let _ = fs::remove_file(&taken);
        copied?;
        Ok::<_, Refused>(done(name, &format!("its display is in {}", file.display()), output))
    };
    for_guest(name, output, work)
}

fn copy(taken: &Path, file: &Path) -> Result<(), Refused> {
    let copied = picture(taken).and_then(|picture| fs::write(file, picture));
    copied.map_err(|error| Refused::Said(format!("cannot write {}: {error}", file.display())))
}

/// What QEMU wrote. A link is not followed: the folder may belong to another user, as whom QEMU runs.
fn picture(taken: &Path) -> io::Result<Vec<u8>> {
    let mut picture = Vec::new();
    fs::OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(taken)?.read_to_end(&mut picture)?;
    Ok(picture)
}

/// PNG where the name says so, else what QEMU has always written, PPM.
fn wanted(taken: &Path, file: &Path) -> Map<String, Value> {
    let mut arguments = Map::from_iter([("filename".to_owned(), json!(taken))]);
    if file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png")) {
        arguments.insert("format".into(), json!("png"));
    }
    arguments
}
