//! The doctor on captured machines: each check is held against one in which it finds something, and one in which it is
//! well. A case is a machine of `tests/hosts` with a patch laid over it (RFC 7386; PCI functions by their address).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "doctor/cases.rs"]
mod cases;

use cases::{CASES, Case};
use clap::Parser;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use vmrun::doctor::why::{nearest, topic, topics};
use vmrun::doctor::{Finding, Subject, Verdict, as_planned, examine, ids};
use vmrun::host::{Boot, Host};
use vmrun::plan::{Change, Draft, Emulator};
use vmrun::profile::reference::{Reference, schema};
use vmrun::unit::{Bdf, CpuSet, GuestName};

/// What a case describes.
struct Machine {
    host: Host,
    boot: Boot,
    owed: Vec<String>,
    passed: Option<Vec<Bdf>>,
}

impl Machine {
    /// `base` with `patch` over it. Beside the members of a dump a patch has `files` and `programs` of the boot, `owed`
    /// and `passed`.
    fn of(base: &str, patch: &str) -> Self {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/hosts/{base}.json"));
        let mut host: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        let mut patch: Value = serde_json::from_str(patch).unwrap();
        let mut take = |name: &str| patch.as_object_mut().unwrap().remove(name).unwrap_or(json!([]));
        let (files, programs, owed, passed) = (take("files"), take("programs"), take("owed"), take("passed"));
        let functions = patch.as_object_mut().unwrap().remove("pci").unwrap_or(json!({}));
        merge(&mut host, patch);
        for (bdf, patch) in functions.as_object().unwrap() {
            let all = host["pci"].as_array_mut().unwrap();
            match all.iter_mut().find(|function| function["bdf"] == bdf.as_str()) {
                Some(function) if !patch.is_null() => merge(function, patch.clone()),
                Some(_) => all.retain(|function| function["bdf"] != bdf.as_str()),
                None => all.push(patch.clone()),
            }
        }
        let files = files.as_object().into_iter().flatten();
        let files = files.map(|(path, text)| (PathBuf::from(path), text.as_str().map(str::to_owned))).collect();
        let programs = serde_json::from_value(programs).unwrap();
        let passed: Vec<Bdf> = serde_json::from_value(passed).unwrap();
        Self {
            host: serde_json::from_value(host).unwrap(),
            boot: Boot { files, programs, ..Boot::default() },
            owed: serde_json::from_value(owed).unwrap(),
            passed: Some(passed).filter(|passed| !passed.is_empty()),
        }
    }

    fn findings(&self) -> Vec<Finding> {
        let Self { host, boot, owed, passed } = self;
        examine(&Subject { host, boot, owed, passed: passed.as_deref(), pinned: None })
    }

    /// The worst that is said under `id`.
    fn worst(&self, id: &str) -> Finding {
        let of_id = self.findings().into_iter().filter(|finding| finding.id == id);
        of_id.min_by_key(|finding| finding.verdict).unwrap_or_else(|| panic!("{id} says nothing"))
    }
}

/// Lays `patch` over `value`: RFC 7386.
fn merge(value: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *value = patch;
        return;
    };
    if !value.is_object() {
        *value = json!({});
    }
    let object = value.as_object_mut().unwrap();
    for (name, patch) in patch {
        match patch {
            Value::Null => drop(object.remove(&name)),
            patch => merge(object.entry(name).or_insert(Value::Null), patch),
        }
    }
}

#[test]
fn each_check_has_a_case() {
    let (checks, cases): (BTreeSet<_>, BTreeSet<_>) = (ids().collect(), CASES.iter().map(|case| case.id).collect());
    assert_eq!(checks, cases);
    assert_eq!(checks.len(), ids().count(), "an id is there twice");
}

