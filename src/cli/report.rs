//! `vmrun report`: all that somebody who helps wants to know, in one text that tells nothing about who you are.

use super::args::Report;
use super::load::{Loaded, Rejected};
use super::output::{Output, Weight};
use super::render::{PlanJson, doctor as page};
use super::{Exit, guest, lately, refuse};
use crate::doctor::mask::{Private, masked};
use crate::doctor::{self, Subject};
use crate::host::{Area, Boot, Host, Root, Wants};
use crate::plan::{Class, Contents, Problem};
use crate::supervise::latest_run;
use nix::unistd::gethostname;
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Bytes of a log that are taken, from its end.
const LOG: usize = 64 << 10;

/// Writes the report; without a profile it is about the machine alone.
pub(super) fn run(args: &Report, output: Output) -> Exit {
    let root = Root::default();
    let host = Host::read(&root, &Wants::of(Area::ALL));
    let mut text = format!("vmrun {}\n", env!("CARGO_PKG_VERSION"));
    let mut private = private(&host);
    let planned = match &args.profile {
        None => None,
        Some(path) => match of_profile(path, args, &mut text, &mut private) {
            Ok(contents) => Some(contents),
            Err(rejected) => return rejected.tell(output),
        },
    };
    let owed: Vec<_> = guest::owed_names().iter().map(ToString::to_string).collect();
    let boot = Boot::configuration(&root);
    let machine = Subject { host: &host, boot: &boot, owed: &owed, passed: None, pinned: None };
    section(&mut text, "vmrun check", &told(&machine));
    if let Some(contents) = planned {
        let (passed, pinned) = (contents.argv.host_functions(), contents.pins.guest());
        let host = doctor::as_planned(&host, &contents);
        let pinned = Some(&pinned).filter(|cpus| !cpus.is_empty());
        let guest = Subject { host: &host, boot: &boot, owed: &owed, passed: Some(&passed), pinned };
        section(&mut text, "vmrun check PROFILE: the devices", &told(&guest));
    }
    section(&mut text, "vmrun host --dump", &serde_json::to_string_pretty(&host).unwrap_or_default());
    deliver(args, &masked(&text, &private), output)
}

/// All findings, without colours.
fn told(subject: &Subject<'_>) -> String {
    anstream::adapter::strip_str(&page::page(&doctor::examine(subject), true, 100)).to_string()
}

/// The profile, its plan, and what its last run left; returns what is planned.
fn of_profile(path: &Path, args: &Report, text: &mut String, private: &mut Private) -> Result<Contents, Rejected> {
    let loaded = Loaded::read(path, &args.layers)?;
    let planned = loaded.plan_here();
    let plan = PlanJson(planned.contents()).value();
    private.serials.extend(serials(&plan.to_string()));
    let source = fs::read_to_string(path).unwrap_or_default();
    private.serials.extend(serials(&source));
    section(text, "profile", &source);
    let findings = super::render::finding::json(&loaded.sheets, &planned.findings, planned.exit());
    section(text, "problems and warnings", &format!("{findings:#}"));
    section(text, "plan", &format!("{plan:#}"));
    let state = loaded.setting.state_dir.join(loaded.profile.name().as_str());
    if let Some(good) = lately::last_good(&state) {
        let now = lately::surroundings(planned.contents(), &planned.host, &Root::default());
        let changes = serde_json::to_string_pretty(&good.changes(&now)).unwrap_or_default();
        section(text, &format!("changed since it last worked, {}", good.when), &changes);
    }
    section(text, "last end", &fs::read_to_string(state.join("last-exit.json")).unwrap_or_default());
    let Some(run) = latest_run(&state) else { return Ok(planned.contents().clone()) };
    let mut files: Vec<_> = fs::read_dir(&run).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    files.sort();
    for file in files.iter().filter(|file| file.extension().is_some_and(|it| it == "log" || it == "jsonl")) {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let bytes = fs::read(file).unwrap_or_default();
        section(text, &name, &String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(LOG)..]));
    }
    Ok(planned.contents().clone())
}

fn section(text: &mut String, title: &str, body: &str) {
    _ = write!(text, "\n==== {title} ====\n{}\n", body.trim_end());
}

/// Names of people and machines, and the serial numbers of what is plugged in.
fn private(host: &Host) -> Private {
    const NOBODY: u32 = 65534;
    let is_person = |uid: u32| uid >= 1000 && uid != NOBODY;
    let users = host.users.iter().filter(|user| is_person(user.uid)).map(|user| user.name.clone());
    let name = gethostname().ok().and_then(|name| name.into_string().ok());
    let short = name.as_ref().and_then(|name| Some(name.split_once('.')?.0.to_owned()));
    Private {
        users: users.collect(),
        hosts: name.into_iter().chain(short).collect(),
        serials: host.usb.iter().filter_map(|device| device.serial.clone()).collect(),
    }
}

/// What stands behind `serial` in a command line, a profile or JSON.
fn serials(text: &str) -> Vec<String> {
    let after = text.split("serial").skip(1);
    let value = |rest: &str| {
        let rest = rest.trim_start_matches(['"', '\\', ' ', '=', ':']);
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).unwrap_or(rest.len());
        (end >= 4).then(|| rest[..end].to_owned())
    };
    // `serial0` and the like are names of ports.
    after.filter(|rest| rest.starts_with(['"', '\\', ' ', '=', ':'])).filter_map(value).collect()
}

/// Writes the file, or standard output for `-`.
fn deliver(args: &Report, text: &str, output: Output) -> Exit {
    if args.output.as_deref() == Some(Path::new("-")) {
        return output.answer_text(text, Exit::Good);
    }
    match written(args.output.as_deref(), args.force, text) {
        Ok(path) => {
            let shown = path.display();
            let said = format!(
                "{shown}: names, serial numbers, MAC addresses and UUIDs are masked; read it before you share it"
            );
            output.say(Weight::Info, &said);
            Exit::Good
        }
        Err((path, error)) => {
            let shown = path.display();
            let problem = match error.kind() {
                ErrorKind::AlreadyExists => {
                    Problem::new(Class::Invalid, "", format!("{shown} is there already, and is not written over"))
                        .fix("name another file, or add --force; without --output a new name is found")
                }
                _ => Problem::new(Class::Denied, "", format!("{shown} cannot be written: {error}"))
                    .fix("name another file: --output FILE; - is standard output"),
            };
            refuse::refuse(&[problem], output)
        }
    }
}

/// Writes `text` to the file that is `named`, over what is there with `force`, else to a new one; returns its path.
fn written(named: Option<&Path>, force: bool, text: &str) -> Result<PathBuf, (PathBuf, io::Error)> {
    let write = |path: &Path| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(text.as_bytes())
    };
    if let Some(path) = named {
        let removed = if force { fs::remove_file(path) } else { Ok(()) };
        let removed = removed.or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) });
        return removed.and_then(|()| write(path)).map(|()| path.to_owned()).map_err(|error| (path.to_owned(), error));
    }
    let mut number = 1_u32;
    loop {
        let path = PathBuf::from(match number {
            1 => "vmrun-report.txt".to_owned(),
            number => format!("vmrun-report-{number}.txt"),
        });
        match write(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err((path, error)),
            Ok(()) => return Ok(path),
        }
    }
}
