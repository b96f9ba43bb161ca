//! `-bios`, `-pflash`, `-drive if=pflash`: the firmware; `-kernel`.

use super::opt::{Opt, is_on};
use super::{Line, by_id, named};
use crate::import::computed;

/// A flash chip: its file, its format, and whether the guest can write to it.
struct Chip {
    file: String,
    format: Option<String>,
    written: bool,
}

impl Line<'_> {
    pub(super) fn firmware(&mut self, opts: &[Opt]) {
        let chips = chips(opts);
        let guarded = named(opts, "global").any(|opt| {
            opt.value.starts_with("driver=cfi.pflash01,property=secure,value=on")
                || opt.value.starts_with("cfi.pflash01.secure=on")
        });
        for opt in named(opts, "bios") {
            self.bios(opt, chips.is_empty());
        }
        for (name, key) in [("kernel", "image"), ("initrd", "initrd"), ("append", "append")] {
            named(opts, name).for_each(|opt| {
                opt.rest();
                self.page.table("kernel").set(key, opt.value.clone());
            });
        }
        named(opts, "dtb").for_each(|opt| opt.lost("a PC has no device tree"));
        match &chips[..] {
            [] => {}
            [only] if only.written => {
                let table = self.page.table("firmware");
                table.set("image", only.file.clone());
                table.maybe("format", only.format.clone().filter(|format| format != "raw"));
            }
            [code, rest @ ..] => {
                let table = self.page.table("firmware");
                if guarded {
                    table.set("secure_boot", true);
                    // What the store has in it is there already.
                }
                table.set("code", code.file.clone());
                table.maybe("vars", template(&code.file));
                table.maybe("format", code.format.clone().filter(|format| format != "raw"));
                match rest.first() {
                    Some(vars) => table.set("nvram", vars.file.clone()),
                    None => table.comment("The file has no variable store; one of the guest's own is made."),
                }
            }
        }
    }

    fn bios(&mut self, opt: &Opt, alone: bool) {
        opt.rest();
        let path = opt.value.to_lowercase();
        if !computed::parts(&opt.value).is_empty() {
            opt.asked("which firmware it is");
            let question = format!("which firmware the script takes by `{}`.", opt.value);
            return self.page.table("firmware").ask(&question, "kind = \"uefi\"");
        }
        let uefi = ["ovmf", "efi", "edk2"].iter().any(|word| path.contains(word));
        if !alone {
            return opt.translated("the flash chips hold the firmware");
        }
        let table = self.page.table("firmware");
        if uefi {
            table.set("kind", "uefi");
            opt.asked("code and variables were in one image that kept nothing");
            table.ask(
                "code and variables were in one image that kept nothing. The host's firmware with a store of its own is \
                 taken; the image itself, which the guest then writes to, would be:",
                &format!("image = {}", toml::Value::from(opt.value.clone())),
            );
        } else if path.contains("bios") {
            table.set("kind", "bios");
            opt.translated("QEMU's own BIOS");
        } else {
            table.set("kind", "bios");
            opt.lost("only UEFI firmware can be chosen; the guest has QEMU's BIOS");
        }
    }
}

fn chips(opts: &[Opt]) -> Vec<Chip> {
    let mut chips: Vec<(u64, Chip)> = Vec::new();
    for opt in opts {
        let place = chips.len() as u64;
        match opt.name.as_str() {
            "pflash" => {
                opt.rest();
                chips.push((place, Chip { file: opt.value.clone(), format: None, written: true }));
            }
            "drive" if opt.get("if") == Some("pflash") => {
                let written = !opt.any(&["readonly", "read-only"]).is_some_and(is_on);
                let place = opt.any(&["unit", "index"]).and_then(crate::import::xml::number).unwrap_or(place);
                opt.get("media");
                opt.get("cache");
                if let Some(file) = opt.any(&["file", "file.filename"]) {
                    let format = opt.any(&["format", "driver"]).map(str::to_owned);
                    chips.push((place, Chip { file: file.to_owned(), format, written }));
                }
            }
            "machine" | "M" => {
                for (place, key) in (0..).zip(["pflash0", "pflash1"]) {
                    let node = opt.get(key).and_then(|name| by_id(opts, "blockdev", name));
                    let below = node.and_then(|node| node.get("file")).and_then(|name| by_id(opts, "blockdev", name));
                    let file = node.into_iter().chain(below).find_map(|node| node.any(&["filename", "file.filename"]));
                    if let Some((node, file)) = node.zip(file) {
                        let written = !node.get("read-only").is_some_and(is_on);
                        let format = Some(node.head.clone()).filter(|format| format == "raw" || format == "qcow2");
                        chips.push((place, Chip { file: file.to_owned(), format, written }));
                    }
                }
            }
            _ => {}
        }
    }
    // Some write the code without saying that it is read only.
    chips.sort_by_key(|(place, _)| *place);
    chips.into_iter().map(|(_, chip)| chip).collect()
}

/// Where the template of the variables is that belongs to code outside of the system's folders, which no descriptor names.
pub(in crate::import) fn template(code: &str) -> Option<String> {
    let (folder, name) = code.rsplit_once('/').map_or(("", code), |(folder, name)| (folder, name));
    if folder.starts_with("/usr/share/") {
        return None;
    }
    let name = name.contains("CODE").then(|| name.replace("CODE", "VARS").replace(".secboot", ""))?;
    Some(if folder.is_empty() { name } else { format!("{folder}/{name}") })
}
