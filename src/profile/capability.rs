//! What the QEMU at hand does not have. Distributions build QEMU without some devices and put others into packages of
//! their own, so its own answers decide, and its version only where it was not asked or is to blame.

use super::scene::Scene;
use super::source::nearest;
use crate::host::{CPU, Names, Qemu};
use crate::plan::{Arg, Class, Draft, Origin, Problem};
use crate::unit::Version;
use serde_json::Value;

/// First QEMU with a type, back end or CPU property that 6.2 lacks. QEMU: change logs, `docs/system/i386/hyperv.rst`.
const FIRST: &[(&str, Version)] = &[
    ("dbus", Version::new(7, 0)),
    ("hv-emsr-bitmap", Version::new(7, 1)),
    ("hv-tlbflush-direct", Version::new(7, 1)),
    ("hv-tlbflush-ext", Version::new(7, 1)),
    ("hv-xmm-input", Version::new(7, 1)),
    ("iommufd", Version::new(9, 0)),
    ("pipewire", Version::new(8, 1)),
    ("virtio-sound-pci", Version::new(8, 2)),
];

/// Debian's packages for what QEMU loads as a module, before and since [`SPLIT`]; other distributions divide it alike.
const PACKAGES: &[(&str, [&str; 2])] = &[
    ("gtk", ["qemu-system-gui"; 2]),
    ("sdl", ["qemu-system-gui"; 2]),
    ("pa", ["qemu-system-gui"; 2]),
    ("jack", ["qemu-system-gui"; 2]),
    ("pipewire", ["qemu-system-modules-spice"; 2]),
    ("egl-headless", ["qemu-system-common", "qemu-system-modules-opengl"]),
    ("dbus", ["qemu-system-common", "qemu-system-modules-opengl"]),
    ("virtio-vga-gl", ["qemu-system-gui", "qemu-system-modules-opengl"]),
    ("chardev-spicevmc", ["qemu-system-common", "qemu-system-modules-spice"]),
    ("qxl", ["qemu-system-common", "qemu-system-modules-spice"]),
    ("qxl-vga", ["qemu-system-common", "qemu-system-modules-spice"]),
    ("spice", ["qemu-system-common", "qemu-system-modules-spice"]),
];

/// A QEMU that is younger than Debian 12's, and not than Debian 13's, which has packages of modules.
const SPLIT: Version = Version::new(8, 0);

/// What a device is made of inside, which may be in a package of its own. QEMU: `hw/display/virtio-vga-gl.c`.
const PARTS: &[(&str, &str)] = &[("virtio-vga-gl", "virtio-gpu-gl-device"), ("virtio-vga", "virtio-gpu-device")];

/// Notes a problem for each device, object, back end, CPU model and CPU feature of the plan that this QEMU lacks.
pub(super) fn judge(scene: &Scene, draft: &mut Draft) {
    let Some(qemu) = &scene.host.qemu else { return };
    judge_machine(qemu, draft);
    let mut lacks: Vec<(Origin, Lack)> = Vec::new();
    for arg in draft.contents.argv.args() {
        if let (Some(lack), Some(origin)) = (of_argument(qemu, &arg), arg.origins.first()) {
            lacks.push((origin.clone(), lack));
        }
    }
    lacks.extend(of_cpu(qemu, draft));
    // A table that knows a better remedy has spoken already.
    lacks.retain(|(origin, _)| !draft.is_refused_at(&origin.key));
    let problems = lacks.into_iter().map(|(origin, lack)| lack.problem(qemu, origin.key));
    let mut told: Vec<Problem> = Vec::new();
    for problem in problems {
        if !told.contains(&problem) {
            told.push(problem);
        }
    }
    told.into_iter().for_each(|problem| draft.refuse(problem));
}

/// The problem at `audio.driver` when QEMU lacks the back end `name` of `-audiodev`.
pub(super) fn audio(scene: &Scene, name: &str) -> Option<Problem> {
    let qemu = scene.host.qemu.as_ref()?;
    let lacking = lacking(qemu, name, qemu.abilities.has_audio_driver(name));
    lacking.then(|| Lack::new("audio back end", name).problem(qemu, "audio.driver".into()))
}

/// Whether QEMU has no CPU property `name`.
pub(super) fn lacks_cpu(scene: &Scene, name: &str) -> bool {
    let has = |qemu: &Qemu| lacking(qemu, name, qemu.abilities.has_property(CPU, name));
    scene.host.qemu.as_ref().is_some_and(has)
}

/// A thing that QEMU lacks.
struct Lack {
    /// What kind of thing: `device`, `CPU model`.
    kind: &'static str,
    name: String,
    fix: Option<String>,
}

impl Lack {
    fn new(kind: &'static str, name: &str) -> Self {
        Self { kind, name: name.to_owned(), fix: None }
    }

    fn problem(self, qemu: &Qemu, at: String) -> Problem {
        let Self { kind, name, fix } = self;
        let problem = Problem::new(
            Class::Missing,
            at,
            format!("QEMU {} at {} has no {kind} {name}", qemu.version, qemu.path.display()),
        );
        if let Some(first) = first(&name).filter(|first| qemu.version < *first) {
            return problem.why(format!("QEMU {first} is the first that has it")).fix("a newer QEMU, as qemu.binary");
        }
        let package = PACKAGES.iter().find(|(of, _)| *of == name);
        let package = package.map(|(_, [before, since])| if qemu.version < SPLIT { before } else { since });
        let package = package.map(|package| format!("apt install {package}   # or your distribution's module"));
        let built = !kind.starts_with("CPU");
        let problem = if built { problem.why("it was built without, or its module is not installed") } else { problem };
        problem.fix(fix.or(package).unwrap_or_else(|| "another build of QEMU, as qemu.binary".to_owned()))
    }
}

