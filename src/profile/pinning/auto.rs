//! Pins and topology that follow from the host: `"auto"`, and a list without a topology.

use super::Pinning;
use super::choice::{AT, Choice};
use super::iothreads::Iothreads;
use super::pool::Ask;
use super::shape::Shape;
use super::site::Site;
use super::vcpus::{Auto, Vcpus};
use crate::host::Host;
use crate::plan::{Class, Draft, Problem};
use crate::unit::CpuSet;
use std::num::NonZeroU32;

/// What the profile says of the guest's topology.
#[derive(Clone, Copy, Debug)]
pub(in crate::profile) struct Given {
    /// Product of sockets, dies, modules and cores; `None` when none of them is given.
    pub(in crate::profile) cores: Option<u32>,
    pub(in crate::profile) threads: Option<u32>,
}

impl Pinning {
    /// The same with host CPUs in the place of `"auto"`, and the topology that follows where the profile gives none.
    ///
    /// Notes a problem when this host cannot give them.
    pub(in crate::profile) fn placed(
        &self,
        given: Given,
        site: &Site,
        host: &Host,
        draft: &mut Draft,
    ) -> (Self, Option<Shape>) {
        let count = match &self.vcpus {
            Vcpus::List(pins) if pins.is_empty() || given.cores.or(given.threads).is_some() => {
                return (self.clone(), None);
            }
            Vcpus::List(pins) => return (self.clone(), Some(Shape::of_list(pins, host))),
            Vcpus::Auto(Auto(count)) => count.map(NonZeroU32::get),
        };
        match self.choose(count, given, site, host) {
            Ok(choice) => {
                draft.contents.pins.why.clone_from(&choice.why);
                let shape = choice.shape;
                let shape =
                    if given.cores.is_some() { Shape { sockets: 1, dies: 1, cores: 1, ..shape } } else { shape };
                (self.with(choice), Some(shape))
            }
            Err(problem) => {
                draft.refuse(problem);
                // What else is wrong is told for as many vCPUs as there would be.
                let cores = count.unwrap_or(1) / given.threads.unwrap_or(1);
                let shape = Shape::plain(usize::try_from(cores).unwrap_or(1), given.threads.unwrap_or(1));
                (Self { vcpus: Vcpus::default(), ..self.clone() }, given.cores.is_none().then_some(shape))
            }
        }
    }

    fn choose(&self, count: Option<u32>, given: Given, site: &Site, host: &Host) -> Result<Choice, Problem> {
        if site.guest_nodes > 1 {
            return Err(Problem::new(Class::Invalid, AT, "\"auto\" places the vCPUs of one guest NUMA node")
                .why(format!("the guest has {}, each of which belongs on a node of the host", site.guest_nodes))
                .fix("vcpus = [2, 6, 3, 7]   # a host CPU for each vCPU"));
        }
        let threads = match (count, given.cores, given.threads) {
            (Some(count), Some(cores), threads) if count != cores.saturating_mul(threads.unwrap_or(count / cores)) => {
                return Err(contradiction(count, cores, threads));
            }
            (Some(count), Some(cores), None) => Some(count / cores),
            (_, _, threads) => threads,
        };
        let emulator = self.emulator.clone();
        let iothreads = self.iothreads.iter().flat_map(Iothreads::sets).flat_map(|(_, cpus)| cpus.iter());
        let taken: CpuSet = emulator.iter().flat_map(CpuSet::iter).chain(iothreads).collect();
        let cores = given.cores;
        let ask = Ask { vcpus: count, cores, threads, taken, emulator, near: site.near.clone() };
        Choice::of(&ask, host)
    }

    fn with(&self, choice: Choice) -> Self {
        let iothreads = self.iothreads.clone().or_else(|| Some(Iothreads::All(choice.emulator.clone())));
        let vcpus = Vcpus::List(choice.pins());
        Self { vcpus, emulator: Some(choice.emulator), iothreads, ..self.clone() }
    }
}

fn contradiction(count: u32, cores: u32, threads: Option<u32>) -> Problem {
    let topology = cores.saturating_mul(threads.unwrap_or(1));
    let what = format!("\"auto:{count}\" is {count} vCPUs, the topology {topology}");
    Problem::new(Class::Invalid, AT, what).fix("\"auto\"   # for as many as the topology has")
}
