//! A piece of guest memory: all of it, or what one guest NUMA node has.

use super::super::scene::Scene;
use crate::host::Host;
use crate::plan::{Class, Draft, Problem};
use crate::unit::{CpuSet, Size};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What one memory backend holds.
pub(in crate::profile) struct Part {
    /// Key path of its size, for messages.
    pub(in crate::profile) at: String,
    pub(in crate::profile) size: Size,
    /// Where on the host it lies; `None` for wherever the kernel likes.
    pub(in crate::profile) bind: Option<Bind>,
}

/// Host NUMA nodes of a part, and how strictly it keeps to them.
pub(in crate::profile) struct Bind {
    pub(in crate::profile) nodes: Vec<u32>,
    pub(in crate::profile) policy: Policy,
    /// Whether the nodes are those of the host CPUs that vCPUs are pinned to.
    pub(in crate::profile) by_pins: bool,
}

/// How memory keeps to its host NUMA nodes: only there, rather there, or in turns. QEMU: `policy` of a memory backend;
/// `mbind(2)`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::profile) enum Policy {
    #[default]
    Bind,
    Preferred,
    Interleave,
}

/// The node that holds all of `pinned`, on a host that has several.
pub(in crate::profile) fn lone_node(pinned: &CpuSet, host: &Host) -> Option<u32> {
    let whole = host.nodes.iter().find(|node| !pinned.is_empty() && pinned.without(&node.cpus).is_empty());
    whole.filter(|_| host.nodes.len() > 1).map(|node| node.id)
}

/// The bind to the `given` nodes, else to the one node of `pinned`; notes problems at the keys `nodes_at`, `policy_at`.
pub(in crate::profile) fn bind(
    (given, nodes_at): (&[u32], &str),
    (policy, policy_at): (Option<Policy>, &str),
    pinned: &CpuSet,
    scene: &Scene,
    draft: &mut Draft,
) -> Option<Bind> {
    for node in given.iter().filter(|node| !scene.host.nodes.iter().any(|there| there.id == **node)) {
        let there: Vec<_> = scene.host.nodes.iter().map(|node| node.id.to_string()).collect();
        let what = format!("this host has no NUMA node {node}");
        let problem = Problem::new(Class::Impossible, nodes_at, what);
        draft.refuse(problem.why(format!("its nodes are {}", there.join(", "))));
    }
    let nodes = if given.is_empty() { lone_node(pinned, scene.host).into_iter().collect() } else { given.to_vec() };
    if nodes.is_empty() && policy.is_some() {
        draft.refuse(
            Problem::new(Class::Invalid, policy_at, "a policy without host nodes says nothing")
                .why("the vCPUs are not pinned to one NUMA node of several, from which the node could be taken")
                .fix("name the nodes, or leave the policy out"),
        );
    }
    (!nodes.is_empty()).then(|| Bind { nodes, policy: policy.unwrap_or_default(), by_pins: given.is_empty() })
}
