//! What no host, or not this one, can do with the pins as they are written.

use super::super::scene::Scene;
use super::Pinning;
use super::iothreads::Iothreads;
use crate::host::{CoreScheduling, Host};
use crate::plan::{Class, Draft, Problem, Sched};
use crate::unit::CpuSet;

pub(super) fn judge(pinning: &Pinning, vcpus: u32, iothreads: &[String], scene: &Scene, draft: &mut Draft) {
    let Pinning { vcpus: pins, emulator, iothreads: iothread_pins, sched: _, nice: _, core_scheduling: _ } = pinning;
    let pins = pins.list();
    if !pins.is_empty() && u32::try_from(pins.len()) != Ok(vcpus) {
        let what = format!("{} pins for {vcpus} vCPUs", pins.len());
        draft.refuse(
            Problem::new(Class::Invalid, "cpu.pinning.vcpus", what)
                .why("sockets × dies × modules × cores × threads is the number of vCPUs, and each has one pin"),
        );
    }
    for (i, cpus) in pins.iter().enumerate() {
        judge_set(cpus, &format!("cpu.pinning.vcpus[{i}]"), scene, draft);
    }
    judge_twice(pins, draft);
    if let Some(cpus) = emulator {
        judge_set(cpus, "cpu.pinning.emulator", scene, draft);
    }
    for (at, cpus) in iothread_pins.iter().flat_map(Iothreads::sets) {
        judge_set(cpus, &at, scene, draft);
    }
    if let Some(Iothreads::ById(by_id)) = iothread_pins {
        for id in by_id.keys() {
            judge_id(id, iothreads, draft);
        }
    }
}

fn judge_set(cpus: &CpuSet, at: &str, scene: &Scene, draft: &mut Draft) {
    if cpus.is_empty() {
        draft.refuse(Problem::new(Class::Invalid, at, "the set of host CPUs is empty"));
    }
    let online = scene.host.online();
    let off = cpus.without(&online);
    if !off.is_empty() {
        let (is, them) = if off.len() == 1 { ("CPU", "is") } else { ("CPUs", "are") };
        draft.refuse(
            Problem::new(Class::Impossible, at, format!("host {is} {off} {them} not online"))
                .why(format!("this host has {online}")),
        );
    }
}

fn judge_twice(pins: &[CpuSet], draft: &mut Draft) {
    for (i, cpus) in pins.iter().enumerate().filter(|(_, cpus)| cpus.len() == 1) {
        if let Some(first) = pins[..i].iter().position(|earlier| earlier == cpus) {
            draft.refuse(
                Problem::new(
                    Class::Invalid,
                    format!("cpu.pinning.vcpus[{i}]"),
                    format!("host CPU {cpus} is pinned twice, by vCPU {first} and vCPU {i}"),
                )
                .why("two vCPUs on one host CPU wait for each other")
                .fix("give each vCPU a host CPU of its own, or several vCPUs the same set of CPUs"),
            );
        }
    }
}

fn judge_id(id: &str, iothreads: &[String], draft: &mut Draft) {
    if iothreads.iter().any(|known| known == id) {
        return;
    }
    let why = match iothreads {
        [] => "no disk has an iothread".to_owned(),
        ids => format!("the disks have {}", ids.join(", ")),
    };
    draft.refuse(
        Problem::new(Class::Invalid, format!("cpu.pinning.iothreads.{id}"), format!("there is no iothread {id}"))
            .why(why)
            .fix(format!("[[disk]]\niothread = \"{id}\"")),
    );
}

/// A busy real-time thread leaves nothing of its CPU to others: `threads` of them must not be able to take all CPUs.
pub(super) fn judge_fifo(pinning: &Pinning, sched: Sched, threads: usize, scene: &Scene, draft: &mut Draft) {
    if !matches!(sched, Sched::Fifo(_)) {
        return;
    }
    let (pinned, online) = (pinning.pinned(), scene.host.online());
    let free = online.without(&pinned);
    if threads < online.len() || (!pinned.is_empty() && !free.is_empty()) {
        if let Some(percent) = scene.host.real_time_percent {
            draft.warn(stopped(percent));
        }
        return;
    }
    draft.refuse(
        Problem::new(Class::Impossible, "cpu.pinning.sched", "real-time threads leave no CPU to the host")
            .why(format!("they may take all of {online}; while they spin, nothing on the host can end them"))
            .fix("vcpus = \"auto\"   # leaves the host its first core; or sched = \"normal\""),
    );
}

/// Busy real-time threads do not run for all of the time.
fn stopped(percent: u8) -> Problem {
    let ms = (100 - u32::from(percent)) * 10;
    let what = format!("a busy real-time vCPU is stopped for {ms} ms of every second");
    Problem::new(Class::Invalid, "cpu.pinning.sched", what)
        .why("kernel.sched_rt_runtime_us keeps them for other threads, and Linux before 6.12 also where none waits")
        .fix(
            "sudo sysctl kernel.sched_rt_runtime_us=-1   # with [tune] isolate = true, so that nobody else waits there",
        )
}

/// Whether the kernel is to keep strangers off the sibling threads; notes a problem when it cannot.
pub(super) fn keeps_strangers_off(host: &Host, draft: &mut Draft) -> bool {
    match host.core_scheduling {
        // An older dump does not tell; the kernel will.
        Some(CoreScheduling::Can) | None => true,
        // Nobody is beside the guest on a core, so there is nobody to keep off.
        Some(CoreScheduling::NoSiblings) => false,
        Some(CoreScheduling::NotBuilt) => {
            draft.refuse(
                Problem::new(Class::Impossible, "cpu.pinning.core_scheduling", "this kernel has no core scheduling")
                    .why("it was built without CONFIG_SCHED_CORE, or is older than Linux 5.14")
                    .fix("leave core_scheduling out; vcpus = \"auto\" gives the guest whole cores"),
            );
            false
        }
    }
}
