//! The profiles and examples that come with vmrun: each can be planned, and starts.

use crate::cases::{Case, Failure};
use std::fs;
use std::path::{Path, PathBuf};
use vmrun::plan::{Problem, Sched};
use vmrun::profile::Profile;

/// The header of the scene in which a shipped profile plays.
const SCENES: [(&str, &str); 5] = [
    (
        "share.toml",
        "# virtiofsd: {\"path\":\"/usr/libexec/virtiofsd\",\"version\":\"1.13.2\",\"of_qemu\":false}\n# folder: /srv/games\n",
    ),
    ("pinning.toml", "# host: quad-ht\n"),
    ("pinning-1.toml", "# host: quad-ht\n"),
    ("pinning-2.toml", "# host: quad-ht\n"),
    ("libvirt-example.toml", "# host: quad-ht-02\n# block: /dev/rootvg/win7\n# block: /dev/rootvg/windane\n"),
];

/// All shipped profiles, each also with each of its variants.
pub(crate) fn all() -> Vec<Case> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = |name: &str| fs::read_dir(root.join(name)).expect("the folder is there");
    let entries = folder("profiles").chain(folder("examples")).map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|ext| ext == "toml")).collect();
    paths.sort();
    paths.into_iter().map(case).flat_map(with_variants).collect()
}

fn case(path: PathBuf) -> Case {
    let scene = SCENES.iter().find(|(name, _)| path.ends_with(name)).map_or("", |(_, header)| header);
    let mut case = Case::of(path, Some(scene));
    case.text = case.text.replace("REGULAR_USER", "alice");
    case
}

fn with_variants(case: Case) -> Vec<Case> {
    let table: toml::Table = toml::from_str(&case.text).expect("the profile is TOML");
    let variants = table.get("variant").and_then(|variants| variants.as_table()).into_iter().flatten();
    let variants = variants.map(|(name, _)| Case { variant: Some(name.clone()), ..case.clone() }).collect::<Vec<_>>();
    std::iter::once(case).chain(variants).collect()
}

/// The profile that most people start from, with its outcome beside the cases.
pub(crate) fn windows() -> [Case; 1] {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    [Case { golden: root.join("tests/golden/shipped/windows"), ..shipped("profiles/windows.toml") }]
}

fn shipped(name: &str) -> Case {
    all().into_iter().find(|case| case.path.ends_with(name)).unwrap_or_else(|| panic!("{name} is not shipped"))
}

