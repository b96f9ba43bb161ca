//! Which thread goes where, and the calls that put it there.

use super::{Mask, Pins, QemuError, Thread, Told, failed, refused, thread};
use crate::plan::Sched;
use crate::unit::CpuSet;
use nix::libc;
use rustix::process::{Pid, setpriority_process};
use std::io;

/// One thread to be placed.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) tid: i32,
    pub(super) what: Thread,
    /// Where; `None` leaves it where it is.
    pub(super) place: Option<Place>,
    pub(super) sched: Sched,
}

/// Host CPUs, and what the kernel calls them.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) cpus: CpuSet,
    pub(super) mask: Mask,
}

impl From<CpuSet> for Place {
    fn from(cpus: CpuSet) -> Self {
        Self { mask: Mask::of(&cpus), cpus }
    }
}

impl Order {
    /// Places the thread and returns where the kernel says it is; its place, when what it lacks of that is `away`, switched
    /// off.
    pub(super) fn carry_out(&self, away: &CpuSet) -> Result<CpuSet, QemuError> {
        let name = || thread(&self.what, self.tid);
        let is_there = |place: &&Place| away.is_empty() || !place.cpus.without(away).is_empty();
        let wanted = self.place.as_ref().filter(is_there);
        if let Some(Place { cpus, mask }) = wanted {
            let refused = |errno| failed(&name(), &format!("the kernel refuses host CPUs {cpus}"), errno);
            mask.apply(self.tid).map_err(refused)?;
        }
        schedule(self.tid, self.sched)
            .map_err(|source| failed(&name(), &format!("the kernel refuses {}", class(self.sched)), source))?;
        let now = Mask::read(self.tid).map_err(|errno| failed(&name(), "its host CPUs cannot be read back", errno))?;
        match wanted {
            None => Ok(self.place.as_ref().map_or_else(|| now.cpus(), |place| place.cpus.clone())),
            Some(Place { cpus, mask }) if *mask == now || Mask::of(&cpus.without(away)) == now => Ok(cpus.clone()),
            Some(Place { cpus, .. }) => {
                let now = now.cpus();
                // Host CPUs may have become another guest's partition; threads that are no vCPU do with the others.
                let any = matches!(self.what, Thread::Emulator | Thread::Vhost);
                if any && !now.is_empty() && now.without(cpus).is_empty() {
                    return Ok(now);
                }
                let why = format!(
                    "host CPUs {cpus} were asked for and the kernel gave {now}; the others are offline or not allowed to QEMU"
                );
                Err(refused(name(), why))
            }
        }
    }
}

/// The orders for vCPUs and iothreads, each thread once and all of them of process `pid`, as `is_of` says.
pub(super) fn orders(
    pid: u32,
    pins: &Pins,
    told: &Told,
    home: &CpuSet,
    is_of: impl Fn(u32, i32) -> bool,
) -> Result<Vec<Order>, QemuError> {
    let mut orders = vcpus(pins, told, home)?;
    orders.extend(iothreads(pins, told)?);
    one_thread_each(&orders)?;
    for order in &orders {
        let ours = i64::from(order.tid) != i64::from(pid) && is_of(pid, order.tid);
        if !ours {
            let why = format!("QEMU names a thread that is none of process {pid}'s, or its main thread");
            return Err(refused(thread(&order.what, order.tid), why));
        }
    }
    Ok(orders)
}

fn vcpus(pins: &Pins, told: &Told, home: &CpuSet) -> Result<Vec<Order>, QemuError> {
    let (placed, there) = (pins.vcpus.len(), told.vcpus.len());
    if placed != 0 && placed != there {
        return Err(refused("the vCPUs".into(), format!("the plan places {placed} and QEMU has {there}")));
    }
    let mut vcpus = told.vcpus.iter().collect::<Vec<_>>();
    vcpus.sort_unstable_by_key(|vcpu| vcpu.cpu_index);
    if placed == 0 {
        // Single-threaded TCG is fine as long as nobody wants its vCPUs apart.
        vcpus.dedup_by_key(|vcpu| vcpu.thread_id);
    }
    let anywhere = (!pins.is_empty()).then_some(home);
    vcpus
        .into_iter()
        .map(|vcpu| {
            let what = Thread::Vcpu(vcpu.cpu_index);
            let placement = pins.vcpus.get(vcpu.cpu_index as usize);
            if placed != 0 && placement.is_none() {
                return Err(refused(what.to_string(), format!("the plan places vCPUs 0 to {}", placed - 1)));
            }
            let cpus = placement.and_then(|placement| placement.cpus.as_ref()).or(anywhere).cloned();
            let sched = placement.map_or(Sched::Normal, |placement| placement.sched);
            Ok(Order { tid: vcpu.thread_id, what, place: cpus.map(Place::from), sched })
        })
        .collect()
}

fn iothreads(pins: &Pins, told: &Told) -> Result<Vec<Order>, QemuError> {
    let mut orders = Vec::with_capacity(told.iothreads.len());
    for (id, placement) in &pins.iothreads {
        let Some(iothread) = told.iothreads.iter().find(|iothread| iothread.id == *id) else {
            return Err(refused(format!("iothread {id}"), "QEMU has no iothread of this id".into()));
        };
        let what = Thread::Iothread(id.clone());
        let place = placement.cpus.clone().map(Place::from);
        orders.push(Order { tid: iothread.thread_id, what, place, sched: placement.sched });
    }
    Ok(orders)
}

