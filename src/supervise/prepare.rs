//! From an untouched host to one that is ready for QEMU.

use super::patience::awaited;
use super::run::sentence;
use super::{
    Companions, Failure, HookFailure, HookLife, Notice, Scene, ServiceFailure, Stage, Tell, run_hook, unit_changes,
};
use crate::apply::{ApplyError, Lease, Made, make_all, make_file};
use crate::host::Root;
use crate::plan::{Change, CpuMask, Hook, OnError, Plan, Point, Service, Start, Step, What};
use crate::unit::CpuSet;
use std::cell::RefCell;
use std::time::Instant;

/// What the start works with: the plan, what is held for the guest and has to be given back, and who is told.
#[derive(Clone, Copy)]
pub(super) struct Hands<'a> {
    pub(super) plan: &'a Plan,
    pub(super) lease: &'a Lease,
    /// Names of the hooks that failed where they could not veto, for the exit code.
    pub(super) failed: &'a RefCell<Vec<String>>,
    pub(super) tell: Tell<'a>,
}

impl Hands<'_> {
    /// Runs `hook`, which the journal knows of while it runs.
    pub(super) async fn run_hook(self, hook: &Hook, scene: &Scene) -> Result<(), HookFailure> {
        let note = |life| {
            let noted = match life {
                HookLife::Began(process) => self.lease.note_hook(&hook.name, process),
                HookLife::Ended(process) => self.lease.hook_ended(process),
            };
            if let Err(error) = noted {
                (self.tell)(&Notice::Warning(sentence(&error)));
            }
        };
        run_hook(hook, scene, &note, self.tell).await
    }

    /// Takes note of a hook that failed where it cannot veto.
    pub(super) fn failed(self, hook: &Hook, failure: &HookFailure) {
        (self.tell)(&Notice::Warning(failure.to_string()));
        if hook.on_error == OnError::Abort {
            self.failed.borrow_mut().push(hook.name.clone());
        }
    }
}

/// Claims of devices, hooks at `pre`, files, units and companions, the changes of the plan, hooks at `prepared`. Returns the plan to go on
/// with: another one where the huge pages were not to be had.
pub(super) async fn prepare<'a>(
    hands: Hands<'a>,
    companions: &mut Companions<'_>,
    scene: &Scene,
) -> Result<&'a Plan, Failure> {
    let plan = hands.plan;
    hands.lease.claim_devices(&plan.devices).map_err(|error| not_claimed_devices(&error))?;
    // On a disk that is full nothing is begun.
    hands.lease.begin().map_err(|error| failure(Stage::Folder, sentence(&error), Vec::new()))?;
    hooks_at(Point::Pre, hands, scene).await?;
    // Before the companions: the state of a TPM lies in a folder of the guest.
    for file in &plan.files {
        make_file(file).map_err(|error| host_failure(&error))?;
    }
    start_companions(Start::Before, hands, companions).await?;
    let rest = async {
        // Memory first: it is what most often is not to be had, and nothing else is touched then.
        let plan = take_pages(hands).await?;
        make_others(plan, hands).await?;
        hooks_at(Point::Prepared, hands, scene).await?;
        Ok(plan)
    };
    beside(companions, rest).await
}

/// Takes the huge pages of the plan, or of its fallback.
async fn take_pages(hands: Hands<'_>) -> Result<&Plan, Failure> {
    let Err(error) = pages_of(hands.plan, hands).await else { return Ok(hands.plan) };
    if let Err(left) = hands.lease.give_pages_back().await {
        return Err(failure(Stage::Host, format!("{}: {}", left.step, left.why), Vec::new()));
    }
    let Some(fallback) = &hands.plan.fallback else { return Err(host_failure(&error)) };
    (hands.tell)(&Notice::Warning(format!("{}; memory.fallback is used", sentence(&error))));
    pages_of(fallback, hands).await.map_err(|error| host_failure(&error))?;
    Ok(fallback)
}

async fn pages_of(plan: &Plan, hands: Hands<'_>) -> Result<(), ApplyError> {
    for change in plan.changes.iter().filter(|change| is_of_pool(change)) {
        make(change, hands).await?;
    }
    Ok(())
}

fn is_of_pool(change: &Change) -> bool {
    matches!(change, Change::HugePages { .. })
}

