//! The host before QEMU is started: the folder of the run, files, huge pages, the other changes, tap devices.

use super::quote::{word, words as quoted};
use super::sheet::Sheet;
use super::words::Prepared;
use crate::plan::{Change, Contents, NewFile, TapFrom};
use std::path::Path;

/// The folder of the run.
pub(super) fn folder(contents: &Contents, sheet: &mut Sheet) {
    sheet.comment("The folder of the run, which no second start of this guest gets.");
    sheet.line("mkdir -p \"$(dirname \"$run\")\" || exit 1");
    sheet.line("hold");
    let failure = "die \"$run is there: the guest runs, or a start of it was cut short\"";
    sheet.line(format!("(trap '' INT TERM HUP && exec mkdir -m 711 \"$run\") || {failure}"));
    sheet.owe(vec!["rm -rf \"$run\"".into()]);
    sheet.line("heed");
    if let Some(user) = &contents.user {
        sheet.line(format!("install -d -m 700 -o {} \"$(dirname \"$monitor\")\"", user.uid));
    }
}

/// Files of the guest's own.
pub(super) fn files(contents: &Contents, sheet: &mut Sheet) {
    if !contents.files.is_empty() {
        sheet.comment("Files of the guest's own, kept from run to run.");
    }
    for file in &contents.files {
        let failure = |path: &Path| format!("die {}", word(&format!("{} cannot be made", path.display())));
        match file {
            NewFile::Copy { path, copy_of } => {
                let both = quoted([copy_of.to_string_lossy(), path.to_string_lossy()]);
                sheet.line(format!("copy_template {both} || {}", failure(path)));
            }
            NewFile::Folder { folder, owner } => {
                let owner = owner.map_or(String::new(), |uid| format!(" -o {uid}"));
                let shown = word(&folder.to_string_lossy());
                sheet.line(format!("[ -d {shown} ] || install -d -m 700{owner} {shown} || {}", failure(folder)));
            }
        }
    }
}

/// Changes of the host; pages first, since nothing else is touched when they are not to be had.
pub(super) fn changes(contents: &Contents, prepared: &Prepared, sheet: &mut Sheet) {
    let made = |change: &&Change| !change.steps().is_empty();
    let (pages, rest): (Vec<_>, Vec<_>) = contents.changes.iter().filter(made).partition(|change| is_of_pool(change));
    if !pages.is_empty() || !rest.is_empty() {
        sheet.comment("The host.");
    }
    match &contents.fallback {
        Some(fallback) => {
            let instead = fallback.changes.iter().filter(|change| is_of_pool(change));
            pages_or_else(&pages, &instead.collect::<Vec<_>>(), sheet);
        }
        None => pages.into_iter().for_each(|change| of_pool(change, FAILURE, sheet)),
    }
    rest.into_iter().for_each(|change| sheet.change(change, FAILURE));
    taps(contents, prepared, sheet);
}

const FAILURE: &str = "die 'the host cannot be prepared'";

fn is_of_pool(change: &Change) -> bool {
    matches!(change, Change::HugePages { .. })
}

/// A change of the pool of huge pages, which has no state that it could be put back to: others have pages there too. So
/// it is never half made.
fn of_pool(change: &Change, failure: &str, sheet: &mut Sheet) {
    sheet.line("hold");
    sheet.change(change, failure);
    sheet.line("heed");
}

/// All of `pages`, or none of them and `instead`.
fn pages_or_else(pages: &[&Change], instead: &[&Change], sheet: &mut Sheet) {
    let wanted = sheet.aside(|sheet| pages.iter().for_each(|change| of_pool(change, "return 1", sheet)));
    let other = sheet.aside(|sheet| instead.iter().for_each(|change| of_pool(change, FAILURE, sheet)));
    sheet.line("make_pages() {");
    sheet.within(&wanted);
    sheet.line("}");
    sheet.line("before_pages=$owed");
    sheet.line("if ! make_pages; then");
    sheet.line("    settle \"$before_pages\"");
    sheet.line("    fallback=yes");
    sheet.line("    say 'memory.fallback is used'");
    sheet.within(&other);
    sheet.line("fi");
}

fn taps(contents: &Contents, prepared: &Prepared, sheet: &mut Sheet) {
    let new = prepared.taps.iter().filter(|(_, tap)| !matches!(tap.from, TapFrom::Existing(_)));
    for (index, (name, tap)) in new.enumerate() {
        if index == 0 {
            sheet.comment("Tap devices.");
        }
        let bridge = if let TapFrom::Bridge(bridge) = &tap.from { bridge.as_str() } else { "" };
        let mtu = tap.mtu.map_or(String::new(), |mtu| mtu.to_string());
        let owner = contents.user.as_ref().map_or(String::new(), |user| user.uid.to_string());
        let several = if tap.multi_queue { "yes" } else { "" };
        sheet.owe(vec![format!("[ ! -e /sys/class/net/{name} ] || ip link del dev {}", word(name))]);
        let words = quoted([name.as_str(), bridge, &mtu, &owner, several]);
        sheet.line(format!("new_tap {words} || die {}", word(&format!("tap device {name} cannot be made"))));
    }
}
