//! `[cpu.smp_cache]`: which vCPUs the guest takes to share a cache.

use super::scene::Scene;
use crate::plan::{Class, Draft, Origin, Problem};
use crate::unit::Version;
use schemars::JsonSchema;
use serde::Deserialize;

/// First QEMU that can be told; QEMU 10.0 change log.
const SINCE: Version = Version::new(10, 0);

/// Which vCPUs share a cache, as the guest is told, level by level; like the host's own CPU, or the model's, unless given.
/// QEMU 10.0 and newer: `smp-cache`.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SmpCache {
    /// Who shares the first level for data.
    l1d: Option<Level>,
    /// Who shares the first level for instructions.
    l1i: Option<Level>,
    /// Who shares the second level.
    l2: Option<Level>,
    /// Who shares the third level: `die` where each die has one of its own, like the CCDs of a Ryzen.
    l3: Option<Level>,
}

/// A level of the topology.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Level {
    /// Each vCPU has one of its own.
    Thread,
    /// The threads of a core.
    Core,
    /// The cores of a module.
    Module,
    /// The cores of a die.
    Die,
    /// The dies of a socket.
    Socket,
}

impl Level {
    fn as_str(self) -> &'static str {
        match self {
            Self::Thread => "thread",
            Self::Core => "core",
            Self::Module => "module",
            Self::Die => "die",
            Self::Socket => "socket",
        }
    }
}

impl SmpCache {
    pub(super) fn draft(self, scene: &Scene, draft: &mut Draft) {
        let Self { l1d, l1i, l2, l3 } = self;
        let given = [("l1d", l1d), ("l1i", l1i), ("l2", l2), ("l3", l3)];
        let given: Vec<_> = given.into_iter().filter_map(|(name, level)| Some((name, level?))).collect();
        let Some((first, _)) = given.first() else { return };
        if let Some(version) = scene.version.filter(|version| *version < SINCE) {
            let at = format!("cpu.smp_cache.{first}");
            let problem = Problem::new(Class::Impossible, at, format!("QEMU {version} has no smp-cache"));
            draft.refuse(
                problem.why(format!("QEMU {SINCE} is the first that has it")).fix("host_cache_info = true in [cpu]"),
            );
        }
        judge_order(l1d.max(l1i), l2, "l2", draft);
        judge_order(l1d.max(l1i).max(l2), l3, "l3", draft);
        for (i, (name, level)) in given.into_iter().enumerate() {
            let origin = Origin::given(format!("cpu.smp_cache.{name}"));
            let machine = &mut draft.contents.argv.machine;
            machine.set(format!("smp-cache.{i}.cache"), name, origin.clone());
            machine.set(format!("smp-cache.{i}.topology"), level.as_str(), origin);
        }
    }
}

/// Notes a problem when the cache `name` is shared by fewer than one `below` it is. QEMU:
/// `machine_check_smp_cache()`, `hw/core/machine-smp.c`.
fn judge_order(below: Option<Level>, this: Option<Level>, name: &str, draft: &mut Draft) {
    let (Some(below), Some(this)) = (below, this) else { return };
    if below > this {
        let what = format!("the cache {name} is shared by a {}, one before it by a {}", this.as_str(), below.as_str());
        draft.refuse(
            Problem::new(Class::Invalid, format!("cpu.smp_cache.{name}"), what)
                .why("a later level of cache is shared by as many vCPUs or more")
                .fix(format!("{name} = \"{}\"", below.as_str())),
        );
    }
}
