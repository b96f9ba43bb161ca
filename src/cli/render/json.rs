//! A plan as JSON, for programs. Keys are stable; `v` counts up when one changes its meaning.

use crate::plan::{Change, Contents, Descriptor, FIRST_DESCRIPTOR, OnHostShutdown, OnHostSleep, Step};
use crate::profile::source::{Keys, Sheets};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Value;

/// All of a plan. It is written as it is read: a start keeps it as text, and nobody looks into it.
pub(in crate::cli) struct PlanJson<'a>(pub(in crate::cli) &'a Contents);

impl PlanJson<'_> {
    /// As a value, to be added to.
    pub(in crate::cli) fn value(&self) -> Value {
        serde_json::to_value(self).expect("JSON has names for its keys")
    }
}

impl Serialize for PlanJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Contents {
            name,
            emulator,
            user,
            session,
            // What becomes of it stands among the changes.
            opens: _,
            argv,
            env,
            descriptors,
            locked_memory,
            transparent,
            fallback,
            usb,
            evdev,
            files,
            changes,
            links_down,
            devices,
            hooks,
            services,
            pins,
            room,
            share,
            interrupts,
            seats,
            // Of use to vmrun alone.
            kept: _,
            clock,
            vcpus,
            ending,
            host_sleep: _,
            host_shutdown,
            agent: _,
            dead_boot,
            panic_key,
            run_dir,
            // Shown with the problems.
            warnings: _,
        } = self.0;
        let descriptors: Vec<_> =
            (FIRST_DESCRIPTOR..).zip(descriptors).map(|(fd, what)| DescriptorJson { fd, what }).collect();
        let undo: Vec<_> = changes.iter().rev().map(Change::inverse).collect();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", name.as_str())?;
        map.serialize_entry("qemu", emulator)?;
        map.serialize_entry("user", user)?;
        map.serialize_entry("session", session)?;
        map.serialize_entry("vcpus", vcpus)?;
        map.serialize_entry("run_dir", run_dir)?;
        map.serialize_entry("argv", &argv.words())?;
        map.serialize_entry("options", &argv.args())?;
        map.serialize_entry("env", env)?;
        map.serialize_entry("descriptors", &descriptors)?;
        map.serialize_entry("locked_memory", locked_memory)?;
        map.serialize_entry("transparent", transparent)?;
        map.serialize_entry("fallback", &fallback.as_ref().map(|plan| plan.argv.words()))?;
        map.serialize_entry("usb", usb)?;
        map.serialize_entry("evdev", evdev)?;
        map.serialize_entry("pins", pins)?;
        map.serialize_entry("room", room)?;
        map.serialize_entry("share", share)?;
        map.serialize_entry("interrupts", interrupts)?;
        map.serialize_entry("addresses", seats)?;
        map.serialize_entry("clock", clock)?;
        map.serialize_entry("files", files)?;
        map.serialize_entry("changes", &changes.iter().map(ChangeJson::of).collect::<Vec<_>>())?;
        map.serialize_entry("undo", &undo.iter().map(ChangeJson::of).collect::<Vec<_>>())?;
        map.serialize_entry("links_down", links_down)?;
        map.serialize_entry("devices", devices)?;
        map.serialize_entry("hooks", hooks)?;
        map.serialize_entry("services", services)?;
        map.serialize_entry("ending", ending)?;
        map.serialize_entry("dead_boot", dead_boot)?;
        map.serialize_entry("panic_key", panic_key)?;
        map.serialize_entry("host", &HostJson { sleep: self.0.on_host_sleep(), shutdown: *host_shutdown })?;
        map.end()
    }
}

#[derive(Serialize)]
struct DescriptorJson<'a> {
    fd: u32,
    what: &'a Descriptor,
}

#[derive(Serialize)]
struct ChangeJson<'a> {
    change: &'a Change,
    steps: Vec<String>,
}

#[derive(Serialize)]
struct HostJson {
    sleep: OnHostSleep,
    shutdown: OnHostShutdown,
}

impl<'a> ChangeJson<'a> {
    fn of(change: &'a Change) -> Self {
        Self { change, steps: change.steps().iter().map(Step::to_string).collect() }
    }
}

/// Adds to each origin in the `options` of a plan the file and the line of its key; `preset` says that the value
/// follows from what the guest is.
pub(in crate::cli) fn place_origins(options: &mut Value, keys: &Keys, sheets: &Sheets) {
    let options = options.as_array_mut().into_iter().flatten();
    for origin in options.filter_map(|option| option["origins"].as_array_mut()).flatten() {
        let key = origin["key"].as_str().unwrap_or_default().to_owned();
        if let Some(span) = keys.span_of(&key).filter(|_| keys.has(&key)) {
            let shown = sheets.shown(&span);
            origin["file"] = shown.name.into();
            origin["line"] = shown.line.into();
        }
        if let Some(why) = keys.preset(&key) {
            origin["preset"] = why.into();
        }
    }
}
