//! Asks a QEMU program what it can do.
//!
//! One QEMU without a machine answers over QMP; two more only print a list, beside it and in less time, because no QMP
//! command tells which audio and display modules are installed.

use super::description::{Abilities, CPU, DESCRIBED, MachineModel, PC};
use super::names::Names;
use crate::host::Root;
use crate::host::program::Mute;
use crate::unit::Version;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::thread;
use std::time::Duration;

/// How long a QEMU may take to tell its version or its abilities, on the slowest disk; a healthy one takes 150 ms.
const PATIENCE: Duration = Duration::from_secs(20);

/// A QEMU without KVM built in takes `tcg`, one without TCG the other; neither is used.
const LISTEN: &[&str] = &[
    "-machine",
    "none",
    "-nodefaults",
    "-no-user-config",
    "-display",
    "none",
    "-accel",
    "tcg",
    "-accel",
    "kvm",
    "-S",
    "-qmp",
    "stdio",
];

/// Version and abilities of the program at `path`, or why it does not tell.
pub(super) fn ask(root: &Root, path: &Path) -> Result<(Version, Abilities), String> {
    let list = |option: &'static str, heading: &'static str| {
        let help = root.output(path, &[option, "help"], PATIENCE).unwrap_or_default();
        listed(&help, heading)
    };
    thread::scope(|scope| {
        let audio_drivers = scope.spawn(|| list("-audiodev", "Available audio drivers:"));
        let displays = scope.spawn(|| list("-display", "Available display backend types:"));
        let (version, abilities) = over_qmp(root, path)?;
        let audio_drivers = audio_drivers.join().unwrap_or_default();
        let displays = displays.join().unwrap_or_default();
        Ok((version, Abilities { audio_drivers, displays, ..abilities }))
    })
}

/// Version of the program at `path`, as it prints it.
pub(super) fn version(root: &Root, path: &Path) -> Option<Version> {
    printed(&root.output(path, &["--version"], PATIENCE)?)
}

/// The version in `QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)`; QEMU `system/vl.c`, `version()`.
fn printed(output: &str) -> Option<Version> {
    let rest = output.lines().next()?.strip_prefix("QEMU emulator version ")?;
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    rest[..end].parse().ok()
}

/// The words below `heading` up to an empty line; none when the heading is missing, as before QEMU 7.
fn listed(help: &str, heading: &str) -> Names {
    let lines = help.lines().skip_while(|line| *line != heading).skip(1);
    lines.take_while(|line| !line.trim().is_empty()).map(|line| line.trim().to_owned()).collect()
}

fn over_qmp(root: &Root, path: &Path) -> Result<(Version, Abilities), String> {
    let questions = questions();
    let input: String = questions.iter().map(|question| format!("{question}\n")).collect();
    let enough = |said: &[u8]| answers(said).count() >= questions.len();
    let said = root.converse(path, LISTEN, input.as_bytes(), &enough, PATIENCE).map_err(|mute| match mute {
        Mute::Gone => "it ended before it answered over QMP".to_owned(),
        Mute::Late => format!("it did not answer over QMP within {} s", PATIENCE.as_secs()),
        Mute::Endless => "what it says is no end of QMP".to_owned(),
    })?;
    let answers = answers(&said).filter_map(|line| serde_json::from_slice::<Answer>(line).ok());
    let answers: BTreeMap<String, Value> = answers.filter_map(|answer| Some((answer.id, answer.value?))).collect();
    understood(&answers).ok_or_else(|| "its answer to query-version over QMP is not understood".to_owned())
}

/// An answer; the value is missing when QEMU refuses the question, which an older one does for a type it has not.
#[derive(Deserialize)]
struct Answer {
    id: String,
    #[serde(rename = "return")]
    value: Option<Value>,
}

/// The lines that are answers; greeting and events are not.
fn answers(said: &[u8]) -> impl Iterator<Item = &[u8]> {
    let whole = said.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let lines = said[..whole].split(|byte| *byte == b'\n');
    lines.filter(|line| {
        line.starts_with(b"{\"return\"") || line.starts_with(b"{\"id\"") || line.starts_with(b"{\"error\"")
    })
}

/// Identifies each by the type it is about or by its own name.
fn questions() -> Vec<Value> {
    let plain = ["qmp_capabilities", "query-version", "query-machines", "qom-list-types", "query-qmp-schema"];
    let plain = plain.map(|command| json!({"execute": command, "id": command}));
    let about = |command: &str, name: &str| json!({"execute": command, "id": name, "arguments": {"typename": name}});
    let types = [CPU, PC].map(|name| about("qom-list-properties", name));
    let described = DESCRIBED.map(|name| {
        about(if name.starts_with("memory-") { "qom-list-properties" } else { "device-list-properties" }, name)
    });
    plain.into_iter().chain(types).chain(described).collect()
}

