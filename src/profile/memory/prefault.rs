//! Who touches the guest's pages before it starts: how many threads, and where they run.
//!
//! QEMU makes them in its main thread, so they run where that does: on the host CPUs that are left to QEMU's own threads,
//! which may be a single core. But until the guest starts nobody needs the host CPUs that it is pinned to.

use super::super::scene::Scene;
use super::Cpu;
use super::part::{Part, Policy};
use crate::plan::{Draft, Origin};
use crate::unit::{CpuSet, Version};
use serde_json::json;

/// First QEMU with `thread-context` and `prealloc-context`. QEMU: `qapi/qom.json`.
const CONTEXTS: Version = Version::new(7, 2);

/// QEMU makes no more threads: `MAX_MEM_PREALLOC_THREAD_COUNT`, `util/oslib-posix.c`.
const MOST: u8 = 16;

/// What all parts of the memory have in common.
pub(super) struct Prefault {
    /// So many threads, if the user says so.
    given: Option<u8>,
    /// The guest's own host CPUs, when QEMU's other threads are kept to some of them.
    own: Option<CpuSet>,
    /// Whether QEMU has `thread-context`.
    has_contexts: bool,
}

/// Host CPUs for the threads that touch one part.
struct Site {
    cpus: CpuSet,
    /// The property of `thread-context` that names them; `None` where QEMU's main thread runs there as well.
    affinity: Option<(&'static str, serde_json::Value)>,
    why: &'static str,
}

impl Prefault {
    pub(super) fn new(given: Option<u8>, cpu: &Cpu, scene: &Scene) -> Self {
        Self { given, own: cpu.own_cpus(scene), has_contexts: scene.qemu_is(CONTEXTS) }
    }

    /// Drafts where the threads run that touch the pages of part `index`; adds what its backend says of them.
    ///
    /// QEMU makes the context before its sandbox forbids such placing (`object_create_pre_sandbox`, `system/vl.c`).
    pub(super) fn draft(
        &self,
        (index, part): (usize, &Part),
        scene: &Scene,
        backend: &mut serde_json::Value,
        draft: &mut Draft,
    ) {
        let site = self.site(part, scene);
        let cpus = site.as_ref().map(|site| site.cpus.len()).filter(|cpus| *cpus > 0);
        let as_many = cpus.map(|cpus| u8::try_from(cpus).map_or(MOST, |cpus| cpus.min(MOST)));
        if let Some(threads) = self.given.or(as_many) {
            backend["prealloc-threads"] = json!(threads);
        }
        let Some(Site { affinity: Some((name, value)), why, .. }) = site else { return };
        let id = format!("tc{index}");
        let context = json!({"qom-type": "thread-context", "id": id, name: value});
        draft.contents.argv.object(&context, Origin::derived(part.at.clone(), why));
        backend["prealloc-context"] = json!(id);
    }

    /// `None` when the threads run where QEMU's main thread does, and that is not everywhere.
    fn site(&self, part: &Part, scene: &Scene) -> Option<Site> {
        let bound = part.bind.as_ref().filter(|bind| bind.policy == Policy::Bind);
        match (bound, &self.own) {
            (Some(bind), _) if self.has_contexts => {
                let nodes = scene.host.nodes.iter().filter(|node| bind.nodes.contains(&node.id));
                Some(Site {
                    cpus: nodes.flat_map(|node| node.cpus.iter()).collect(),
                    affinity: Some(("node-affinity", json!(bind.nodes))),
                    why: "the threads that touch its pages run on its node",
                })
            }
            (_, Some(own)) if self.has_contexts => Some(Site {
                cpus: own.clone(),
                affinity: Some(("cpu-affinity", json!(own.iter().collect::<Vec<_>>()))),
                why: "the threads that touch its pages run on all of the guest's host CPUs",
            }),
            (None, None) => Some(Site {
                cpus: scene.host.nodes.iter().flat_map(|node| node.cpus.iter()).collect(),
                affinity: None,
                why: "",
            }),
            _ => None,
        }
    }
}