#[test]
fn each_check_finds_what_is_wrong_and_how_to_mend_it() {
    for Case { id, base, bad, verdict, fix, .. } in CASES {
        let found = Machine::of(base, bad).worst(id);
        assert_eq!(found.verdict, *verdict, "{id}: {found:?}");
        assert!(found.fix.contains(fix), "{id}: {found:?}");
        assert!(!found.read.is_empty() && !found.why.is_empty(), "{id}: {found:?}");
    }
}

#[test]
fn each_check_is_content_where_all_is_well() {
    for Case { id, base, well, .. } in CASES {
        let found = Machine::of(base, well).worst(id);
        assert_eq!((found.verdict, found.fix.as_str()), (Verdict::Ok, ""), "{id}: {found:?}");
    }
}

#[test]
fn the_fix_is_that_of_the_boot_loader_which_is_found() {
    let off = r#""iommu":{"present":false,"tables":["DMAR"]},"system":{"command_line":"quiet"}"#;
    let fix = |boot: &str| Machine::of("hybrid-one-gpu", &format!("{{{off}{boot}}}")).worst("iommu").fix;
    let grub = r#","files":{"/etc/default/grub":"GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\n"},"programs":["update-grub"]"#;
    assert_eq!(
        fix(grub),
        "in /etc/default/grub: GRUB_CMDLINE_LINUX_DEFAULT=\"quiet intel_iommu=on\"\nsudo update-grub\nthen reboot"
    );
    let entries =
        r#","files":{"/boot/loader/loader.conf":"","/boot/loader/entries/arch.conf":"linux /x\noptions root=a\n"}"#;
    assert_eq!(fix(entries), "in /boot/loader/entries/arch.conf: options root=a intel_iommu=on\nthen reboot");
    assert!(fix(r#","programs":["grubby"]"#).starts_with("sudo grubby --update-kernel=ALL --args=\"intel_iommu=on\""));
    assert!(fix("").contains("add intel_iommu=on to the kernel's arguments"));
}

#[test]
fn a_profile_that_passes_nothing_is_not_told_about_the_machine() {
    let machine = Machine::of("hybrid-one-gpu", "{}");
    let passed: &[Bdf] = &[];
    let subject = Subject { host: &machine.host, boot: &machine.boot, owed: &[], passed: Some(passed), pinned: None };
    assert_eq!(examine(&subject), []);
}

#[test]
fn a_profile_that_pins_and_passes_nothing_is_told_how_fast_its_host_cpus_are_and_no_more() {
    let slow = r#"{"system":{"clock":"hpet"},
        "cpus":[{"id":0,"core":0,"package":0,"node":0,"siblings":"0","governor":"powersave","preference":"power"},
            {"id":1,"core":1,"package":0,"node":0,"siblings":"1","governor":"powersave","preference":"performance"}]}"#;
    let machine = Machine::of("x3d-two-gpus", slow);
    let told = |cpu: u32| {
        let (passed, pinned): (&[Bdf], _) = (&[], CpuSet::of(cpu));
        let (host, boot) = (&machine.host, &machine.boot);
        let subject = Subject { host, boot, owed: &[], passed: Some(passed), pinned: Some(&pinned) };
        examine(&subject).into_iter().map(|finding| (finding.id, finding.verdict)).collect::<Vec<_>>()
    };
    assert_eq!(told(0), [("tsc", Verdict::Warn), ("governor", Verdict::Warn)]);
    assert_eq!(told(1), [("tsc", Verdict::Warn), ("governor", Verdict::Ok)]);
}

#[test]
fn a_profile_is_not_warned_of_what_it_cures_itself() {
    let slow = r#"{"passed":["0000:01:00.0"],"transparent_huge":{"enabled":"never","defrag":"madvise"},
        "system":{"kvm":{"kvm.ignore_msrs":"Y","kvm.report_ignored_msrs":"Y"}},
        "cpus":[{"id":0,"core":0,"package":0,"node":0,"siblings":"0","governor":"powersave","preference":"power"},
            {"id":1,"core":1,"package":0,"node":0,"siblings":"1","governor":"powersave","preference":"power"}]}"#;
    let Machine { host, boot, passed, .. } = Machine::of("x3d-two-gpus", slow);
    let warned = |host: &Host, pinned: &CpuSet| {
        let subject = Subject { host, boot: &boot, owed: &[], passed: passed.as_deref(), pinned: Some(pinned) };
        let ids = ["governor", "transparent-huge-pages", "ignore-msrs"];
        let bad = examine(&subject).into_iter().filter(|finding| finding.verdict != Verdict::Ok);
        bad.map(|finding| finding.id).filter(|id| ids.contains(id)).collect::<Vec<_>>()
    };
    assert_eq!(warned(&host, &CpuSet::of(1)), ["ignore-msrs", "transparent-huge-pages", "governor"]);
    let shared = |path: &str, to: &str| Change::Shared { path: path.into(), from: String::new(), to: to.into() };
    let emulator = Emulator { path: "qemu".into(), version: None };
    let name = GuestName::try_from("windows".to_owned()).unwrap();
    let mut contents = Draft::new(name, emulator, "/run".into()).contents;
    contents.changes = vec![
        shared("/sys/module/kvm/parameters/report_ignored_msrs", "N"),
        shared("/sys/kernel/mm/transparent_hugepage/enabled", "madvise"),
        shared("/sys/devices/system/cpu/cpu1/cpufreq/energy_performance_preference", "performance"),
    ];
    let cured = as_planned(&host, &contents);
    assert_eq!(warned(&cured, &CpuSet::of(1)), Vec::<&str>::new());
    assert_eq!(warned(&cured, &CpuSet::of(0)), ["governor"], "host CPU 0 is as slow as before");
}

