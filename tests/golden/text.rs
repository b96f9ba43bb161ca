//! Plans and refusals as lines.

use std::fmt::Write as _;
use vmrun::plan::{
    Command, Contents, Descriptor, FIRST_DESCRIPTOR, Hook, NewFile, OnError, OnHostShutdown, Placement, Problem, Ready,
    RunAs, Sched, Service, Tap, TapFrom, What,
};

/// A plan: its arguments one a line, then everything else.
pub(crate) fn of(plan: &Contents) -> String {
    let arguments = plan.argv.args().into_iter().map(|arg| match arg.value {
        Some(value) => format!("{} {value}", arg.option),
        None => arg.option,
    });
    let mut lines: Vec<String> = arguments.collect();
    lines.push(String::new());
    lines
        .extend((FIRST_DESCRIPTOR..).zip(&plan.descriptors).map(|(fd, what)| format!("fd {fd}: {}", descriptor(what))));
    lines.extend(plan.user.iter().map(|RunAs { user, uid, group, groups }| {
        let group = group.as_ref().map(|group| format!(", group {group}")).unwrap_or_default();
        format!("runs as {user} ({uid}{group}), in {groups:?}")
    }));
    lines.extend(plan.session.iter().map(|login| format!("in the session of {login}")));
    lines.extend(plan.env.iter().map(|(name, value)| format!("env {name}={value}")));
    lines.extend(plan.locked_memory.map(|amount| format!("locked memory: {} bytes", amount.bytes())));
    lines.extend(plan.transparent.iter().map(|wish| format!("transparent huge pages: {:?}", wish.parts)));
    lines.extend(plan.usb.iter().map(|usb| {
        let found = usb.found.as_ref().map_or("not plugged in".to_owned(), |found| format!("at {}", found.port));
        format!("usb {} {}: {}, {found}", usb.at, usb.which, usb.device)
    }));
    lines.extend(plan.fallback.iter().flat_map(|plan| memory(plan).map(|line| format!("fallback: {line}"))));
    lines.extend(pins(plan));
    lines.extend(plan.files.iter().map(file));
    lines.extend(
        plan.changes.iter().flat_map(|change| change.steps().into_iter().map(|step| format!("change: {step}"))),
    );
    lines.extend(plan.interrupts.iter().map(|cpus| format!("interrupts of passed functions: {cpus}")));
    lines.extend(plan.room.iter().map(|room| format!("room: {room:?}")));
    lines.extend(plan.links_down.iter().map(|id| format!("link down: {id}")));
    lines.extend(plan.hooks.iter().map(hook));
    lines.extend(plan.services.iter().map(service));
    lines.push(format!("ending: {:?}", plan.ending));
    lines.extend(plan.host_sleep.iter().map(|what| format!("sleep of the host: {what:?}")));
    if plan.host_shutdown != OnHostShutdown::default() {
        lines.push(format!("shutdown of the host: {:?}", plan.host_shutdown));
    }
    lines.extend(plan.panic_key.iter().map(|chord| format!("panic key: {chord:?}")));
    lines.extend(plan.dead_boot.iter().map(|limit| format!("dead boot: {limit}")));
    let mut text = lines.join("\n");
    text.push('\n');
    for warning in &plan.warnings {
        write!(text, "\nwarning {}", problem(warning)).expect("a string takes all");
    }
    text
}

/// Refusals, one a paragraph.
pub(crate) fn problems(problems: &[Problem]) -> String {
    problems.iter().map(|found| format!("{:?} {}", found.class, problem(found))).collect::<Vec<_>>().join("\n")
}

fn problem(Problem { at, what, why, fix, class: _ }: &Problem) -> String {
    let mut text = format!("{at}: {what}\n");
    for (label, part) in [("why", why), ("fix", fix)] {
        if !part.is_empty() {
            writeln!(text, "  {label}: {}", part.replace('\n', "\n       ")).expect("a string takes all");
        }
    }
    text
}

/// What a plan does differently about memory.
fn memory(plan: &Contents) -> impl Iterator<Item = String> {
    let objects = plan.argv.words().into_iter().filter(|word| word.contains("memory-backend-"));
    let changes = plan.changes.iter().flat_map(vmrun::plan::Change::steps).map(|step| step.to_string());
    objects.chain(changes.filter(|line| line.contains("hugepages")))
}

