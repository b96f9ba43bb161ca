//! `vmrun host firmware`: firmware for guests in the order in which it is taken.

use super::page::{CARE, PLAIN, Page};
use crate::host::{Firmware, Host, PathFact};
use serde_json::{Value, json};
use std::path::Path;

/// The page for people.
pub(in crate::cli) fn text(host: &Host, width: usize) -> String {
    let mut page = Page::new(width);
    write(host, &mut page);
    page.finish()
}

fn write(host: &Host, page: &mut Page) {
    if host.firmware.is_empty() {
        let what =
            "no firmware for UEFI guests: install your distribution's OVMF (Debian: ovmf, Fedora and Arch: edk2-ovmf)";
        return page.styled(0, CARE, what);
    }
    page.head("firmware for guests; the first that fits a profile is taken");
    for (index, firmware) in host.firmware.iter().enumerate() {
        page.gap();
        page.head(&format!("{}. {}", index + 1, kind(firmware)));
        page.row(2, "code", PLAIN, &image(host, &firmware.code));
        match &firmware.vars {
            Some(vars) => page.row(2, "variables", PLAIN, &image(host, vars)),
            None => page.row(2, "variables", PLAIN, "in the same image"),
        }
        page.row(2, "format", PLAIN, &firmware.format);
        page.row(2, "machines", PLAIN, &list(&firmware.machines));
        page.row(2, "features", PLAIN, &list(&firmware.features));
        if let PathFact::Missing | PathFact::Unreadable(_) = host.path(&firmware.code) {
            page.row(2, "care", CARE, "the code image cannot be read");
        }
    }
}

/// What it is good for, by the features that people choose by.
fn kind(firmware: &Firmware) -> String {
    let has = |feature: &str| firmware.features.iter().any(|other| other == feature);
    let secure = match (has("secure-boot"), has("enrolled-keys")) {
        (true, true) => "Secure Boot, keys enrolled",
        (true, false) => "Secure Boot, no keys enrolled",
        (false, _) => "no Secure Boot",
    };
    let smm = if has("requires-smm") { ", needs SMM" } else { "" };
    format!("{secure}{smm}")
}

fn image(host: &Host, path: &Path) -> String {
    match host.path(path) {
        PathFact::File { size, .. } => format!("{} ({} KiB)", path.display(), size / 1024),
        PathFact::Missing => format!("{} (not there)", path.display()),
        _ => path.display().to_string(),
    }
}

fn list(words: &[String]) -> String {
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

/// The same for programs.
pub(in crate::cli) fn json(host: &Host) -> Value {
    json!({"firmware": host.firmware})
}
