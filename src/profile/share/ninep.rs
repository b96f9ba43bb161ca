//! `share.kind = "9p"`: QEMU serves the folder itself.

use super::Share;
use crate::plan::{Class, Draft, Origin, Problem, Props};
use crate::profile::disk_bus::place_named;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use std::path::Path;

/// How owners and modes of the guest's files are kept. QEMU: `security_model` of `-fsdev local`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum SecurityModel {
    /// In extended attributes of files that belong to QEMU's user.
    #[default]
    MappedXattr,
    /// In hidden files beside the files.
    MappedFile,
    /// On the files themselves; QEMU must be root.
    Passthrough,
    /// On the files themselves, as far as QEMU may; what it may not is passed over.
    None,
}

impl SecurityModel {
    fn as_str(self) -> &'static str {
        match self {
            Self::MappedXattr => "mapped-xattr",
            Self::MappedFile => "mapped-file",
            Self::Passthrough => "passthrough",
            Self::None => "none",
        }
    }
}

/// What is done where the folder spans file systems. QEMU: `multidevs` of `-fsdev local`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Multidevs {
    /// Inode numbers are changed so that they do not meet.
    #[default]
    Remap,
    /// Files of other file systems cannot be reached.
    Forbid,
    /// They can, and QEMU warns.
    Warn,
}

impl Multidevs {
    fn as_str(self) -> &'static str {
        match self {
            Self::Remap => "remap",
            Self::Forbid => "forbid",
            Self::Warn => "warn",
        }
    }
}

/// Longest tag. QEMU: `MAX_TAG_LEN` in `hw/9pfs/9p.h` counts the NUL.
const TAG: usize = 31;

impl Share {
    pub(super) fn draft_ninep(&self, i: usize, folder: &Path, draft: &mut Draft) {
        let key = |name: &str| format!("share[{i}].{name}");
        let (id, tag) = (format!("share{i}-fs"), self.tag.as_str());
        if tag.len() > TAG {
            let what = format!("`{tag}` is {} bytes; a tag on 9p has at most {TAG}", tag.len());
            draft.refuse(Problem::new(Class::Invalid, key("tag"), what));
        }
        let (model, multidevs) = (self.security_model, self.multidevs);
        let origin = |name: &str, given: bool, why| match given {
            true => Origin::given(key(name)),
            false => Origin::derived(key(name), why),
        };
        let mut fsdev = Props::default();
        fsdev.head("local", Origin::given(key("kind")));
        fsdev.set("id", &id, Origin::given(key("kind")));
        fsdev.set("path", folder.to_string_lossy(), Origin::given(key("source")));
        fsdev.set(
            "security_model",
            model.unwrap_or_default().as_str(),
            origin("security_model", model.is_some(), "the guest's owners and modes need no root on the host"),
        );
        fsdev.set(
            "multidevs",
            multidevs.unwrap_or_default().as_str(),
            origin("multidevs", multidevs.is_some(), "inode numbers of several file systems may meet"),
        );
        if self.readonly {
            fsdev.switch("readonly", true, Origin::given(key("readonly")));
        }
        draft.contents.argv.backend_props("-fsdev", &fsdev);
        let device = json!({"driver": "virtio-9p-pci", "id": format!("share{i}"), "fsdev": id, "mount_tag": tag});
        place_named(&format!("share {}", self.tag.as_str()), device, &Origin::given(format!("share[{i}]")), draft);
    }
}