#[test]
fn a_profile_is_told_about_the_card_that_it_passes_and_no_other() {
    let machine = Machine::of("x3d-two-gpus", r#"{"passed":["0000:0a:00.0","0000:0a:00.1"]}"#);
    let findings = machine.findings();
    assert!(findings.iter().any(|it| it.id == "boot-gpu" && it.verdict == Verdict::Warn), "{findings:?}");
    assert!(findings.iter().all(|finding| !finding.what.contains("0000:01:00.0")), "{findings:?}");
    assert!(findings.iter().all(|finding| finding.id != "qemu"), "planning judges it");
}

/// The guide's headings under "Troubleshooting", its gotchas, and its cures for what goes wrong elsewhere, as it has them;
/// each with the text that answers it.
const GUIDE: [(&str, &str); 12] = [
    ("\"Error 43 : Driver failed to load\" on Nvidia GPUs passed to Windows VMs", "error-43"),
    ("Unexpected crashes related to CPU exceptions", "cpu-exceptions"),
    ("\"System Thread Exception Not Handled\" when booting on a Windows VM", "system-thread-exception"),
    ("Slowed down audio pumped through HDMI on the video card", "hdmi-audio-crackle"),
    ("No HDMI audio output on host when intel_iommu is enabled", "hdmi-audio-host"),
    ("Plugging your guest GPU in an unisolated CPU-based PCIe slot", "gpu-group"),
    ("Using a non-EFI image on an OVMF-based VM", "uefi-shell"),
    ("High DPC Latency", "dpc-latency"),
    ("Using identical guest and host GPUs", "identical-gpus"),
    ("Passing the boot GPU to the guest", "boot-gpu"),
    ("Bypassing the IOMMU groups (ACS override patch)", "acs-override"),
    ("Passing through a device that does not support resetting", "reset"),
];

#[test]
fn each_check_and_each_trouble_of_the_guide_is_explained() {
    let others = ["code-127", "black-screen"];
    for id in ids().chain(GUIDE.map(|(_, id)| id)).chain(others) {
        let topic = topic(id).unwrap_or_else(|| panic!("nothing explains {id}"));
        assert!(topic.text.len() > 200 && topic.title.len() > 3, "{topic:?}");
    }
    let texts: BTreeSet<_> = topics().map(|topic| topic.id).collect();
    assert_eq!(texts.len(), topics().count(), "an id is there twice");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/doctor/why");
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let files: BTreeSet<_> = names.filter_map(|name| name.strip_suffix(".txt").map(str::to_owned)).collect();
    assert_eq!(texts, files.iter().map(String::as_str).collect());
}

#[test]
fn each_trouble_is_found_by_the_words_that_people_have_for_it() {
    let words = [
        ("error43", "error-43"),
        ("code127", "code-127"),
        ("dpc", "dpc-latency"),
        ("blackscreen", "black-screen"),
        ("crackle", "hdmi-audio-crackle"),
        ("core2duo", "system-thread-exception"),
        ("msrs", "ignore-msrs"),
    ];
    for (word, id) in words {
        assert_eq!(nearest(word), Some(id), "{word}");
    }
}

#[test]
fn what_the_texts_point_to_is_there() {
    let reference = Reference::of(&schema());
    let findings: String = CASES
        .iter()
        .flat_map(|case| Machine::of(case.base, case.bad).findings())
        .map(|finding| format!("{}\n{}\n", finding.fix, finding.why))
        .collect();
    let texts: Vec<_> = topics().map(|topic| (topic.id, topic.text.to_owned())).chain([("fixes", findings)]).collect();
    let mut pointers = 0;
    for (id, text) in &texts {
        for target in after(text, "vmrun why ") {
            pointers += 1;
            assert!(target == "ID" || topic(target).is_some(), "{id} points to `vmrun why {target}`");
        }
        for target in after(text, "vmrun explain ") {
            pointers += 1;
            let known = reference.table(target).is_some() || reference.key(target).is_some();
            assert!(known, "{id} points to `vmrun explain {target}`");
        }
    }
    assert!(pointers > 50, "{pointers}");
}

#[test]
fn what_is_to_be_typed_is_a_command_that_vmrun_understands() {
    let copied = topics().flat_map(|topic| topic.text.lines().filter_map(|line| line.strip_prefix("    ")));
    let quoted = topics().flat_map(|topic| topic.text.split('`').skip(1).step_by(2));
    let fixes: Vec<_> = CASES.iter().flat_map(|case| Machine::of(case.base, case.bad).findings()).collect();
    let fixes = fixes.iter().flat_map(|finding| finding.fix.lines());
    let lines: Vec<_> = copied.chain(quoted).chain(fixes).collect();
    let (mut commands, mut wrong): (_, Vec<&str>) = (0, Vec::new());
    for line in &lines {
        let words = shlex::split(line.split(" #").next().unwrap()).unwrap_or_default();
        let words = words.strip_prefix(&["sudo".to_owned()][..]).unwrap_or(&words);
        if words.first().is_some_and(|word| word == "vmrun") {
            commands += 1;
            wrong.extend(Some(*line).filter(|_| !is_understood(words)));
        }
        // A command within prose would be folded.
        let within = [": sudo ", ": echo ", ": virsh ", ": vmrun isolate"].iter().any(|shell| line.contains(shell));
        wrong.extend(Some(*line).filter(|_| within));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(commands > 60, "{commands}");
}

/// Whether clap takes `words`, or misses nothing but what a person has to fill in.
fn is_understood(words: &[String]) -> bool {
    use clap::error::ErrorKind::{
        DisplayHelpOnMissingArgumentOrSubcommand, MissingRequiredArgument, MissingSubcommand,
    };
    let open = [DisplayHelpOnMissingArgumentOrSubcommand, MissingRequiredArgument, MissingSubcommand];
    let parsed = vmrun::cli::args::Cli::try_parse_from(words);
    parsed.map_or_else(|error| open.contains(&error.kind()), |_| true)
}

/// The words that stand in `text` behind `words`.
fn after<'t>(text: &'t str, words: &'t str) -> impl Iterator<Item = &'t str> {
    text.split(words).skip(1).filter_map(|rest| {
        let word = rest.split(|c: char| !(c.is_alphanumeric() || "-_.".contains(c))).next()?;
        Some(word.trim_end_matches('.'))
    })
}

#[test]
fn tables_and_keys_that_the_texts_write_are_those_of_profiles() {
    let reference = Reference::of(&schema());
    for topic in topics() {
        let mut table = None;
        for line in topic.text.lines() {
            let Some(line) = line.strip_prefix("    ") else {
                table = None;
                continue;
            };
            let name = line.trim_matches(['[', ']']);
            if line.starts_with('[') && line.ends_with(']') && !line.contains('\\') {
                assert!(reference.table(name).is_some(), "{}: {line}", topic.id);
                table = Some(name);
            } else if let (Some(table), Some((key, _))) = (table, line.split_once(" = ")) {
                let path = format!("{table}.{key}");
                let known = reference.key(&path).is_some() || reference.table(&path).is_some();
                assert!(known, "{}: [{table}] {line}", topic.id);
            }
        }
    }
}

#[test]
fn a_report_has_all_parts_and_no_address() {
    let folder = tempfile::tempdir().unwrap();
    let profile = folder.path().join("guest.toml");
    let text = "schema = 1\nname = \"reported\"\nuuid = \"a3bf6450-d26b-4815-b564-b1c9b098a740\"\n\
                [[net]]\nmode = \"user\"\nmac = \"52:54:00:12:34:56\"\n";
    std::fs::write(&profile, text).unwrap();
    let report = std::process::Command::new(env!("CARGO_BIN_EXE_vmrun"))
        .args(["report", "--output", "-"])
        .arg(&profile)
        .env("VMRUN_STATE_DIR", folder.path().join("state"))
        .env("VMRUN_RUNTIME_DIR", folder.path().join("run"))
        .output()
        .unwrap();
    let text = String::from_utf8(report.stdout).unwrap();
    assert_eq!(report.status.code(), Some(0), "{text}");
    let json = std::process::Command::new(env!("CARGO_BIN_EXE_vmrun"))
        .args(["report", "--output", "-", "--json"])
        .env("VMRUN_RUNTIME_DIR", folder.path().join("run"))
        .output()
        .unwrap();
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert!(json["v"] == 1 && json["text"].as_str().unwrap().contains("==== vmrun check ===="), "{json}");
    for part in ["profile", "problems and warnings", "plan", "vmrun check", "vmrun host --dump"] {
        assert!(text.contains(&format!("==== {part} ====")), "{part}");
    }
    assert!(text.contains("MAC-1") && text.contains("UUID-1"), "{text}");
    for private in ["52:54:00:12:34:56", "a3bf6450-d26b-4815-b564-b1c9b098a740", "\u{1b}"] {
        assert!(!text.contains(private), "{private:?}");
    }
}

#[test]
fn a_second_report_has_a_name_of_its_own_and_a_named_file_is_written_over_when_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let report = |words: &[&str]| {
        let mut vmrun = std::process::Command::new(env!("CARGO_BIN_EXE_vmrun"));
        let ran = vmrun.arg("report").args(words).current_dir(folder.path()).output().unwrap();
        (ran.status.code(), String::from_utf8(ran.stderr).unwrap())
    };
    let size = |name: &str| std::fs::metadata(folder.path().join(name)).unwrap().len();
    for name in ["vmrun-report.txt", "vmrun-report-2.txt", "vmrun-report-3.txt"] {
        let (code, said) = report(&[]);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.starts_with(&format!("{name}: names, serial numbers")), "{said}");
        assert!(size(name) > 1000, "{name}");
    }
    std::fs::write(folder.path().join("mine.txt"), "mine").unwrap();
    let (code, said) = report(&["--output", "mine.txt"]);
    assert_eq!(code, Some(10), "{said}");
    assert!(said.contains("mine.txt is there already") && said.contains("--force"), "{said}");
    assert_eq!(size("mine.txt"), 4);
    assert_eq!(report(&["--output", "mine.txt", "--force"]).0, Some(0));
    assert!(size("mine.txt") > 1000);
}
