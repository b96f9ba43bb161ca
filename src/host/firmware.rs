//! Firmware for guests, found by QEMU's descriptor files.
//!
//! Source: QEMU `docs/interop/firmware.json`.

use super::{Caller, Root, firmware_paths};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A firmware for guests, from a descriptor file; QEMU: `docs/interop/firmware.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Firmware {
    /// The code image.
    pub code: PathBuf,
    /// Format of both images: `raw` or `qcow2`.
    pub format: String,
    /// The template of the variable store; `None` for firmware in one image.
    pub vars: Option<PathBuf>,
    /// Features by their names in the descriptor, like `secure-boot`.
    pub features: Vec<String>,
    /// Machine patterns it is for, like `pc-q35-*`.
    pub machines: Vec<String>,
    /// The descriptor that says so; `None` for images at a place of the distribution's, and in older dumps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub descriptor: Option<PathBuf>,
}

/// Folders of descriptors, the strongest last; the user's own comes after them.
const FOLDERS: [&str; 2] = ["/usr/share/qemu/firmware", "/etc/qemu/firmware"];

/// UEFI firmware for x86-64 whose images are there, in order of precedence. Images at the places where distributions
/// put them count only when no descriptor leads to any.
pub(super) fn read(root: &Root, caller: &Caller) -> Vec<Firmware> {
    let described: Vec<_> = descriptors(root, caller)
        .iter()
        .filter_map(|(path, text)| Some(Firmware { descriptor: Some(path.clone()), ..firmware(text)? }))
        .filter(|found| is_there(root, found))
        .collect();
    if described.is_empty() { firmware_paths::read(root) } else { described }
}

/// Paths and texts of the descriptors by file name. A file takes the place of one of the same name in a weaker folder even when
/// it is empty or broken: that is how an administrator hides a descriptor.
fn descriptors(root: &Root, caller: &Caller) -> Vec<(PathBuf, String)> {
    let own = caller.config.as_ref().map(|config| config.join("qemu/firmware"));
    let mut paths: BTreeMap<String, PathBuf> = BTreeMap::new();
    for folder in FOLDERS.into_iter().map(PathBuf::from).chain(own) {
        let names =
            root.names(&folder).into_iter().filter(|name| Path::new(name).extension().is_some_and(|it| it == "json"));
        paths.extend(names.map(|name| (name.clone(), folder.join(name))));
    }
    let texts = paths.into_values().filter_map(|path| Some((path.clone(), root.text(&path)?)));
    texts.collect()
}

pub(super) fn is_there(root: &Root, firmware: &Firmware) -> bool {
    root.exists(&firmware.code) && firmware.vars.as_ref().is_none_or(|vars| root.exists(vars))
}

/// The part of a descriptor that matters here; other members are there for other readers.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Descriptor {
    interface_types: Vec<String>,
    mapping: Mapping,
    targets: Vec<Target>,
    #[serde(default)]
    features: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Mapping {
    device: String,
    #[serde(default)]
    mode: Mode,
    executable: Option<Image>,
    nvram_template: Option<Image>,
}

/// How code and variables share flash; a descriptor older than QEMU 7.0 does not say and means `split`.
#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Mode {
    #[default]
    Split,
    Combined,
    /// Variables are forgotten at power-off: a Windows guest would lose its boot entry, so none is offered.
    #[serde(other)]
    Stateless,
}

#[derive(Deserialize)]
struct Image {
    filename: PathBuf,
    format: String,
}

#[derive(Deserialize)]
struct Target {
    architecture: String,
    #[serde(default)]
    machines: Vec<String>,
}

/// The firmware a descriptor describes; `None` when it is not UEFI in flash for x86-64, or not a descriptor.
fn firmware(text: &str) -> Option<Firmware> {
    let Descriptor { interface_types, mapping, targets, features } = serde_json::from_slice(text.as_bytes()).ok()?;
    let targets: Vec<Target> = targets.into_iter().filter(|target| target.architecture == "x86_64").collect();
    let wanted = interface_types.iter().any(|kind| kind == "uefi") && mapping.device == "flash" && !targets.is_empty();
    let (code, vars) = wanted.then(|| images(mapping)).flatten()?;
    Some(Firmware {
        code: code.filename,
        format: code.format,
        vars,
        features,
        machines: targets.into_iter().flat_map(|target| target.machines).collect(),
        descriptor: None,
    })
}

fn images(mapping: Mapping) -> Option<(Image, Option<PathBuf>)> {
    let code = mapping.executable?;
    match mapping.mode {
        Mode::Split => {
            let vars = mapping.nvram_template.filter(|vars| vars.format == code.format)?;
            Some((code, Some(vars.filename)))
        }
        Mode::Combined => Some((code, None)),
        Mode::Stateless => None,
    }
}

#[cfg(test)]
mod test {
    use super::{firmware, read};
    use crate::host::tree::lay_out;
    use std::path::{Path, PathBuf};

    fn descriptor(device: &str, architecture: &str, mapping: &str) -> String {
        format!(
            r#"{{"description": "x", "interface-types": ["uefi"], "tags": [],
                "mapping": {{"device": "{device}", {mapping}}},
                "targets": [{{"architecture": "{architecture}", "machines": ["pc-i440fx-*", "pc-q35-*"]}}],
                "features": ["acpi-s3", "secure-boot"]}}"#
        )
    }

    fn split(code: &str) -> String {
        let mapping = format!(
            r#""executable": {{"filename": "{code}", "format": "raw"}},
               "nvram-template": {{"filename": "/fw/vars", "format": "raw"}}"#
        );
        descriptor("flash", "x86_64", &mapping)
    }

    fn codes(files: &[(&str, &str)]) -> Vec<PathBuf> {
        let tree = lay_out(&[files, &[("/fw/vars", "")]].concat());
        read(&tree.root, &tree.caller).into_iter().map(|found| found.code).collect()
    }

    #[test]
    fn a_descriptor_gives_images_features_and_machines() {
        let found = firmware(&split("/fw/code")).unwrap();
        assert_eq!((found.code.as_path(), found.vars.as_deref()), (Path::new("/fw/code"), Some(Path::new("/fw/vars"))));
        assert_eq!((found.format.as_str(), found.features), ("raw", vec!["acpi-s3".into(), "secure-boot".to_owned()]));
        assert_eq!(found.machines, ["pc-i440fx-*", "pc-q35-*"]);
    }

    #[test]
    fn the_later_folder_wins_by_file_name_and_order_is_by_file_name() {
        let [low, shared, etc, own] = ["/fw/low", "/fw/shared", "/fw/etc", "/fw/own"].map(split);
        let found = codes(&[
            ("/usr/share/qemu/firmware/90-low.json", &low),
            ("/usr/share/qemu/firmware/50-x.json", &shared),
            ("/etc/qemu/firmware/50-x.json", &etc),
            ("/home/alice/.config/qemu/firmware/10-own.json", &own),
            ("/usr/share/qemu/firmware/README", &shared),
            ("/fw/low", ""),
            ("/fw/shared", ""),
            ("/fw/etc", ""),
            ("/fw/own", ""),
        ]);
        assert_eq!(found, ["/fw/own", "/fw/etc", "/fw/low"].map(PathBuf::from));
    }

    #[test]
    fn an_empty_file_hides_the_descriptor_of_its_name() {
        let [a, b] = ["/fw/a", "/fw/b"].map(split);
        let found = codes(&[
            ("/usr/share/qemu/firmware/40-a.json", &a),
            ("/usr/share/qemu/firmware/50-b.json", &b),
            ("/etc/qemu/firmware/40-a.json", ""),
            ("/fw/a", ""),
            ("/fw/b", ""),
        ]);
        assert_eq!(found, [PathBuf::from("/fw/b")]);
    }

    #[test]
    fn a_descriptor_whose_image_is_gone_is_passed_over() {
        let [a, b] = ["/fw/a", "/fw/b"].map(split);
        let found = codes(&[
            ("/usr/share/qemu/firmware/40-a.json", &a),
            ("/usr/share/qemu/firmware/50-b.json", &b),
            ("/fw/b", ""),
        ]);
        assert_eq!(found, [PathBuf::from("/fw/b")]);
    }

    #[test]
    fn a_combined_image_has_no_variable_store_and_a_stateless_one_is_not_offered() {
        let image = r#""executable": {"filename": "/fw/one", "format": "raw"}"#;
        let combined = firmware(&descriptor("flash", "x86_64", &format!(r#""mode": "combined", {image}"#))).unwrap();
        assert_eq!((combined.code.as_path(), combined.vars), (Path::new("/fw/one"), None));
        assert_eq!(firmware(&descriptor("flash", "x86_64", &format!(r#""mode": "stateless", {image}"#))), None);
    }

    #[test]
    fn what_is_not_uefi_in_flash_for_x86_64_is_passed_over() {
        assert_eq!(firmware(&split("/fw/a").replace("x86_64", "aarch64")), None);
        assert_eq!(firmware(&split("/fw/a").replace("\"flash\"", "\"kernel\"")), None);
        assert_eq!(firmware(&split("/fw/a").replace("\"uefi\"", "\"bios\"")), None);
        assert_eq!(firmware(&descriptor("memory", "x86_64", r#""filename": "/fw/bios.bin""#)), None);
        assert_eq!(
            firmware(&descriptor("flash", "x86_64", r#""executable": {"filename": "/a", "format": "raw"}"#)),
            None
        );
        assert_eq!(firmware("{"), None);
    }

    #[test]
    fn without_descriptors_the_images_of_the_distribution_are_found() {
        let found = codes(&[("/usr/share/OVMF/OVMF_CODE_4M.fd", ""), ("/usr/share/OVMF/OVMF_VARS_4M.fd", "")]);
        assert_eq!(found, [PathBuf::from("/usr/share/OVMF/OVMF_CODE_4M.fd")]);
        let half = codes(&[("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "")]);
        assert_eq!(half, [] as [PathBuf; 0]);
    }

    #[test]
    fn with_a_descriptor_the_known_paths_are_not_looked_at() {
        let own = split("/fw/own");
        let found = codes(&[
            ("/etc/qemu/firmware/50-x.json", &own),
            ("/fw/own", ""),
            ("/usr/share/OVMF/OVMF_CODE_4M.fd", ""),
            ("/usr/share/OVMF/OVMF_VARS_4M.fd", ""),
        ]);
        assert_eq!(found, [PathBuf::from("/fw/own")]);
    }
}
