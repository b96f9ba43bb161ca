//! Every file of `tests/import` comes in, leaves by each door that has a way back, and comes in again as the same guest: above
//! all as the one that Windows is activated for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use vmrun::export::{From, libvirt, script};
use vmrun::host::Host;
use vmrun::import::import;
use vmrun::plan::{Contents, Kept};
use vmrun::profile::{Profile, Setting};

/// Keys by which a guest is known to what runs in it.
const KEYS: [&str; 17] = [
    "uuid",
    "machine.type",
    "cpu.model",
    "cpu.sockets",
    "cpu.cores",
    "cpu.threads",
    "cpu.hide_kvm",
    "cpu.hv_vendor_id",
    "memory.size",
    "firmware.secure_boot",
    "vmgenid.guid",
    "clock.base",
    "tpm.model",
    "smbios.system",
    "smbios.bios",
    "smbios.board",
    "smbios.chassis",
];

/// Lists, and what tells one entry of each from the others.
const LISTS: [(&str, &[&str]); 3] = [
    ("disk", &["file", "format", "bus", "serial", "wwn", "cdrom", "rotation_rate"]),
    ("net", &["model", "mac"]),
    ("usb", &["id"]),
];

/// A captured host that has what the profile passes, too.
fn host(root: &toml::Table) -> Host {
    let mut host: Host = serde_json::from_str(include_str!("../hosts/zen3.json")).unwrap();
    let passed = root.get("pci").and_then(toml::Value::as_array).into_iter().flatten();
    let wanted = passed.flat_map(|table| match (table.get("host"), table.get("device")) {
        (Some(host), _) => vec![host.as_str().unwrap().to_owned()],
        (None, Some(slot)) => [0, 1].map(|function| format!("{}.{function}", slot.as_str().unwrap())).into(),
        (None, None) => panic!("{table}"),
    });
    let spare = host.pci[0].clone();
    for bdf in wanted.map(|bdf| bdf.parse().unwrap()) {
        host.pci.retain(|function| function.bdf != bdf);
        let mut function = spare.clone();
        function.bdf = bdf;
        host.pci.push(function);
    }
    host
}

/// What is drafted there: what is refused is about the host, and the guest is there.
pub(crate) fn drafted(profile: &str) -> (toml::Table, Contents) {
    let read: Profile = toml::from_str(profile).unwrap_or_else(|error| panic!("{error}\n{profile}"));
    let setting = Setting {
        dir: "/srv/vm".into(),
        home: None,
        run_dir: "/run/vmrun/guest".into(),
        state_dir: "/var/lib/vmrun/guest".into(),
        kept: Kept::default(),
    };
    let root: toml::Table = profile.parse().unwrap();
    let contents = match read.plan(&host(&root), &setting) {
        Ok(plan) => (*plan).clone(),
        Err(refusal) => refusal.contents,
    };
    (root, contents)
}

/// The facts of `profile`, by key.
fn facts(profile: &str) -> BTreeMap<String, String> {
    let root: toml::Table = profile.parse().unwrap();
    let mut facts = BTreeMap::new();
    for key in KEYS {
        let value = key.split('.').try_fold(None, |at: Option<&toml::Value>, part| {
            Some(Some(at.map_or_else(|| root.get(part), |at| at.get(part))?))
        });
        if let Some(Some(value)) = value {
            facts.insert(key.to_owned(), value.to_string());
        }
    }
    // What there is without a word.
    facts.entry("clock.base".to_owned()).or_insert_with(|| "\"utc\"".to_owned());
    facts.retain(|key, value| !(key.starts_with("cpu.") && value == "1"));
    for (list, keys) in LISTS {
        for (i, entry) in root.get(list).and_then(toml::Value::as_array).into_iter().flatten().enumerate() {
            for key in keys {
                if let Some(value) = entry.get(key) {
                    facts.insert(
                        format!("{list}[{i}].{key}"),
                        value.to_string().replace("/srv/vm/", "").replace("\"./", "\""),
                    );
                }
            }
        }
    }
    // A profile may name whole slots.
    let passed = root.get("pci").and_then(toml::Value::as_array).into_iter().flatten();
    let slot = |table: &toml::Value| {
        let name = table.get("host").or(table.get("device"))?.as_str()?;
        Some(name.split('.').next()?.to_owned())
    };
    let slots: BTreeSet<String> = passed.filter_map(slot).collect();
    facts.insert("pci".to_owned(), format!("{slots:?}"));
    facts
}

/// The profile that `text` becomes.
pub(crate) fn come_in(name: &str, text: &str) -> String {
    import(name, text.as_bytes()).unwrap_or_else(|problem| panic!("{name}: {}\n{text}", problem.what)).profile
}

/// What comes back of `profile` by libvirt's domain, and by a script.
fn by_each_door(profile: &str) -> [(&'static str, String); 2] {
    let (root, contents) = drafted(profile);
    let from = From { profile: "guest.toml".into(), folder: Some("/srv/vm".into()), home: None, text: None };
    let domain = libvirt(&root, &contents, &from).text;
    let shell = script(&contents, &from).text;
    [("libvirt", come_in("guest.xml", &domain)), ("script", come_in("guest.sh", &shell))]
}

#[test]
fn every_strangers_guest_comes_back_as_the_one_it_was() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end != "rs")).collect();
    assert!(files.len() >= 5, "{files:?}");
    let mut differing = Vec::new();
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap();
        let first = come_in(name, &fs::read_to_string(&file).unwrap());
        let was = facts(&first);
        assert!(was.len() > 8, "{name}: {was:?}");
        for (door, second) in by_each_door(&first) {
            let is = facts(&second);
            let keys: BTreeSet<_> = was.keys().chain(is.keys()).collect();
            let other = keys.into_iter().filter(|key| was.get(*key) != is.get(*key));
            let told =
                other.map(|key| format!("{name} by {door}: {key} was {:?}, is {:?}\n", was.get(key), is.get(key)));
            differing.extend(told);
        }
    }
    assert_eq!(differing.concat(), "");
}