fn first(name: &str) -> Option<Version> {
    FIRST.iter().find(|(of, _)| *of == name).map(|(_, first)| *first)
}

/// Whether QEMU says that it has no `name`, or is too old for it.
fn lacking(qemu: &Qemu, name: &str, says: Option<bool>) -> bool {
    says == Some(false) || first(name).is_some_and(|first| qemu.version < first)
}

/// What an argument needs that QEMU lacks.
fn of_argument(qemu: &Qemu, Arg { option, value, .. }: &Arg) -> Option<Lack> {
    let value = value.as_deref()?;
    let json = || serde_json::from_str::<Value>(value).ok();
    let named = |key: &str| json()?.get(key)?.as_str().map(str::to_owned);
    let abilities = &qemu.abilities;
    let (kind, name, says) = match option.as_str() {
        "-device" => named("driver").map(|name| ("device", has_device(qemu, &name), name)),
        "-object" => named("qom-type").map(|name| ("object", abilities.has_type(&name), name)),
        "-display" => named("type").map(|name| ("display", abilities.has_display(&name), name)),
        "-spice" => Some(("display", abilities.has_type("chardev-spicevmc"), "spice".to_owned())),
        _ => None,
    }
    .map(|(kind, says, name)| (kind, name, says))?;
    lacking(qemu, &name, says).then(|| Lack::new(kind, &name))
}

/// Whether QEMU has the device `name`, with what it is made of; `None` when it was not asked.
fn has_device(qemu: &Qemu, name: &str) -> Option<bool> {
    let parts = PARTS.iter().filter(|(whole, _)| *whole == name).map(|(_, part)| *part);
    parts.chain([name]).map(|part| qemu.abilities.has_type(part)).find(|has| *has != Some(true)).unwrap_or(Some(true))
}

fn of_cpu(qemu: &Qemu, draft: &Draft) -> Vec<(Origin, Lack)> {
    let cpu = &draft.contents.argv.cpu;
    let models = &qemu.abilities.cpu_models;
    let mut lacks = Vec::new();
    if let Some((model, origin)) = cpu.head_with_origin() {
        // `host` is there with KVM only, which is judged by itself.
        if model != "host" && qemu.abilities.has_cpu_model(model) == Some(false) {
            let known: Vec<&str> = models.iter().collect();
            let fix = nearest(model, &known).map(|meant| format!("model = \"{meant}\""));
            let fix = fix.or_else(|| Some(format!("one of those that `{} -cpu help` prints", qemu.path.display())));
            lacks.push((origin.clone(), Lack { fix, ..Lack::new("CPU model", model) }));
        }
    }
    for (name, origin) in cpu.names() {
        if lacking(qemu, name, qemu.abilities.has_property(CPU, name)) {
            let known = qemu.abilities.properties.get(CPU).into_iter().flat_map(Names::iter);
            let known: Vec<&str> = known.collect();
            let fix = nearest(name, &known).map(|meant| format!("did you mean {meant}?"));
            let fix = fix.or_else(|| Some(format!("one of those that `{} -cpu help` prints", qemu.path.display())));
            lacks.push((origin.clone(), Lack { fix, ..Lack::new("CPU feature", name) }));
        }
    }
    lacks
}

/// Notes a problem when QEMU does not build the machine, and says when it will be gone.
fn judge_machine(qemu: &Qemu, draft: &mut Draft) {
    let machines = &qemu.abilities.machines;
    let Some(name) = draft.contents.argv.machine.first().map(str::to_owned) else { return };
    if machines.is_empty() {
        return;
    }
    let family = if name.contains("q35") { "q35" } else { "pc" };
    let newest = qemu.abilities.machine(family).map_or(family, |machine| &machine.name);
    let at = "machine.type";
    let Some(machine) = qemu.abilities.machine(&name) else {
        let what = format!("QEMU {} at {} builds no {name}", qemu.version, qemu.path.display());
        let why = "a version of a machine comes with the QEMU of that version and goes after six years";
        return draft.refuse(
            Problem::new(Class::Impossible, at, what).why(why).fix(format!("type = \"{newest}\"   # its newest")),
        );
    };
    if machine.deprecated {
        // QEMU: docs/about/deprecated.rst, "versioned machine types".
        let why = "a version of a machine is removed six years after it came";
        let what = format!("QEMU {} says that {name} will be removed", qemu.version);
        draft.warn(
            Problem::new(Class::Impossible, at, what).why(why).fix(format!("type = \"{newest}\"   # its newest")),
        );
    }
    if draft.contents.vcpus > machine.cpu_max && !draft.is_refused_at(at) && !draft.is_refused_at("cpu") {
        let what = format!("{} vCPUs; {} has at most {}", draft.contents.vcpus, machine.name, machine.cpu_max);
        let has_room = qemu.abilities.machine(newest).is_some_and(|newest| newest.cpu_max >= draft.contents.vcpus);
        let fix =
            if has_room { format!("type = \"{newest}\" in [machine]") } else { "fewer vCPUs, or a newer QEMU".into() };
        draft.refuse(Problem::new(Class::Impossible, "cpu", what).fix(fix));
    }
}