/// Makes the changes of `plan` but those of the pools. The first failure ends the start; others beside it are told.
async fn make_others(plan: &Plan, hands: Hands<'_>) -> Result<(), Failure> {
    let others = plan.changes.iter().filter(|change| !is_of_pool(change));
    let made = make_all(others, async |change| make(change, hands).await).await;
    made.map_err(|(first, beside)| {
        beside.iter().for_each(|error| (hands.tell)(&Notice::Warning(sentence(error))));
        host_failure(&first)
    })
}

async fn make(change: &Change, hands: Hands<'_>) -> Result<(), ApplyError> {
    let began = Instant::now();
    awaited(hands.tell, || in_the_making(change, hands.lease.root()), hands.lease.make(change)).await?;
    (hands.tell)(&Notice::stage(stage_name(change), began.elapsed()));
    if let Change::Masks { cpus, masks } = change
        && let Some(text) = immovable(hands.lease.root(), cpus, masks)
    {
        (hands.tell)(&Notice::Note(text));
    }
    Ok(())
}

/// What is on the guest's host CPUs still, because the kernel does not let anyone move it.
fn immovable(root: &Root, cpus: &CpuSet, masks: &[CpuMask]) -> Option<String> {
    let stays = |mask: &&CpuMask| {
        // Where an interrupt may go is not where it goes: of several CPUs the kernel takes one.
        let effective = mask.path.replace("/smp_affinity_list", "/effective_affinity_list");
        let text = root.text(effective).filter(|text| !text.is_empty()).or_else(|| root.text(&mask.path));
        let now = text.and_then(|text| CpuMask::read(&mask.path, &text));
        now.is_some_and(|now| !now.and(cpus).is_empty())
    };
    let name = |mask: &CpuMask| match mask.path.strip_prefix("/proc/irq/").and_then(|rest| rest.split_once('/')) {
        Some((number, "smp_affinity_list")) => {
            let handlers = root.text(format!("/sys/kernel/irq/{number}/actions")).unwrap_or_default();
            format!("IRQ {number} ({handlers})")
        }
        _ => mask.path.clone(),
    };
    let stay: Vec<_> = masks.iter().filter(stays).map(name).collect();
    (!stay.is_empty()).then(|| format!("the kernel keeps these on the guest's host CPUs {cpus}: {}", stay.join(", ")))
}

/// Does `work` while the companions are read and kept alive; fails when a required one is lost.
pub(super) async fn beside<T>(
    companions: &mut Companions<'_>,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::select! {
        done = work => done,
        lost = companions.next() => Err(failure(Stage::Companion, lost.to_string(), Vec::new())),
    }
}

/// Starts the units and commands that belong to `start`.
pub(super) async fn start_companions(
    start: Start,
    hands: Hands<'_>,
    companions: &mut Companions<'_>,
) -> Result<(), Failure> {
    for (service, change) in units(hands.plan, start) {
        let started = start_unit(service, &change, hands);
        beside(companions, started).await?;
    }
    companions.start(start).await.map_err(|lost| self::lost(&lost))
}

/// A required companion that did not start.
pub(super) fn lost(lost: &ServiceFailure) -> Failure {
    failure(Stage::Companion, lost.to_string(), lost.tail.clone())
}

fn units(plan: &Plan, start: Start) -> Vec<(&Service, Change)> {
    let those =
        plan.services.iter().filter(|service| service.start == start && matches!(service.what, What::Unit { .. }));
    those.zip(unit_changes(&plan.services, start)).collect()
}

async fn start_unit(service: &Service, change: &Change, Hands { lease, tell, .. }: Hands<'_>) -> Result<(), Failure> {
    let began = Instant::now();
    let made = awaited(tell, || service.name.clone(), lease.make(change)).await;
    match made {
        Ok(Made::Now) => tell(&Notice::stage(format!("{} started", service.name), began.elapsed())),
        Ok(Made::Already) => tell(&Notice::Note(format!("{} ran already and will be left running", service.name))),
        Err(error) if service.required => return Err(failure(Stage::Companion, sentence(&error), Vec::new())),
        Err(error) => tell(&Notice::Warning(sentence(&error))),
    }
    Ok(())
}