#[test]
fn every_shipped_profile_can_be_planned() {
    let cases = all();
    assert!(cases.len() >= 7);
    let refused = cases.iter().filter_map(|case| {
        let why = match case.plan() {
            Ok(_) => return None,
            Err(Failure::Text(mistake)) => mistake,
            Err(Failure::Refused(refusal)) => crate::text::problems(&refusal.problems),
        };
        Some(format!("{}\n{why}", case.path.display()))
    });
    let refused: Vec<String> = refused.collect();
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

#[test]
fn the_windows_profile_asks_for_the_one_line_to_edit() {
    let mut case = shipped("profiles/windows.toml");
    case.text = case.text.replace("\"alice\"", "\"REGULAR_USER\"");
    let Err(Failure::Refused(refusal)) = case.plan() else { panic!("the login is a placeholder") };
    let told: Vec<_> = refusal.problems.iter().map(|Problem { at, what, .. }| format!("{at}: {what}")).collect();
    assert_eq!(told, ["service[2].user: this host has no account REGULAR_USER"]);
}

fn words(case: &Case) -> String {
    case.plan().map_or_else(|_| panic!("{} is refused", case.path.display()), |plan| plan.argv.words().join("\n"))
}

#[test]
fn windows_is_installed_in_a_window_and_played_on_the_card() {
    let card = shipped("profiles/windows11.toml");
    let install = words(&Case { variant: Some("install".into()), ..card.clone() });
    let card = words(&card);
    for (wanted, of_card, of_install) in [
        ("vfio-pci", true, false),
        ("hugetlb", true, false),
        ("kvm=off", true, false),
        ("hv-synic", true, true),
        ("windows11.img", true, true),
        ("virtio-win.iso", false, true),
        ("Win11_x64.iso", false, true),
        ("\"type\":\"gtk\"", false, true),
        ("\"VGA\"", false, true),
    ] {
        assert_eq!((card.contains(wanted), install.contains(wanted)), (of_card, of_install), "{wanted}");
    }
}

#[test]
fn the_pins_of_the_two_ways_are_judged() {
    let warnings = |name: &str| shipped(name).plan().map_or_else(|_| Vec::new(), |plan| plan.warnings);
    let told = |warnings: &[Problem]| -> Vec<_> {
        warnings.iter().map(|Problem { at, what, fix, .. }| (at.clone(), what.clone(), fix.clone())).collect()
    };
    let one = |what: &str, fix: &str| vec![("cpu.pinning.vcpus".to_owned(), what.to_owned(), fix.to_owned())];
    let shared = "the vCPUs on host CPUs 4-7 share cores with host CPUs 0-3, which the host keeps";
    let whole = "cores = 2\nthreads = 2\n[cpu.pinning]\nvcpus = [2, 6, 3, 7]";
    assert_eq!(told(&warnings("profiles/pinning-1.toml")), one(shared, whole));
    let siblings = "vCPUs 0, 1 are siblings to the guest, but host CPUs 2, 3 are not";
    assert_eq!(told(&warnings("profiles/pinning-2.toml")), one(siblings, "vcpus = [2, 6, 3, 7]"));
}

#[test]
fn examples_are_free_of_warnings() {
    let warned = all().into_iter().filter(|case| case.path.parent().is_some_and(|folder| folder.ends_with("examples")));
    let warned: Vec<String> = warned
        .flat_map(|case| case.plan().map_or_else(|_| Vec::new(), |plan| plan.warnings))
        .map(|warning| format!("{}: {}", warning.at, warning.what))
        .collect();
    assert_eq!(warned, Vec::<String>::new());
}

#[test]
fn the_demo_keeps_the_machine_and_leaves_the_disks() {
    let case = shipped("profiles/windows.toml");
    let profile: Profile = toml::from_str(&case.text).unwrap();
    let demo = profile.into_demo("/run/vmrun/Windows/guest".into(), "poweroff");
    let setting = case.scene.setting("Windows");
    let plan = demo.plan(&case.scene.host(&demo.wants(&setting)), &setting).unwrap();
    let line = plan.argv.words().join("\n");
    for kept in ["hv-vendor-id=sugoidesu", "vfio-pci", "usb-host", "\"hugetlb\":true", "then=poweroff"] {
        assert!(line.contains(kept), "{kept} is not in\n{line}");
    }
    for gone in ["Windows.img", "pflash"] {
        assert!(!line.contains(gone), "{gone} is in\n{line}");
    }
    assert!(plan.services.is_empty() && plan.hooks.is_empty() && plan.files.is_empty());
}

#[test]
fn pins_can_be_given_to_any_profile() {
    let case = shipped("profiles/demo.toml");
    let profile: Profile = toml::from_str(&case.text).unwrap();
    let pins = (0..profile.vcpus()).map(|vcpu| vmrun::unit::CpuSet::of([0, 8, 1, 9][vcpu as usize])).collect();
    let pinned = profile.with_pins(pins, None);
    let setting = case.scene.setting("demo");
    let plan = pinned.plan(&case.scene.host(&pinned.wants(&setting)), &setting).unwrap();
    let vcpus: Vec<_> = plan.pins.vcpus.iter().map(|place| place.cpus.clone().unwrap().to_string()).collect();
    assert_eq!(vcpus, ["0", "8", "1", "9"]);
    assert!(plan.pins.vcpus.iter().all(|place| place.sched == Sched::Normal));
    assert_eq!(plan.pins.emulator.clone().unwrap().to_string(), "2-7,10-15");
}
