//! `vmrun ps`: all guests, a line each.

use super::shown::ago;
use super::status::{Seen, look};
use super::{names, on_the_loop, run_dir};
use crate::cli::Exit;
use crate::cli::output::{Output, Weight};
use crate::cli::render::table;
use crate::supervise::Status;
use crate::unit::GuestName;
use serde_json::{Value, json};

/// Shows the guests that run, and those whose run was cut short.
pub(in crate::cli) fn ps(output: Output) -> Exit {
    let guests = on_the_loop(async {
        // At once: one that does not answer keeps nobody waiting for the others.
        let looks = names().into_iter().map(|name| {
            let dir = run_dir(&name);
            (name, tokio::spawn(async move { look(&dir).await }))
        });
        let mut guests = Vec::new();
        for (name, look) in looks.collect::<Vec<_>>() {
            match look.await {
                // A folder that is about to be removed, or made.
                Ok(seen) if seen.exit == Exit::Stopped => {}
                Ok(seen) => guests.push((name, seen)),
                // Nothing in it panics, and nobody aborts it.
                Err(_) => {}
            }
        }
        guests
    });
    let Ok(guests) = guests else { return Exit::Internal };
    if output.json {
        return output.answer_json(&Value::Array(guests.iter().map(described).collect()), Exit::Good);
    }
    if guests.is_empty() {
        if !output.quiet {
            output.say(Weight::Info, "no guest runs");
        }
        return Exit::Good;
    }
    let mut page = String::new();
    let rows: Vec<_> = guests.iter().map(row).collect();
    table(&mut page, output.width, ["name", "state", "for", "qemu", "vCPUs", "memory", "pins", "devices"], &rows);
    output.answer(&page, Exit::Good)
}

fn described((name, Seen { exit, word, status, .. }): &(GuestName, Seen)) -> Value {
    json!({ "name": name, "state": word, "exit": exit.code(), "vmrun": status })
}

fn row((name, Seen { word, status, .. }): &(GuestName, Seen)) -> [String; 8] {
    let Some(Status { qemu, since, vcpus, memory, devices, pins, .. }) = status else {
        return [
            name.to_string(),
            word.clone(),
            "-".into(),
            "-".into(),
            "-".into(),
            "-".into(),
            "-".into(),
            String::new(),
        ];
    };
    [
        name.to_string(),
        word.clone(),
        ago(*since),
        qemu.map_or_else(|| "-".into(), |pid| pid.to_string()),
        vcpus.to_string(),
        memory.clone(),
        match (pins.placed, pins.moved.len()) {
            (0, _) => "-".into(),
            (_, 0) => "ok".into(),
            (_, moved) => format!("{moved} moved"),
        },
        devices.join(", "),
    ]
}
