//! A plan as JSON, for programs. Keys are stable; `v` counts up when one changes its meaning.

use crate::plan::{Change, Contents, FIRST_DESCRIPTOR, Step};
use crate::profile::source::{Keys, Sheets};
use serde_json::{Value, json};

/// All of a plan.
pub(in crate::cli) fn plan(contents: &Contents) -> Value {
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
    } = contents;
    let descriptors: Vec<_> =
        (FIRST_DESCRIPTOR..).zip(descriptors).map(|(fd, what)| json!({ "fd": fd, "what": what })).collect();
    let undo: Vec<_> = changes.iter().rev().map(Change::inverse).collect();
    json!({
        "name": name.as_str(),
        "qemu": emulator,
        "user": user,
        "session": session,
        "vcpus": vcpus,
        "run_dir": run_dir,
        "argv": argv.words(),
        "options": argv.args(),
        "env": env,
        "descriptors": descriptors,
        "locked_memory": locked_memory,
        "transparent": transparent,
        "fallback": fallback.as_ref().map(|plan| plan.argv.words()),
        "usb": usb,
        "evdev": evdev,
        "pins": pins,
        "room": room,
        "share": share,
        "interrupts": interrupts,
        "addresses": seats,
        "clock": clock,
        "files": files,
        "changes": changes.iter().map(change).collect::<Vec<_>>(),
        "undo": undo.iter().map(change).collect::<Vec<_>>(),
        "links_down": links_down,
        "devices": devices,
        "hooks": hooks,
        "services": services,
        "ending": ending,
        "dead_boot": dead_boot,
        "panic_key": panic_key,
        "host": { "sleep": contents.on_host_sleep(), "shutdown": host_shutdown },
    })
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

fn change(change: &Change) -> Value {
    let steps: Vec<_> = change.steps().iter().map(Step::to_string).collect();
    json!({ "change": change, "steps": steps })
}