fn file(file: &NewFile) -> String {
    match file {
        NewFile::Copy { path, copy_of } => format!("file {}: copy of {}", path.display(), copy_of.display()),
        NewFile::Folder { folder, owner: None } => format!("folder {}", folder.display()),
        NewFile::Folder { folder, owner: Some(uid) } => format!("folder {} of {uid}", folder.display()),
    }
}

fn descriptor(descriptor: &Descriptor) -> String {
    match descriptor {
        Descriptor::Qmp => "QMP".into(),
        Descriptor::Serial => "serial port".into(),
        Descriptor::Console => "console".into(),
        Descriptor::Tap(Tap { from, mtu, multi_queue }) => {
            let name = match from {
                TapFrom::Bridge(bridge) => format!("tap on {bridge}"),
                TapFrom::New(name) => format!("new tap {name}"),
                TapFrom::Existing(name) => format!("tap {name}"),
            };
            let mtu = mtu.map(|mtu| format!(", MTU {mtu}")).unwrap_or_default();
            format!("{name}{mtu}{}", several(*multi_queue))
        }
        Descriptor::Macvtap { name, multi_queue } => format!("macvtap {name}{}", several(*multi_queue)),
        Descriptor::Queue => "further queue".into(),
        Descriptor::VhostNet => "vhost-net".into(),
        Descriptor::File { path } => path.display().to_string(),
        Descriptor::CpuLatency { micros } => format!("cpu_dma_latency {micros}"),
    }
}

fn several(multi_queue: bool) -> &'static str {
    if multi_queue { ", several queues" } else { "" }
}

fn pins(plan: &Contents) -> Vec<String> {
    let vcpus = plan.pins.vcpus.iter().enumerate().map(|(i, place)| format!("pin vcpu {i}: {}", placement(place)));
    let iothreads = plan.pins.iothreads.iter().map(|(id, place)| format!("pin iothread {id}: {}", placement(place)));
    let emulator = plan.pins.emulator.iter().map(|cpus| format!("pin emulator: {cpus}"));
    let why = plan.pins.why.iter().map(|why| format!("pins chosen: {why}"));
    let cores = plan.pins.core_scheduling.then(|| "core scheduling: its own cookie".to_owned());
    vcpus.chain(iothreads).chain(emulator).chain(cores).chain(why).collect()
}

fn placement(Placement { cpus, sched }: &Placement) -> String {
    let cpus = cpus.as_ref().map_or_else(|| "anywhere".to_owned(), ToString::to_string);
    match sched {
        Sched::Normal => cpus,
        Sched::Nice(nice) => format!("{cpus} nice {nice}"),
        Sched::Fifo(priority) => format!("{cpus} fifo {priority}"),
    }
}

fn command(Command { argv, user, env, folder: _, timeout }: &Command) -> String {
    let mut text = shlex::try_join(argv.iter().map(String::as_str)).expect("no NUL");
    if let Some(user) = user {
        write!(text, " as {user}").expect("a string takes all");
    }
    if let Some(timeout) = timeout {
        write!(text, " within {timeout}").expect("a string takes all");
    }
    for (name, value) in env {
        write!(text, " with {name}={value}").expect("a string takes all");
    }
    text
}

fn hook(Hook { key, name, at, run, undo, on_error }: &Hook) -> String {
    let undo = undo.as_ref().map(|undo| format!("; undo {}", command(undo))).unwrap_or_default();
    let warn = if *on_error == OnError::Warn { "; a failure only warns" } else { "" };
    format!("hook {at} {key} {name}: {}{undo}{warn}", command(run))
}

fn service(Service { key, name, what, start, required }: &Service) -> String {
    let required = if *required { " required" } else { "" };
    let what = match what {
        What::Unit { unit, user } => {
            format!("unit {unit}{}", user.as_ref().map(|user| format!(" of {user}")).unwrap_or_default())
        }
        What::Command { run, restart, delay, burst, ready, stop_timeout } => format!(
            "{}; restart {restart:?} after {delay}, {burst} times; ready {}; {stop_timeout} to stop",
            command(run),
            match ready {
                Ready::Exec => "at once".to_owned(),
                Ready::Notify => "when it says so".to_owned(),
                Ready::File(path) => format!("with {}", path.display()),
            }
        ),
    };
    format!("service {start:?}{required} {key} {name}: {what}")
}
