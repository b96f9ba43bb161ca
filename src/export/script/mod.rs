//! `--to script`: a shell script that starts the guest without vmrun.
//!
//! It is the plan, read aloud to a shell: what is changed and how it is put back, who runs beside QEMU, QEMU's own
//! command line, and where its threads run. QEMU's monitor is a pair of named pipes, which a shell can read and write, so
//! threads are placed by the numbers that QEMU tells, before the guest's first instruction.

mod boot;
mod ending;
mod host;
mod library;
mod life;
mod quote;
mod room;
mod sheet;
mod start;
mod step;
mod words;

use super::{Export, From, Gap};
use crate::plan::{Contents, OnHostShutdown, OnHostSleep, Point, Start};
use crate::unit::Carried;
use quote::word;
use sheet::Sheet;
use std::fmt::Write as _;
use words::{prepare, sockets};

/// The script, and what it does not do.
#[must_use]
pub fn script(contents: &Contents, from: &From) -> Export {
    let mut gaps = Vec::new();
    let prepared = prepare(contents);
    let mut before = Sheet::default();
    host::folder(contents, &mut before);
    life::hooks(contents, Point::Pre, &mut before);
    host::files(contents, &mut before);
    life::services(contents, Start::Before, &mut before, &mut gaps);
    host::changes(contents, &prepared, &mut before);
    life::hooks(contents, Point::Prepared, &mut before);
    // Of one sheet, so that what is owed has one row of numbers.
    let prologue = std::mem::take(&mut before.body);
    boot::boot(contents, &mut before);
    life::services(contents, Start::After, &mut before, &mut gaps);
    life::hooks(contents, Point::Running, &mut before);
    let running = std::mem::take(&mut before.body);
    missing(contents, &mut gaps);
    gaps.extend(prepared.gaps.iter().cloned());

    let mut rest = String::new();
    ending::ending(contents, &before, &mut rest);
    start::start(contents, &prepared, &mut rest);
    if !prologue.is_empty() {
        _ = write!(rest, "\n{prologue}");
    }
    start::main(contents, &running, &mut rest);
    let mut text = head(contents, from, &gaps);
    text.push_str(&library::used_by(&rest));
    text.push_str(rest.trim_start_matches('\n'));
    if let Some(profile) = &from.text {
        text.push('\n');
        text = Carried::put(&text, profile);
    }
    Export { text, gaps }
}

/// What the script is, and the variables that its functions share.
fn head(contents: &Contents, from: &From, gaps: &[Gap]) -> String {
    let mut text = format!(
        "#!/bin/sh\n\
         # Starts the guest {name} without vmrun, until it ends; made by `vmrun export --to script` of vmrun {version}\n\
         # from {profile}\n\
         #\n\
         # What it changes on the host it puts back: when the guest ends, when the start fails, and after Ctrl-C or\n\
         # SIGTERM, which press the guest's power button. After SIGKILL, or a power cut, nobody puts anything back. It\n\
         # knows the host as it was when it was made: export again when cards, cores or addresses have changed. What the\n\
         # guest sets its clock to is not kept for the next start.\n\
         # Exit status: QEMU's; 1 it did not start; 40 a hook after the end failed; 41 something is not put back; 130 it\n\
         # was told to end before the guest ran.\n",
        name = contents.name,
        version = env!("CARGO_PKG_VERSION"),
        profile = from.profile.replace('\n', " "),
    );
    if !gaps.is_empty() {
        text.push_str("#\n# What vmrun does and this does not:\n");
        for Gap { at, what } in gaps {
            let at = if at.is_empty() { String::new() } else { format!("{at}: ") };
            _ = writeln!(text, "# - {at}{}", what.replace('\n', " "));
        }
    }
    text.push_str(
        "#\n# Words of the profile are not for this shell; what a trap calls is called.\n\
         # shellcheck disable=SC2016,SC2317,SC2329\nset -u\n\n",
    );
    _ = writeln!(text, "name={}", word(contents.name.as_str()));
    _ = writeln!(text, "run={}", word(&contents.run_dir.to_string_lossy()));
    _ = writeln!(text, "monitor={}", word(&sockets(contents).join("qmp").to_string_lossy()));
    text.push_str("qemu='' owed='' asked='' busy='' stopping='' running='' killer='' late=''\n");
    if contents.services.iter().any(life::is_companion) {
        text.push_str("companions=''\n");
    }
    if contents.fallback.is_some() {
        text.push_str("fallback=''\n");
    }
    text.push('\n');
    if let Some(folder) = &from.folder {
        _ = writeln!(text, "cd {} || exit 1", word(&folder.to_string_lossy()));
    }
    text.push_str("export VMRUN_NAME=\"$name\" VMRUN_RUN_DIR=\"$run\"\n\n");
    text
}

/// What only vmrun does.
fn missing(contents: &Contents, gaps: &mut Vec<Gap>) {
    if contents.pins.core_scheduling {
        gaps.push(Gap::new(
            "cpu.pinning.core_scheduling",
            "strangers may run on the sibling threads of the guest's cores; `coresched new` of util-linux 2.40 keeps them off",
        ));
    }
    if contents.session.is_some() {
        gaps.push(Gap::new("display", "the window opens on the display of the shell that this is started from"));
    }
    if contents.on_host_sleep() != OnHostSleep::Ignore {
        let what = "nobody hears that the host goes to sleep; `systemd-inhibit --what=sleep sh SCRIPT` keeps it awake";
        gaps.push(Gap::new("on.host_sleep", what));
    }
    if contents.host_shutdown != OnHostShutdown::Stop {
        let what = "the host's shutdown sends SIGTERM, which presses the guest's power button";
        gaps.push(Gap::new("on.host_shutdown", what));
    }
    if contents.dead_boot.is_some() {
        gaps.push(Gap::new("on.dead_boot", "a guest that shows no sign of life is left as it is"));
    }
    if contents.panic_key.is_some() {
        gaps.push(Gap::new("on.panic_key", "no keys of the host stop the guest"));
    }
    for hook in contents.hooks.iter().filter(|hook| hook.at == Point::Reconnect) {
        gaps.push(Gap::new(
            &hook.key,
            "nobody takes the guest over when the script is killed, so this hook never runs",
        ));
    }
}
