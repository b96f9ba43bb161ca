//! `--to script`: a shell script that starts the guest without vmrun.
//!
//! It is the plan, read aloud to a shell: what is changed and how it is put back, who runs beside QEMU, QEMU's own
//! command line, and where its threads run. QEMU's monitor is a pair of named pipes, which a shell can read and write, so
//! threads are placed by the numbers that QEMU tells, before the guest's first instruction.

mod library;
mod life;
mod quote;
mod sheet;
mod step;
mod words;

use super::{Export, From, Gap};
use crate::plan::{Contents, Home, NewFile, OnReboot, OnTimeout, Placement, Point, Room, Sched, Start, TapFrom};
use quote::{word, words as quoted};
use sheet::Sheet;
use std::fmt::Write as _;
use std::path::Path;
use words::{Opened, Prepared, prepare, sockets};

/// The script, and what it does not do.
#[must_use]
pub fn script(contents: &Contents, from: &From) -> Export {
    let mut gaps = Vec::new();
    let prepared = prepare(contents);
    let mut before = Sheet::default();
    folder(contents, &mut before);
    life::hooks(contents, Point::Pre, &mut before);
    files(contents, &mut before);
    life::services(contents, Start::Before, &mut before, &mut gaps);
    changes(contents, &prepared, &mut before);
    life::hooks(contents, Point::Prepared, &mut before);
    // Of one sheet, so that what is owed has one row of numbers.
    let prologue = std::mem::take(&mut before.body);
    boot(contents, &mut before);
    life::services(contents, Start::After, &mut before, &mut gaps);
    life::hooks(contents, Point::Running, &mut before);
    let running = std::mem::take(&mut before.body);
    missing(contents, &mut gaps);
    gaps.extend(prepared.gaps.iter().cloned());

    let mut rest = String::new();
    ending(contents, &before, &mut rest);
    start(contents, &prepared, &mut rest);
    if !prologue.is_empty() {
        _ = write!(rest, "\n{prologue}");
    }
    main(contents, &running, &mut rest);
    let mut text = head(contents, from, &gaps);
    text.push_str(&library::used_by(&rest));
    text.push_str(rest.trim_start_matches('\n'));
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
         # knows the host as it was when it was made: export again when cards, cores or addresses have changed.\n\
         # Exit status: QEMU's; 1 it did not start; 40 a hook after the end failed; 41 something is not put back.\n",
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
    text.push_str("qemu='' owed='' companions='' asked='' stopping='' running='' killer='' late=''\n\n");
    if let Some(folder) = &from.folder {
        _ = writeln!(text, "cd {} || exit 1", word(&folder.to_string_lossy()));
    }
    text.push_str("export VMRUN_NAME=\"$name\" VMRUN_RUN_DIR=\"$run\"\n\n");
    text
}

/// The folder of the run.
fn folder(contents: &Contents, sheet: &mut Sheet) {
    sheet.comment("The folder of the run, which no second start of this guest gets.");
    sheet.line("mkdir -p \"$(dirname \"$run\")\" || exit 1");
    sheet.line("mkdir -m 711 \"$run\" || die \"$run is there: the guest runs, or a start of it was cut short\"");
    sheet.owe(vec!["rm -rf \"$run\"".into()]);
    if let Some(user) = &contents.user {
        sheet.line(format!("install -d -m 700 -o {} \"$(dirname \"$monitor\")\"", user.uid));
    }
}

/// Files of the guest's own.
fn files(contents: &Contents, sheet: &mut Sheet) {
    if !contents.files.is_empty() {
        sheet.comment("Files of the guest's own, kept from run to run.");
    }
    for file in &contents.files {
        let failure = |path: &Path| format!("die {}", word(&format!("{} cannot be made", path.display())));
        match file {
            NewFile::Copy { path, copy_of } => {
                let both = quoted([copy_of.to_string_lossy(), path.to_string_lossy()]);
                sheet.line(format!("copy_template {both} || {}", failure(path)));
            }
            NewFile::Folder { folder, owner } => {
                let owner = owner.map_or(String::new(), |uid| format!(" -o {uid}"));
                let shown = word(&folder.to_string_lossy());
                sheet.line(format!("[ -d {shown} ] || install -d -m 700{owner} {shown} || {}", failure(folder)));
            }
        }
    }
}