/// Runs the hooks at `at`, in the order of the profile. Each that can be taken back is in the journal before it runs.
/// Where the point can veto, a failure ends the start.
pub(super) async fn hooks_at(at: Point, hands: Hands<'_>, scene: &Scene) -> Result<(), Failure> {
    let Hands { plan, tell, .. } = hands;
    for hook in plan.hooks.iter().filter(|hook| hook.at == at) {
        let began = Instant::now();
        match noted(hook, hands, scene).await? {
            Ok(()) => tell(&Notice::stage(format!("hook {} ({at})", hook.name), began.elapsed())),
            Err(failed) if at.can_veto() && hook.on_error == OnError::Abort => {
                return Err(failure(Stage::Hook, failed.to_string(), failed.tail));
            }
            Err(failed) => hands.failed(hook, &failed),
        }
    }
    Ok(())
}

async fn noted(hook: &Hook, hands: Hands<'_>, scene: &Scene) -> Result<Result<(), HookFailure>, Failure> {
    let lease = hands.lease;
    let change = hook.undo.as_ref().map(|undo| {
        let back = scene.complete(undo);
        Change::Hook { name: hook.name.clone(), run: Some(hook.run.clone()), back: Some(back) }
    });
    if let Some(change) = &change {
        lease.note(change).map_err(|error| host_failure(&error))?;
    }
    let ran = hands.run_hook(hook, scene).await;
    if let (Some(change), Err(_)) = (&change, &ran) {
        lease.forget(change).map_err(|error| host_failure(&error))?;
    }
    Ok(ran)
}

/// What is awaited, and how much of it is there.
fn in_the_making(change: &Change, root: &Root) -> String {
    let steps = change.steps();
    let pool = steps.iter().find_map(|step| match step {
        Step::Add { path, .. } => root.text(path),
        _ => None,
    });
    let there = pool.map_or(String::new(), |pages| format!("; the pool has {pages} by now"));
    format!("{}{there}", stage_name(change))
}

fn stage_name(change: &Change) -> String {
    match change {
        Change::HugePages { node, size, take, .. } => format!("{take} huge pages of {size} on node {node}"),
        Change::Unit { unit, .. } => unit.clone(),
        Change::Macvtap { name, parent, .. } => format!("macvtap device {name} on {parent}"),
        Change::Bridge { name, .. } => format!("bridge {name}"),
        Change::Hook { name, .. } => name.clone(),
        Change::Module { name, .. } => format!("module {name}"),
        Change::Mdev { uuid, kind, .. } => format!("mediated device {uuid}, {kind}"),
        Change::Driver { bdf, from, to } if from == to => format!("{bdf} answers"),
        Change::Driver { bdf, to, .. } => match &to.driver {
            Some(driver) => format!("{bdf} to {driver}"),
            None => format!("{bdf} free"),
        },
        Change::Masks { cpus, .. } => format!("interrupts and kernel work off CPUs {cpus}"),
        Change::Slices { cpus, .. } | Change::Gather { cpus, .. } => format!("the host's processes off CPUs {cpus}"),
        Change::Group { path, .. } => format!("control group {path}"),
        Change::Share { group, .. } => format!("a share of caches and bandwidth in {group}"),
        Change::Owner { path, to, .. } => format!("{path} to user {to}"),
        Change::Holders { bdf, .. } => format!("{bdf} let go of"),
        Change::Attribute { path, from: _, to } | Change::Shared { path, from: _, to } => {
            format!("{} {to}", path.trim_start_matches("/sys/bus/pci/devices/"))
        }
        Change::Rebar { bdf, bar, from: _, to } => format!("BAR {bar} of {bdf} {to}"),
        Change::Framebuffer { device, .. } => format!("{device} released"),
    }
}

pub(super) fn not_claimed_devices(error: &ApplyError) -> Failure {
    let stage = if matches!(error, ApplyError::Busy(_)) { Stage::Busy } else { Stage::Folder };
    failure(stage, sentence(error), Vec::new())
}

fn host_failure(error: &ApplyError) -> Failure {
    failure(Stage::Host, sentence(error), Vec::new())
}

pub(super) fn failure(stage: Stage, what: String, log: Vec<String>) -> Failure {
    Failure { stage, what, log }
}
