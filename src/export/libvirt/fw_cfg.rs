//! Entries of `fw_cfg`: those of users stand in `<sysinfo>`. Firmware's own, which libvirt refuses there ("Invalid firmware
//! name"), go past it to QEMU.

use super::Source;
use crate::export::xml::Element;
use crate::plan::{Origin, Props};

/// What the names of users begin with.
const OF_USERS: &str = "opt/";

/// `<sysinfo type='fwcfg'>`; `None` when there is nothing for it.
pub(super) fn sysinfo(source: &Source<'_>) -> Option<Element> {
    let mut info = Element::new("sysinfo").with("type", "fwcfg");
    let mut any = false;
    for (name, content) in entries(source).into_iter().filter(|(name, _)| name.starts_with(OF_USERS)) {
        any = true;
        info.push(match content {
            Content::File(file) => Element::new("entry").with("name", name).with("file", file),
            Content::Text(text) => Element::of("entry", text).with("name", name),
        });
    }
    any.then_some(info)
}

/// QEMU's arguments for the others.
pub(super) fn arguments(source: &Source<'_>) -> Vec<String> {
    let others = entries(source).into_iter().filter(|(name, _)| !name.starts_with(OF_USERS));
    let values = others.filter_map(|(name, content)| {
        let mut value = Props::default();
        let (key, content) = match content {
            Content::File(file) => ("file", file),
            Content::Text(text) => ("string", text),
        };
        value.set("name", name, Origin::given("fw_cfg"));
        value.set(key, content, Origin::given("fw_cfg"));
        value.value()
    });
    values.flat_map(|value| ["-fw_cfg".to_owned(), value]).collect()
}

enum Content {
    File(String),
    Text(String),
}

/// Names and contents.
fn entries(source: &Source<'_>) -> Vec<(String, Content)> {
    let document = source.document;
    let entry = |i: usize| {
        let name = document.text(&format!("fw_cfg[{i}].name")).unwrap_or_default();
        let text = document.text(&format!("fw_cfg[{i}].string"));
        let content = document.path(&format!("fw_cfg[{i}].file")).map(Content::File);
        (name, content.unwrap_or_else(|| Content::Text(text.unwrap_or_default())))
    };
    (0..document.count("fw_cfg")).map(entry).collect()
}