fn understood(answers: &BTreeMap<String, Value>) -> Option<(Version, Abilities)> {
    let qemu = &answers.get("query-version")?["qemu"];
    let version = format!("{}.{}.{}", qemu["major"], qemu["minor"], qemu["micro"]).parse().ok()?;
    let named = |id: &str| names(answers.get(id));
    let cpu_models = named("qom-list-types").filter_map(|name| name.strip_suffix("-x86_64-cpu")).collect();
    let other = |name: &&str| !name.ends_with("-x86_64-cpu") && !name.ends_with("-machine");
    let types = named("qom-list-types").filter(other).collect();
    let properties = [CPU, PC].into_iter().chain(DESCRIBED);
    let properties = properties.map(|name| (name.to_owned(), named(name).collect::<Names>()));
    let properties = properties.filter(|(_, names)| !names.is_empty()).collect();
    let machines = answers.get("query-machines").map(machines).unwrap_or_default();
    let aio = answers.get("query-qmp-schema").map(aio).unwrap_or_default();
    Some((version, Abilities { types, machines, cpu_models, properties, aio, ..Abilities::default() }))
}

fn names(list: Option<&Value>) -> impl Iterator<Item = &str> {
    let entries = list.and_then(Value::as_array).into_iter().flatten();
    entries.filter_map(|entry| entry["name"].as_str())
}

/// The values of `BlockdevAioOptions`, which has no name in the answer; QEMU: `qapi/block-core.json`.
fn aio(schema: &Value) -> Names {
    let enums = schema.as_array().into_iter().flatten().filter_map(|entry| entry["values"].as_array());
    let mut words = enums.map(|values| values.iter().filter_map(Value::as_str).collect::<Names>());
    words.find(|words| words.contains("threads") && words.contains("native")).unwrap_or_default()
}

fn machines(list: &Value) -> Vec<MachineModel> {
    let entries = list.as_array().into_iter().flatten();
    let mut machines: Vec<_> = entries.filter_map(machine).collect();
    machines.sort_by(|a, b| a.name.cmp(&b.name));
    machines
}

fn machine(entry: &Value) -> Option<MachineModel> {
    Some(MachineModel {
        name: entry["name"].as_str()?.to_owned(),
        alias: entry["alias"].as_str().map(str::to_owned),
        deprecated: entry["deprecated"].as_bool().unwrap_or_default(),
        cpu_max: entry["cpu-max"].as_u64().and_then(|max| u32::try_from(max).ok()).unwrap_or(u32::MAX),
    })
}

#[cfg(test)]
mod test {
    use super::{aio, answers, listed, printed};
    use serde_json::json;

    #[test]
    fn the_version_is_read_in_the_forms_that_are_shipped() {
        let cases = [
            ("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)\nCopyright", "7.2.22"),
            ("QEMU emulator version 10.0.2", "10.0.2"),
            ("QEMU emulator version 10.1.90-dirty", "10.1.90"),
            ("QEMU emulator version 9.2.50 (v9.2.0-1-gabc)", "9.2.50"),
        ];
        for (text, expected) in cases {
            assert_eq!(printed(text), expected.parse().ok(), "{text}");
        }
        assert_eq!(printed("bash 5.2"), None);
        assert_eq!(printed(""), None);
    }

    #[test]
    fn a_list_ends_at_an_empty_line_and_needs_its_heading() {
        let help = "Available display backend types:\nnone\ngtk\n\nSome display backends";
        assert!(listed(help, "Available display backend types:").iter().eq(["gtk", "none"]));
        assert!(listed("none\ngtk\n", "Available display backend types:").is_empty());
    }

    #[test]
    fn the_ways_to_read_images_are_found_without_their_name() {
        let schema = json!([
            {"name": "1", "meta-type": "enum", "values": ["threads", "other"]},
            {"name": "2", "meta-type": "enum", "values": ["threads", "native", "io_uring"], "members": []},
            {"name": "3", "meta-type": "object", "members": []},
        ]);
        assert!(aio(&schema).iter().eq(["io_uring", "native", "threads"]));
        assert!(aio(&json!([])).is_empty());
    }

    #[test]
    fn an_unfinished_line_is_no_answer() {
        let said = b"{\"QMP\": {}}\r\n{\"return\": {}, \"id\": \"a\"}\r\n{\"event\": \"X\"}\r\n{\"return\": [";
        assert_eq!(answers(said).count(), 1);
    }
}