fn one_thread_each(orders: &[Order]) -> Result<(), QemuError> {
    let mut by_thread = orders.iter().collect::<Vec<_>>();
    by_thread.sort_by_key(|order| order.tid);
    match by_thread.windows(2).find(|pair| pair[0].tid == pair[1].tid) {
        None => Ok(()),
        Some(pair) => {
            let why = format!(
                "QEMU runs {} in the same thread, as single-threaded TCG (-accel tcg,thread=single) does",
                pair[1].what
            );
            Err(refused(thread(&pair[0].what, pair[0].tid), why))
        }
    }
}

fn class(sched: Sched) -> String {
    match sched {
        Sched::Normal => "the normal class".into(),
        Sched::Nice(value) => format!("nice value {value}"),
        Sched::Fifo(priority) => format!("the class SCHED_FIFO with priority {priority}"),
    }
}

fn schedule(tid: i32, sched: Sched) -> io::Result<()> {
    match sched {
        Sched::Normal => Ok(()),
        Sched::Nice(value) => {
            set_policy(tid, libc::SCHED_OTHER, 0)?;
            // PRIO_PROCESS takes a thread id on Linux; setpriority(2).
            Ok(setpriority_process(Pid::from_raw(tid), value.into())?)
        }
        Sched::Fifo(priority) => set_policy(tid, libc::SCHED_FIFO, priority.into()),
    }
}

/// Sets the class so that threads made by this one do not inherit it; sched(7), `SCHED_RESET_ON_FORK`.
fn set_policy(tid: i32, policy: i32, priority: i32) -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: priority };
    // SAFETY: the pointer is to a local that lives through the call; the kernel only reads it.
    #[allow(unsafe_code)]
    let status =
        unsafe { libc::sched_setscheduler(tid, policy | libc::SCHED_RESET_ON_FORK, std::ptr::from_ref(&parameters)) };
    if status < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod test {
    use super::{Order, Thread, Told, orders};
    use crate::plan::{Pins, Placement, Sched};
    use crate::qemu::{Iothread, QemuError, Vcpu};
    use crate::unit::CpuSet;

    fn told(vcpus: &[(u32, i32)]) -> Told {
        let vcpus = vcpus.iter().map(|&(cpu_index, thread_id)| Vcpu { cpu_index, thread_id }).collect();
        Told { vcpus, iothreads: vec![Iothread { id: "io0".into(), thread_id: 103 }] }
    }

    fn on(cpu: u32) -> Placement {
        Placement { cpus: Some(CpuSet::of(cpu)), sched: Sched::Normal }
    }

    fn vcpus(count: u32) -> Pins {
        Pins { vcpus: (0..count).map(on).collect(), ..Pins::default() }
    }

    fn home() -> CpuSet {
        [0, 1, 2, 3].into_iter().collect()
    }

    fn place(pins: &Pins, told: &Told) -> Result<Vec<Order>, QemuError> {
        orders(100, pins, told, &home(), |pid, tid| pid == 100 && (100..104).contains(&tid))
    }

    fn refusal(pins: &Pins, told: &Told) -> String {
        place(pins, told).unwrap_err().to_string()
    }

    #[test]
    fn vcpus_are_placed_by_index_and_not_by_the_order_of_the_reply() {
        let orders = place(&vcpus(2), &told(&[(1, 102), (0, 101)])).unwrap();
        let placed =
            orders.iter().map(|order| (order.tid, order.place.as_ref().unwrap().cpus.to_string())).collect::<Vec<_>>();
        assert_eq!(placed, [(101, "0".into()), (102, "1".into())]);
    }

    #[test]
    fn a_thread_that_is_not_of_this_process_is_refused() {
        assert!(refusal(&vcpus(1), &told(&[(0, 1)])).contains("vCPU 0 (thread 1)"));
    }

    #[test]
    fn the_main_thread_is_no_vcpu() {
        assert!(refusal(&vcpus(1), &told(&[(0, 100)])).contains("main thread"));
    }

    #[test]
    fn two_vcpus_in_one_thread_are_refused_when_they_shall_be_placed() {
        let told = told(&[(0, 101), (1, 101)]);
        assert!(refusal(&vcpus(2), &told).contains("thread=single"));
        assert_eq!(place(&Pins::default(), &told).unwrap().len(), 1);
    }

    #[test]
    fn more_or_fewer_vcpus_than_planned_are_refused() {
        assert!(refusal(&vcpus(3), &told(&[(0, 101), (1, 102)])).contains("places 3 and QEMU has 2"));
    }

    #[test]
    fn an_iothread_that_is_not_there_is_refused_by_its_id() {
        let pins = Pins { iothreads: [("io7".to_owned(), on(0))].into(), ..Pins::default() };
        assert!(refusal(&pins, &told(&[])).contains("iothread io7"));
    }

    #[test]
    fn vcpus_without_a_place_leave_the_emulators_host_cpus() {
        let pins = Pins { emulator: Some(CpuSet::of(0)), ..Pins::default() };
        let orders = place(&pins, &told(&[(0, 101)])).unwrap();
        assert_eq!((&orders[0].what, &orders[0].place.as_ref().unwrap().cpus), (&Thread::Vcpu(0), &home()));
    }

    #[test]
    fn without_pins_nothing_is_moved() {
        assert!(place(&Pins::default(), &told(&[(0, 101)])).unwrap()[0].place.is_none());
    }
}
