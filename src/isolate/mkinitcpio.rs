//! mkinitcpio(8), of Arch Linux.

use super::assignment::Assignment;
use super::initramfs::MODULES;
use super::modprobe::{CONF, Form, SCRIPT};
use super::{Draft, MARK};
use crate::host::Boot;
use crate::plan::{Class, Problem};
use std::collections::BTreeSet;

/// Folder of files that are read after the configuration; versions that have it ship it.
const FOLDER: &str = "/etc/mkinitcpio.conf.d";

/// The configuration that presets use unless they name another.
const DEFAULT: &str = "/etc/mkinitcpio.conf";

/// A file of our own where there is a folder for it; else, and for presets that name a configuration (for which the
/// folder is not read), the lists in place.
pub(super) fn write(form: Form, boot: &Boot, draft: &mut Draft) {
    let files: &[&str] = if form == Form::Ids { &[CONF] } else { &[CONF, SCRIPT] };
    let mut named = presets(boot);
    if boot.folders.contains(std::path::Path::new(FOLDER)) {
        draft.write(boot, format!("{FOLDER}/vmrun-vfio.conf"), own(files));
    } else {
        named.insert(DEFAULT.to_owned());
    }
    for path in named {
        edit(&path, files, boot, draft);
    }
    draft.command("mkinitcpio -P");
}

/// Configurations that presets name: `ALL_config="/etc/mkinitcpio.conf"`.
fn presets(boot: &Boot) -> BTreeSet<String> {
    let lines = boot.below("/etc/mkinitcpio.d").flat_map(|(_, text)| text.lines());
    let named = lines.filter_map(|line| line.trim().split_once("_config="));
    let named = named.filter(|(name, _)| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'));
    named.map(|(_, value)| value.trim_matches(['"', '\'']).to_owned()).collect()
}

/// Before the other modules, of which drivers of graphics cards may be some. Both styles of lists are taken apart.
fn own(files: &[&str]) -> String {
    format!(
        "{MARK}\n# vfio-pci comes before all other modules, so that it is first at the card.\nMODULES=({} ${{MODULES[*]}})\n\
         FILES=(${{FILES[*]}} {})\n",
        MODULES.join(" "),
        files.join(" ")
    )
}

fn edit(path: &str, files: &[&str], boot: &Boot, draft: &mut Draft) {
    let edited = prepended(boot.text(path), "MODULES", &MODULES).and_then(|text| appended(&text, "FILES", files));
    match edited {
        Ok(text) => draft.write(boot, path, text),
        Err(why) => {
            let problem = Problem::new(Class::Invalid, "", format!("{path} {why}"));
            draft.refuse(problem.fix(format!(
                "write by hand: MODULES=({} …) FILES=({} …)",
                MODULES.join(" "),
                files.join(" ")
            )));
        }
    }
}

fn prepended(text: &str, name: &str, words: &[&str]) -> Result<String, String> {
    let found = Assignment::find(text, name)?.ok_or_else(|| format!("has no {name}"))?;
    let have: Vec<_> = found.words().map(|word| word.replace('-', "_")).collect();
    let missing: Vec<_> = words.iter().copied().filter(|word| !have.iter().any(|it| it == word)).collect();
    Ok(if missing.is_empty() { text.to_owned() } else { found.prepend(&missing) })
}

fn appended(text: &str, name: &str, words: &[&str]) -> Result<String, String> {
    let Some(found) = Assignment::find(text, name)? else {
        return Ok(format!("{}\n{name}=({})\n", text.trim_end_matches('\n'), words.join(" ")));
    };
    let missing: Vec<_> = words.iter().copied().filter(|word| !found.words().any(|it| it == *word)).collect();
    Ok(if missing.is_empty() { text.to_owned() } else { found.append(&missing) })
}
