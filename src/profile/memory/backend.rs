//! The memory backends: QEMU's `memory-backend-memfd`, `-file` and `-ram`.

use super::super::scene::Scene;
use super::pages::Pages;
use super::part::{Bind, Part};
use super::prefault::Prefault;
use crate::plan::{Draft, Origin};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use std::path::PathBuf;

/// What memory is to the kernel: an anonymous file that others can map, a file in a folder, or private pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Backend {
    Memfd,
    File,
    Ram,
}

/// What all backends of a guest have in common, decided.
pub(super) struct Shape {
    /// Folder of the files; `None` for anonymous memory.
    pub(super) path: Option<PathBuf>,
    pub(super) ram: bool,
    pub(super) pages: Pages,
    pub(super) share: bool,
    pub(super) prealloc: bool,
    pub(super) prefault: Prefault,
    pub(super) origin: Origin,
}

/// Id of the backend of part `index`.
pub(in crate::profile) fn id(index: usize) -> String {
    format!("ram{index}")
}

impl Shape {
    /// Drafts the backend of part `index`.
    pub(super) fn draft(&self, index: usize, part: &Part, scene: &Scene, draft: &mut Draft) {
        let Self { path, ram, pages, share, prealloc, prefault, origin } = self;
        let kind = match (path, ram) {
            (Some(_), _) => "memory-backend-file",
            (None, true) => "memory-backend-ram",
            (None, false) => "memory-backend-memfd",
        };
        let mut backend = json!({"qom-type": kind, "id": id(index), "size": part.size.bytes()});
        match (path, pages) {
            (Some(path), _) => backend["mem-path"] = json!(path),
            (None, Pages::Huge(page)) => {
                backend["hugetlb"] = json!(true);
                backend["hugetlbsize"] = json!(page.bytes());
            }
            (None, Pages::Small | Pages::Thp) => {}
        }
        backend["share"] = json!(share);
        backend["prealloc"] = json!(prealloc);
        if *prealloc {
            prefault.draft((index, part), scene, &mut backend, draft);
        }
        if let Some(Bind { nodes, policy, by_pins: _ }) = &part.bind {
            backend["host-nodes"] = json!(nodes);
            backend["policy"] = json!(policy);
        }
        draft.contents.argv.object(&backend, origin.clone());
        if part.bind.as_ref().is_some_and(|bind| bind.by_pins) {
            let origin = Origin::derived("cpu.pinning", "on the node of the host CPUs that the vCPUs are pinned to");
            draft.contents.argv.explain(&id(index), origin.read_in("/sys/devices/system/node/node*/cpulist"));
        }
    }
}
