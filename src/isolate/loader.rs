//! Arguments of the kernel for boot loaders that read entries, like systemd-boot, and for unified kernel images.

use super::Draft;
use crate::host::Boot;
use crate::plan::{Class, Problem};
use std::path::{Path, PathBuf};

/// Arguments from which `kernel-install` and makers of unified images make entries; `kernel-install(8)`.
const COMMAND_LINE: &str = "/etc/kernel/cmdline";

/// Where entries are.
const FOLDERS: [&str; 3] = ["/boot/loader/entries", "/efi/loader/entries", "/boot/efi/loader/entries"];

/// Whether such a boot loader is found.
pub(super) fn is_here(boot: &Boot) -> bool {
    // Entries alone may be GRUB's, which reads them too on Fedora.
    boot.has(COMMAND_LINE)
        || (boot.has("/boot/loader/loader.conf") || !boot.has(super::grub::PATH)) && !entries(boot).is_empty()
}

pub(super) fn write(arguments: &[&str], boot: &Boot, draft: &mut Draft) {
    if boot.has(COMMAND_LINE) {
        let text = boot.text(COMMAND_LINE);
        draft.write(boot, COMMAND_LINE, added(text, arguments));
        match boot.runs("sdbootutil") {
            true => draft.command("sdbootutil update-all-entries"),
            false => draft.command("kernel-install add-all"),
        }
        return;
    }
    for (path, text) in entries(boot) {
        match edited(&text, arguments) {
            Some(edited) => draft.write(boot, path, edited),
            None => draft.refuse(
                Problem::new(Class::Invalid, "", format!("{} has not exactly one line of options", path.display()))
                    .fix(format!("add by hand: {}", arguments.join(" "))),
            ),
        }
    }
}

/// Entries that boot Linux, and not a rescue.
fn entries(boot: &Boot) -> Vec<(PathBuf, String)> {
    let all = FOLDERS.iter().flat_map(|folder| boot.below(folder));
    let linux = all.filter(|(path, text)| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        !name.contains("rescue") && text.lines().any(|line| line.starts_with("linux"))
    });
    linux.map(|(path, text)| (Path::to_owned(path), text.to_owned())).collect()
}

fn edited(text: &str, arguments: &[&str]) -> Option<String> {
    let is_options = |line: &&str| line.starts_with("options ") || line.starts_with("options\t");
    let mut lines = text.split_inclusive('\n').filter(is_options);
    let line = lines.next()?;
    if lines.next().is_some() {
        return None;
    }
    Some(text.replacen(line, &added(line, arguments), 1))
}

/// The line with `arguments` that it does not have at its end.
fn added(line: &str, arguments: &[&str]) -> String {
    let body = line.trim_end_matches('\n');
    let missing: Vec<_> =
        arguments.iter().copied().filter(|it| !body.split_whitespace().any(|word| word == *it)).collect();
    if missing.is_empty() {
        return line.to_owned();
    }
    let gap = if body.is_empty() { "" } else { " " };
    format!("{}{gap}{}{}", body.trim_end(), missing.join(" "), &line[body.len()..])
}
