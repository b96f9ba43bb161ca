//! The host CPUs of systemd's slices, below which the host's processes are. systemd.resource-control(5), `AllowedCPUs`.

use crate::plan::{Command, Step};
use crate::unit::CpuSet;
use serde::{Deserialize, Serialize};

/// The confinement of a unit, or of a control group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confinement {
    /// Its name, like `system.slice`; the absolute path of a control group.
    pub unit: String,
    /// Its host CPUs before; empty for all.
    pub from: String,
    /// Its host CPUs after; empty for all.
    pub to: String,
}

pub(super) fn inverse(units: Vec<Confinement>) -> Vec<Confinement> {
    units.into_iter().rev().map(|Confinement { unit, from, to }| Confinement { unit, from: to, to: from }).collect()
}

pub(super) fn steps(cpus: &CpuSet, all: &CpuSet, units: &[Confinement]) -> Vec<Step> {
    let step = |Confinement { unit, from, to }: &Confinement| Step::Confine {
        unit: unit.clone(),
        was: from.clone(),
        value: to.clone(),
        cpus: cpus.clone(),
        all: all.clone(),
    };
    let mut steps: Vec<_> = units.iter().map(step).collect();
    // A unit that is confined no more has lost its file below /run; systemd is told, or it would ask for this itself.
    if units.iter().any(|unit| unit.to.is_empty()) {
        let argv = ["systemctl", "daemon-reload"].map(str::to_owned).to_vec();
        steps.push(Step::Run(Command { argv, ..Command::default() }));
    }
    steps
}
