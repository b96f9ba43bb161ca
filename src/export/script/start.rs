//! How QEMU is started, and what is waited for until it ends.

use super::quote::{word, words as quoted};
use super::words::{Opened, Prepared, prepare};
use super::{life, room};
use crate::plan::{Contents, Home, OnReboot, Point, Room};
use std::fmt::Write as _;

/// How QEMU is started.
pub(super) fn start(contents: &Contents, prepared: &Prepared, text: &mut String) {
    text.push_str("trap put_back EXIT\ntrap stop INT TERM\n");
    text.push_str(if contents.ending.stop_on_hangup { "trap stop HUP\n" } else { "trap '' HUP\n" });
    text.push_str("\n# QEMU, with its guest paused; returns when its monitor answers.\nstart_qemu() {\n");
    text.push_str("    rm -f \"$monitor.in\" \"$monitor.out\"\n");
    text.push_str("    mkfifo -m 600 \"$monitor.in\" \"$monitor.out\" || die 'no pipes can be made'\n");
    if let Some(user) = &contents.user {
        _ = writeln!(text, "    chown {} \"$monitor.in\" \"$monitor.out\"", user.uid);
    }
    match &contents.fallback {
        Some(fallback) => {
            text.push_str("    if [ -z \"$fallback\" ]; then\n");
            arguments(&prepared.options, "        ", text);
            text.push_str("    else\n");
            arguments(&prepare(fallback).options, "        ", text);
            text.push_str("    fi\n");
        }
        None => arguments(&prepared.options, "    ", text),
    }
    prepared.sought.iter().for_each(|sought| text.push_str(&sought.lines()));
    text.push_str("    exec 3<>\"$monitor.in\"\n    hold\n    (\n");
    text.push_str("        # The end that QEMU writes to: it is closed, and known to be, when QEMU ends.\n");
    text.push_str("        exec 3>&- 9<>\"$monitor.out\"\n");
    for (number, opened) in &prepared.opened {
        _ = writeln!(text, "        {}", open(*number, opened));
    }
    if let Some(size) = contents.locked_memory {
        _ = writeln!(text, "        lockable {}", size.bytes());
    }
    if let Some(line) = room::enter(contents) {
        _ = writeln!(text, "        {line} || exit 1");
    }
    if let Some(group) = &contents.share {
        _ = writeln!(text, "        sh -c 'echo \"$PPID\"' >{} || exit 1", word(&format!("{group}/tasks")));
    }
    _ = writeln!(text, "        exec {}", program(contents));
    text.push_str("    ) </dev/null &\n    qemu=$!\n    heed\n    exec 9<\"$monitor.out\"\n");
    text.push_str("    export VMRUN_PID=\"$qemu\"\n");
    text.push_str("    qmp '{\"execute\": \"qmp_capabilities\"}' || die 'QEMU did not start'\n}\n");
}

/// QEMU's arguments, one option a line.
fn arguments(options: &[String], indent: &str, text: &mut String) {
    _ = writeln!(text, "{indent}set -- \\\n{indent}    {}", options.join(&format!(" \\\n{indent}    ")));
}

fn open(number: u32, opened: &Opened) -> String {
    match opened {
        Opened::File(path) => format!("exec {number}<>{} || exit 1", word(&path.to_string_lossy())),
        Opened::Macvtap(name) => {
            format!("exec {number}<>\"/dev/tap$(cat {})\" || exit 1", word(&format!("/sys/class/net/{name}/ifindex")))
        }
        Opened::Latency(micros) => {
            let bytes: String = micros.to_le_bytes().iter().map(|byte| format!("\\{byte:03o}")).collect();
            format!("exec {number}>/dev/cpu_dma_latency && printf '{bytes}' >&{number}")
        }
    }
}

/// QEMU behind what sets its place and its user. In a session of its own, so that Ctrl-C is not QEMU's.
fn program(contents: &Contents) -> String {
    let mut words = vec!["setsid".to_owned()];
    if let Some(Room { home: Home::Scope(scope), .. }) = &contents.room {
        words.extend(["systemd-run", "--quiet", "--scope", "--collect", "--slice=-.slice"].map(str::to_owned));
        words.push(format!("--unit={scope}"));
        if contents.room.as_ref().is_some_and(|room| room.partition.is_some()) {
            words.push("--property=Delegate=cpuset".to_owned());
        }
    }
    if let Some(cpus) = &contents.pins.emulator {
        words.extend(["taskset".to_owned(), "-c".to_owned(), cpus.to_string()]);
    }
    if let Some(user) = &contents.user {
        words.extend(["setpriv".to_owned(), format!("--reuid={}", user.uid), "--no-new-privs".to_owned()]);
        let group = user.group.clone().map_or("$(id -g)".to_owned(), |group| group);
        if user.group.is_some() {
            words.push(format!("--regid={group}"));
        }
        let groups: Vec<_> = user.groups.iter().map(ToString::to_string).collect();
        words.push(if groups.is_empty() {
            "--clear-groups".to_owned()
        } else {
            format!("--groups={}", groups.join(","))
        });
    }
    if !contents.env.is_empty() {
        words.push("env".to_owned());
        words.extend(contents.env.iter().map(|(name, value)| format!("{name}={value}")));
    }
    words.push(contents.emulator.path.to_string_lossy().into_owned());
    let by_account = contents.user.as_ref().filter(|user| user.group.is_none());
    let group = by_account.map(|user| format!(" \"--regid=$(id -g {})\"", word(&user.user)));
    let line = quoted(&words);
    let line = match group {
        Some(group) => line.replacen(" --no-new-privs", &format!("{group} --no-new-privs"), 1),
        None => line,
    };
    format!("{line} \"$@\"")
}

/// From the start of QEMU to its end.
pub(super) fn main(contents: &Contents, running: &str, text: &mut String) {
    let mut body = running.to_owned();
    body.push_str("while next; do\n    heard \"$answer\"\ndone\n");
    body.push_str("trap '' INT TERM\nwait \"$qemu\"\nstatus=$?\nqemu=\n");
    body.push_str("[ -z \"$killer\" ] || { kill \"$killer\"; wait \"$killer\"; } 2>/dev/null\n");
    for line in life::lines(contents, Point::Stopped) {
        body.push_str(&line);
        body.push('\n');
    }
    text.push_str("\n# The guest's life.\n");
    if contents.ending.on_reboot == OnReboot::Restart {
        text.push_str("while :; do\nagain=\n");
        text.push_str(&body);
        text.push_str(
            "if [ -z \"$again\" ] || [ -n \"$stopping\" ]; then break; fi\nrunning=\ntrap stop INT TERM\ndone\n",
        );
    } else {
        text.push_str(&body);
    }
    text.push_str("exit \"$status\"\n");
}