/// Changes of the host; pages first, since nothing else is touched when they are not to be had.
fn changes(contents: &Contents, prepared: &Prepared, sheet: &mut Sheet) {
    let pages = |change: &&crate::plan::Change| matches!(change, crate::plan::Change::HugePages { .. });
    let (first, rest): (Vec<_>, Vec<_>) = contents.changes.iter().partition(pages);
    let made: Vec<_> = first.into_iter().chain(rest).filter(|change| !change.steps().is_empty()).collect();
    if !made.is_empty() {
        sheet.comment("The host.");
    }
    made.into_iter().for_each(|change| sheet.change(change, "die 'the host cannot be prepared'"));
    let new = prepared.taps.iter().filter(|(_, tap)| !matches!(tap.from, TapFrom::Existing(_)));
    for (index, (name, tap)) in new.enumerate() {
        if index == 0 {
            sheet.comment("Tap devices.");
        }
        let bridge = if let TapFrom::Bridge(bridge) = &tap.from { bridge.as_str() } else { "" };
        let mtu = tap.mtu.map_or(String::new(), |mtu| mtu.to_string());
        let owner = contents.user.as_ref().map_or(String::new(), |user| user.uid.to_string());
        let several = if tap.multi_queue { "yes" } else { "" };
        sheet.owe(vec![format!("[ ! -e /sys/class/net/{name} ] || ip link del dev {}", word(name))]);
        let words = quoted([name.as_str(), bridge, &mtu, &owner, several]);
        sheet.line(format!("new_tap {words} || die {}", word(&format!("tap device {name} cannot be made"))));
    }
}

/// From QEMU's first word to a guest that runs.
fn boot(contents: &Contents, sheet: &mut Sheet) {
    sheet.line("start_qemu");
    let pins = &contents.pins;
    if pins.vcpus.iter().any(is_placed) {
        sheet.line("qmp '{\"execute\": \"query-cpus-fast\"}' || die 'QEMU tells no threads'");
        sheet.line("threads=$(vcpu_threads)");
        let placed = pins.vcpus.iter().enumerate().filter(|(_, place)| is_placed(place));
        placed.for_each(|(index, place)| sheet.line(placement(&index.to_string(), place)));
    }
    if pins.iothreads.values().any(is_placed) {
        sheet.line("qmp '{\"execute\": \"query-iothreads\"}' || die 'QEMU tells no threads'");
        sheet.line("threads=$(iothread_threads)");
        let placed = pins.iothreads.iter().filter(|(_, place)| is_placed(place));
        placed.for_each(|(id, place)| sheet.line(placement(id, place)));
    }
    for id in &contents.links_down {
        let link = serde_json::json!({"execute": "set_link", "arguments": {"name": id, "up": false}});
        sheet.line(format!("qmp {} || die 'the cable cannot be unplugged'", word(&link.to_string())));
    }
    life::hooks(contents, Point::Started, sheet);
    sheet.line("running=yes");
    sheet.line("qmp '{\"execute\": \"cont\"}' || die 'the guest does not run'");
}

fn is_placed(place: &Placement) -> bool {
    place.cpus.is_some() || place.sched != Sched::Normal
}

fn placement(key: &str, Placement { cpus, sched }: &Placement) -> String {
    let cpus = cpus.as_ref().map_or(String::new(), ToString::to_string);
    let sched = match sched {
        Sched::Normal => String::new(),
        Sched::Nice(nice) => format!(" nice {nice}"),
        Sched::Fifo(priority) => format!(" fifo {priority}"),
    };
    format!("place_thread \"$threads\" {} {}{sched}", word(key), word(&cpus))
}

/// What is done at the end and when the guest is to be stopped.
fn ending(contents: &Contents, sheet: &Sheet, text: &mut String) {
    text.push_str("\ntake_back() {\n    case $1 in\n");
    for (number, lines) in &sheet.owed {
        _ = writeln!(text, "    {number})");
        lines.iter().for_each(|line| _ = writeln!(text, "        {} || status=41", sheet::grouped(line)));
        text.push_str("        ;;\n");
    }
    text.push_str("    esac\n}\n\n");
    text.push_str("put_back() {\n    status=$?\n    trap '' INT TERM HUP\n");
    text.push_str("    [ -z \"$qemu\" ] || { kill -KILL \"$qemu\"; wait \"$qemu\"; } 2>/dev/null\n");
    if contents.services.iter().any(|service| matches!(service.what, crate::plan::What::Command { .. })) {
        text.push_str("    end_companions\n");
    }
    text.push_str("    for number in $owed; do\n        take_back \"$number\"\n    done\n");
    for line in life::lines(contents, Point::Post) {
        _ = writeln!(text, "    {line}");
    }
    text.push_str("    [ \"$status\" -ne 0 ] || [ -z \"$late\" ] || status=40\n");
    text.push_str("    [ \"$status\" -ne 41 ] || say 'the host is not fully put back'\n    exit \"$status\"\n}\n\n");
    stop(contents, text);
    text.push_str(
        "# What QEMU says by itself.\nheard() {\n    case $1 in\n    *'\"error\":'*) say \"QEMU refuses: $1\" ;;\n",
    );
    if contents.ending.on_reboot == OnReboot::Restart {
        text.push_str("    *'\"event\": \"SHUTDOWN\"'*guest-reset*) again=yes ;;\n");
    }
    if life::has(contents, Point::Reset) {
        text.push_str("    *'\"event\": \"RESET\"'*)\n");
        for line in life::lines(contents, Point::Reset) {
            _ = writeln!(text, "        {line}");
        }
        text.push_str("        ;;\n");
    }
    text.push_str("    esac\n}\n\n");
}

