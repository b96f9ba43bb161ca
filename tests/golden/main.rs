//! Planning, held against files: `<table>/<case>.toml` beside `.plan`, one argument a line, or `.err`, one problem a
//! paragraph. `UPDATE=1 cargo test --test golden` writes them anew; the diff is what to review.
//!
//! A case starts with its [`scene`]. What is planned there also starts in the real QEMU, see [`real_qemu`].

mod cases;
mod real_qemu;
mod scene;
#[path = "../support/setup.rs"]
#[allow(dead_code, reason = "each test binary uses a part")]
mod setup;
mod shipped;
mod stand_in;
mod text;

use cases::Case;
use scene::Scene;
use std::env;
use std::fs;
use std::path::Path;

#[test]
fn every_case_is_planned_as_its_file_says() {
    let update = env::var_os("UPDATE").is_some();
    let cases = cases::all().into_iter().chain(shipped::windows());
    let wrong: Vec<String> = cases.filter_map(|case| judge(&case, update)).collect();
    assert!(wrong.is_empty(), "{}\nUPDATE=1 writes what is planned now; review the diff", wrong.join("\n"));
}

#[test]
fn every_case_is_planned_alike_in_a_file_that_another_folder_extends() {
    let planned = cases::all().into_iter().filter_map(|case| Some((case.plan().ok()?, case)));
    let differing: Vec<String> = planned
        .filter_map(|(plan, case)| {
            let below = case.plan_below_another().map_or_else(|_| "it is refused".to_owned(), |plan| text::of(&plan));
            let plan = text::of(&plan);
            let line = plan.lines().zip(below.lines()).find(|(alone, below)| alone != below);
            (plan != below).then(|| format!("{}: {line:?}", case.path.display()))
        })
        .collect();
    assert!(differing.is_empty(), "a key of a path is not known as one\n{}", differing.join("\n"));
}

/// Guards what is told of lacking devices against false alarms: what QEMU accepts in [`real_qemu`] it must not refuse.
#[test]
fn what_debians_qemu_can_do_is_not_refused_for_want_of_it() {
    // Windows, their OpenGL, sound servers and their kin are in packages that are not installed.
    let apart = ["display.kind", "display.video", "audio.driver"];
    let told = ["7.2", "10.0"].into_iter().flat_map(|version| {
        let cases = cases::all().into_iter().chain(shipped::all());
        cases.filter(move |case| case.plan().is_ok() && !Scene::names_newer_than(&case.text, version)).flat_map(
            move |case| {
                let scene = case.scene.clone().with_qemu(scene::installed(version));
                let path = case.path.clone();
                let refusal = match (Case { scene, ..case }).plan() {
                    Err(cases::Failure::Refused(refusal)) => refusal.problems,
                    _ => Vec::new(),
                };
                refusal.into_iter().map(move |problem| (version, path.clone(), problem))
            },
        )
    });
    let wrong: Vec<_> = told
        .filter(|(.., problem)| !apart.contains(&problem.at.as_str()) && problem.what.contains(" has no "))
        .map(|(version, path, problem)| format!("{version} {}: {}: {}", path.display(), problem.at, problem.what))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Case, a part of an argument that follows from a fact about the host, and where that was read.
const READ: [(&str, &str, &str); 6] = [
    ("net/multiqueue", "\"host_mtu\":9000", "/sys/class/net/br9000/mtu"),
    ("net/multiqueue", "\"vhost\":true", "/dev/vhost-net"),
    ("memory/node_of_the_pins", "\"host-nodes\"", "/sys/devices/system/node/node*/cpulist"),
    ("firmware/mmio64_of_a_large_card", "X-PciMmio64Mb", "/sys/bus/pci/devices/*/resource"),
    ("audio/seed", "/run/user/1000/pulse/native", "SUDO_UID and /run/user"),
    ("cpu/threads_amd", "topoext=on", "vendor_id in /proc/cpuinfo"),
];

#[test]
fn what_follows_from_the_host_says_where_that_was_read() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    for (name, part, source) in READ {
        let Ok(plan) = Case::of(root.join(format!("{name}.toml")), None).plan() else { panic!("{name} is refused") };
        let args = plan.argv.args();
        let arg = args.iter().find(|arg| arg.value.as_ref().is_some_and(|value| value.contains(part)));
        let Some(arg) = arg else { panic!("{name} has no {part}") };
        assert!(
            arg.origins.iter().any(|origin| origin.source.starts_with(source)),
            "{name}: {part}: {:?}",
            arg.origins
        );
    }
}

/// What is wrong with `case`; with `update` its file is written instead.
fn judge(case: &Case, update: bool) -> Option<String> {
    let (extension, found) = case.outcome();
    let expected_in = case.golden.with_extension(extension);
    let stale = case.golden.with_extension(if extension == "plan" { "err" } else { "plan" });
    if update {
        fs::write(&expected_in, &found).expect("the golden is written");
        let _ = fs::remove_file(stale);
        return None;
    }
    let expected = fs::read_to_string(&expected_in).unwrap_or_default();
    let first = expected.lines().zip(found.lines()).find(|(expected, found)| expected != found);
    let name = expected_in.display();
    match first {
        _ if stale.exists() => Some(format!("{}: is there, but the case now has {extension}", stale.display())),
        Some((expected, found)) => Some(format!("{name}\n  expected: {expected}\n  found:    {found}")),
        None if expected != found => {
            Some(format!("{name}: {} lines expected, {} found", expected.lines().count(), found.lines().count()))
        }
        None => None,
    }
}
