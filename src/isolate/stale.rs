//! Whether the initramfs images are newer than what they are made from, and hold it.

use super::modprobe::{CONF, SCRIPT};
use crate::host::{Boot, BootImage, Module};
use std::path::PathBuf;

/// How an image stands to the files that were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Staleness {
    /// The image.
    pub image: PathBuf,
    /// What is wrong with it; `None` when nothing is.
    pub why: Option<String>,
    /// Whether its content was looked at, and not only its time.
    pub seen: bool,
}

/// Judges each image. `written` is when the files were written, in seconds since 1970; `by_address` whether the script
/// is among them.
#[must_use]
pub fn judge(boot: &Boot, written: i64, by_address: bool) -> Vec<Staleness> {
    let mut needed = vec![CONF];
    needed.extend(by_address.then_some(SCRIPT));
    let module = boot.vfio_pci != Some(Module::Builtin);
    boot.images.iter().map(|image| one(image, written, if module { &needed } else { &[] }, module)).collect()
}

fn one(image: &BootImage, written: i64, needed: &[&str], module: bool) -> Staleness {
    let missing = image.content.as_ref().and_then(|content| missing(content, needed, module));
    let why = if image.modified < written { Some("it is older than the files".to_owned()) } else { missing };
    Staleness { image: image.path.clone(), why, seen: image.content.is_some() }
}

/// What `content` has not; files may lie below `usr/` too.
fn missing(content: &[String], needed: &[&str], module: bool) -> Option<String> {
    let has = |path: &str| content.iter().any(|it| it == path.trim_start_matches('/'));
    let file = needed.iter().find(|path| !has(path));
    let has_module = || content.iter().any(|path| path.contains("/vfio-pci.ko") || path.contains("vfio_pci.ko"));
    file.map(|path| format!("it has no {path}"))
        .or_else(|| (module && !has_module()).then(|| "it has no module vfio-pci".to_owned()))
}