fn stop(contents: &Contents, text: &mut String) {
    let seconds = contents.ending.timeout.get().as_secs();
    text.push_str(
        "# Asked to stop: before the guest runs its start is taken back, after that its power button is pressed.\n",
    );
    text.push_str("stop() {\n    asked=yes\n    [ -n \"$running\" ] || exit 130\n    [ -z \"$stopping\" ] || return 0\n    stopping=yes\n");
    for line in life::lines(contents, Point::Stopping) {
        _ = writeln!(text, "    {line}");
    }
    let late = match contents.ending.on_timeout {
        OnTimeout::Wait => "say \"it did not power off yet; by force: kill -KILL $qemu\"",
        OnTimeout::Kill => "kill -KILL \"$qemu\"",
    };
    text.push_str("    say 'its power button is pressed'\n");
    text.push_str("    printf '{\"execute\": \"system_powerdown\"}\\n' >&3\n");
    _ = write!(text, "    after {seconds} {late} &\n    killer=$!\n}}\n\n");
}

/// How QEMU is started.
fn start(contents: &Contents, prepared: &Prepared, text: &mut String) {
    text.push_str("trap put_back EXIT\ntrap stop INT TERM\n");
    text.push_str(if contents.ending.stop_on_hangup { "trap stop HUP\n" } else { "trap '' HUP\n" });
    text.push_str("\n# QEMU, with its guest paused; returns when its monitor answers.\nstart_qemu() {\n");
    text.push_str("    rm -f \"$monitor.in\" \"$monitor.out\"\n");
    text.push_str("    mkfifo -m 600 \"$monitor.in\" \"$monitor.out\" || die 'no pipes can be made'\n");
    if let Some(user) = &contents.user {
        _ = writeln!(text, "    chown {} \"$monitor.in\" \"$monitor.out\"", user.uid);
    }
    text.push_str("    set -- \\\n");
    let last = prepared.options.len().saturating_sub(1);
    for (index, option) in prepared.options.iter().enumerate() {
        _ = writeln!(text, "        {}{}", quoted(option), if index == last { "" } else { " \\" });
    }
    text.push_str("    exec 3<>\"$monitor.in\"\n    (\n");
    text.push_str("        # The end that QEMU writes to: it is closed, and known to be, when QEMU ends.\n");
    text.push_str("        exec 3>&- 9<>\"$monitor.out\"\n");
    for (number, opened) in &prepared.opened {
        _ = writeln!(text, "        {}", open(*number, opened));
    }
    if let Some(size) = contents.locked_memory {
        _ = writeln!(text, "        lockable {}", size.bytes());
    }
    if let Some(Room { home: Home::Group(path), .. }) = &contents.room {
        _ = writeln!(text, "        sh -c 'echo \"$PPID\"' >{}", word(&format!("{path}/cgroup.procs")));
    }
    if let Some(group) = &contents.share {
        _ = writeln!(text, "        sh -c 'echo \"$PPID\"' >{}", word(&format!("{group}/tasks")));
    }
    _ = writeln!(text, "        exec {}", program(contents));
    text.push_str("    ) </dev/null &\n    qemu=$!\n    exec 9<\"$monitor.out\"\n");
    text.push_str("    export VMRUN_PID=\"$qemu\"\n");
    text.push_str("    qmp '{\"execute\": \"qmp_capabilities\"}' || die 'QEMU did not start'\n}\n");
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
fn main(contents: &Contents, running: &str, text: &mut String) {
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

/// What only vmrun does.
fn missing(contents: &Contents, gaps: &mut Vec<Gap>) {
    if contents.fallback.is_some() {
        gaps.push(Gap::new("memory.fallback", "when the huge pages cannot be made, the start is given up"));
    }
    if !contents.interrupts.is_empty() {
        gaps.push(Gap::new("tune.vfio_irqs", "interrupts of passed functions are left where the kernel puts them"));
    }
    if contents.pins.core_scheduling {
        gaps.push(Gap::new(
            "cpu.pinning.core_scheduling",
            "strangers may run on the sibling threads of the guest's cores; `coresched new` of util-linux 2.40 keeps them off",
        ));
    }
    if contents.room.as_ref().is_some_and(|room| room.partition.is_some()) {
        gaps.push(Gap::new(
            "tune.isolate",
            "the vCPUs get no partition of host CPUs; their host CPUs are kept free all the same",
        ));
    }
    if contents.session.is_some() {
        gaps.push(Gap::new("display", "the window opens on the display of the shell that this is started from"));
    }
    for hook in contents.hooks.iter().filter(|hook| hook.at == Point::Reconnect) {
        gaps.push(Gap::new(
            &hook.key,
            "nobody takes the guest over when the script is killed, so this hook never runs",
        ));
    }
}
