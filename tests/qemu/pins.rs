//! Every thread is where the plan says before the guest runs.

use super::harness::{Run, for_each_qemu, on, status, tasks};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};
use vmrun::plan::{Pins, Placement, Sched};
use vmrun::qemu::{QemuError, RunState, Thread, Threads};
use vmrun::unit::CpuSet;

for_each_qemu! {
    eight_vcpus_and_two_iothreads_are_in_place_before_the_guest_runs
    a_guest_without_pins_is_left_where_the_kernel_put_it
    vcpus_in_one_thread_are_refused_and_qemu_is_gone
    row_032_a_vcpu_whose_thread_is_dead_or_somebody_elses_is_refused_and_qemu_is_gone
    a_host_cpu_that_is_not_there_is_noticed_by_reading_back
    a_real_time_vcpu_does_not_hand_its_class_on
    a_vcpu_whose_place_is_switched_off_has_its_class_and_waits_elsewhere
    a_newcomer_with_a_vcpus_mask_is_moved
    a_vhost_worker_outside_of_qemu_is_found_by_its_name
    a_qemu_that_has_ended_has_no_newcomers
    a_qemu_with_a_share_of_caches_is_a_member_of_its_group_before_it_runs
}

fn iothread(run: Run, id: &str) -> Run {
    run.with("-object", &format!("iothread,id={id}"))
}

fn apart() -> Pins {
    let vcpus = (0..8).map(|vcpu| on(if vcpu % 2 == 0 { "1" } else { "0-1" })).collect();
    let iothreads = [("io0".to_owned(), on("1")), ("io1".to_owned(), on("0-1"))].into();
    Pins { vcpus, iothreads, emulator: Some("0".parse().unwrap()), ..Pins::default() }
}

async fn eight_vcpus_and_two_iothreads_are_in_place_before_the_guest_runs(qemu: (&str, &str)) {
    let run = iothread(iothread(Run::new(qemu).tcg().with("-smp", "8"), "io0"), "io1").pins(apart());
    let paused = run.paused().await.unwrap();
    assert_eq!(paused.status().await.unwrap().status, RunState::Prelaunch);

    let pid = paused.pid();
    let seen: BTreeMap<i32, String> =
        tasks(pid).into_iter().map(|tid| (tid, status(pid, tid, "Cpus_allowed_list"))).collect();
    let told: BTreeMap<i32, String> =
        paused.threads().iter().map(|thread| (thread.tid, thread.cpus.to_string())).collect();
    assert_eq!(told, seen);

    let where_is = |what: Thread| {
        let of = paused.threads().iter().filter(|thread| thread.what == what);
        of.map(|thread| seen[&thread.tid].clone()).collect::<Vec<_>>()
    };
    let vcpus: Vec<_> = (0..8).flat_map(|index| where_is(Thread::Vcpu(index))).collect();
    assert_eq!(vcpus, ["1", "0-1", "1", "0-1", "1", "0-1", "1", "0-1"]);
    assert_eq!(where_is(Thread::Iothread("io0".into())), ["1"]);
    assert_eq!(where_is(Thread::Iothread("io1".into())), ["0-1"]);
    let rest = where_is(Thread::Emulator);
    assert_eq!(rest.len(), seen.len() - 10);
    assert!(!rest.is_empty() && rest.iter().all(|cpus| cpus == "0"), "{rest:?}");
    assert!(paused.threads().iter().any(|thread| thread.name.contains("qemu")), "{:?}", paused.threads());

    let guest = paused.cont().await.unwrap();
    assert_eq!(guest.status().await.unwrap().status, RunState::Running);
    guest.kill().unwrap();
}

async fn a_guest_without_pins_is_left_where_the_kernel_put_it(qemu: (&str, &str)) {
    let run = Run::new(qemu).with("-accel", "tcg,thread=single").with("-smp", "2");
    let paused = run.paused().await.unwrap();
    let ours = status(std::process::id(), i32::try_from(std::process::id()).unwrap(), "Cpus_allowed_list");
    for tid in tasks(paused.pid()) {
        assert_eq!(status(paused.pid(), tid, "Cpus_allowed_list"), ours);
    }
}

async fn vcpus_in_one_thread_are_refused_and_qemu_is_gone(qemu: (&str, &str)) {
    let pins = Pins { vcpus: vec![on("0"), on("1")], ..Pins::default() };
    let run = Run::new(qemu).with("-accel", "tcg,thread=single").with("-smp", "2").pins(pins);
    let mut booting = run.spawn().unwrap();
    let (pid, told) = (booting.pid(), booting.told().await.unwrap());
    let refusal = booting.pin(&run.plan().pins, &told, CpuSet::default()).await.unwrap_err();
    assert!(matches!(refusal, QemuError::Pin { .. }));
    assert!(refusal.to_string().contains("thread=single"), "{refusal}");
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
}

async fn row_032_a_vcpu_whose_thread_is_dead_or_somebody_elses_is_refused_and_qemu_is_gone(qemu: (&str, &str)) {
    let mut dead = Command::new("true").spawn().unwrap();
    dead.wait().unwrap();
    let ours = i32::try_from(std::process::id()).unwrap();
    for tid in [i32::try_from(dead.id()).unwrap(), ours] {
        let before = status(std::process::id(), ours, "Cpus_allowed_list");
        let pins = Pins { vcpus: vec![on("0"), on("1")], ..Pins::default() };
        let run = Run::new(qemu).tcg().with("-smp", "2").pins(pins);
        let mut booting = run.spawn().unwrap();
        let (pid, mut told) = (booting.pid(), booting.told().await.unwrap());
        told.vcpus[1].thread_id = tid;
        let refusal = booting.pin(&run.plan().pins, &told, CpuSet::default()).await.unwrap_err().to_string();
        assert!(refusal.contains(&format!("(thread {tid})")), "{refusal}");
        assert!(refusal.contains(&format!("a thread that is none of process {pid}'s")), "{refusal}");
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
        assert_eq!(status(std::process::id(), ours, "Cpus_allowed_list"), before);
    }
}

async fn a_host_cpu_that_is_not_there_is_noticed_by_reading_back(qemu: (&str, &str)) {
    let run = Run::new(qemu).tcg().pins(Pins { vcpus: vec![on("0,900")], ..Pins::default() });
    let refusal = run.paused().await.unwrap_err().to_string();
    assert!(refusal.contains("vCPU 0") && refusal.contains("0,900") && refusal.contains("gave 0;"), "{refusal}");
}

async fn a_vcpu_whose_place_is_switched_off_has_its_class_and_waits_elsewhere(qemu: (&str, &str)) {
    let vcpus = vec![Placement { cpus: Some("900".parse().unwrap()), sched: Sched::Fifo(3) }];
    let run = Run::new(qemu).tcg().pins(Pins { vcpus, ..Pins::default() });
    let mut booting = run.spawn().unwrap();
    let told = booting.told().await.unwrap();
    let paused = booting.pin(&run.plan().pins, &told, "900".parse().unwrap()).await.unwrap();
    let vcpu = paused.threads().iter().find(|thread| thread.what == Thread::Vcpu(0)).unwrap();
    assert_eq!(vcpu.cpus.to_string(), "900", "its place is known");
    let said = Command::new("chrt").args(["-p", &vcpu.tid.to_string()]).output().unwrap().stdout;
    let said = String::from_utf8(said).unwrap();
    assert!(said.contains("SCHED_FIFO") && said.contains("priority: 3"), "{said}");
}

async fn a_real_time_vcpu_does_not_hand_its_class_on(qemu: (&str, &str)) {
    let vcpus = vec![
        Placement { cpus: None, sched: Sched::Fifo(3) },
        Placement { cpus: Some("1".parse().unwrap()), sched: Sched::Nice(-5) },
    ];
    let run = Run::new(qemu).tcg().with("-smp", "2").pins(Pins { vcpus, ..Pins::default() });
    let paused = run.paused().await.unwrap();
    let stat = |index| {
        let tid = paused.threads().iter().find(|thread| thread.what == Thread::Vcpu(index)).unwrap().tid;
        let text = std::fs::read_to_string(format!("/proc/{}/task/{tid}/stat", paused.pid())).unwrap();
        // After the name, which stands in brackets: nice is the 17th field, the real-time priority the 38th, the
        // class the 39th; proc(5).
        let fields: Vec<String> = text[text.rfind(')').unwrap()..].split_whitespace().map(str::to_owned).collect();
        (fields[17].clone(), fields[38].clone(), fields[39].clone())
    };
    assert_eq!(stat(0), ("0".into(), "3".into(), "1".into()));
    assert_eq!(stat(1), ("-5".into(), "0".into(), "0".into()));
    for vcpu in paused.threads().iter().filter(|thread| matches!(thread.what, Thread::Vcpu(_))) {
        let said = Command::new("chrt").args(["-p", &vcpu.tid.to_string()]).output().unwrap().stdout;
        assert!(String::from_utf8(said).unwrap().contains("|SCHED_RESET_ON_FORK"));
    }
}

async fn a_newcomer_with_a_vcpus_mask_is_moved(qemu: (&str, &str)) {
    let run = Run::new(qemu).tcg().pins(Pins {
        vcpus: vec![on("1")],
        iothreads: BTreeMap::new(),
        emulator: Some("0".parse().unwrap()),
        ..Pins::default()
    });
    let mut guest = run.guest().await;
    // A thread made by QEMU at our command, given the mask that it would have from a vCPU.
    let known = tasks(guest.pid());
    let args = serde_json::json!({ "qom-type": "iothread", "id": "late" });
    guest.qmp().raw("object-add", &args).await.unwrap();
    let late = tasks(guest.pid()).into_iter().find(|tid| !known.contains(tid)).unwrap();
    let mut mask = nix::sched::CpuSet::new();
    mask.set(1).unwrap();
    nix::sched::sched_setaffinity(nix::unistd::Pid::from_raw(late), &mask).unwrap();

    let new = guest.place_newcomers().unwrap();
    let moved = new.iter().find(|thread| thread.tid == late).unwrap();
    assert_eq!((moved.cpus.to_string().as_str(), &moved.what), ("0", &Thread::Emulator));
    assert_eq!(status(guest.pid(), late, "Cpus_allowed_list"), "0");
    let vcpu = guest.threads().iter().find(|thread| thread.what == Thread::Vcpu(0)).unwrap().tid;
    assert_eq!(status(guest.pid(), vcpu, "Cpus_allowed_list"), "1");
    assert!(guest.place_newcomers().unwrap().is_empty());
    guest.kill().unwrap();
}

async fn a_vhost_worker_outside_of_qemu_is_found_by_its_name(qemu: (&str, &str)) {
    let pins = Pins { emulator: Some("0".parse().unwrap()), ..Pins::default() };
    let run = Run::new(qemu).tcg().pins(pins.clone());
    let mut booting = run.spawn().unwrap();
    let told = booting.told().await.unwrap();
    // A process of that name stands in for the kernel thread that Linux before 6.4 would make.
    let program = run.folder.path().join(format!("vhost-{}", booting.pid()));
    symlink("/bin/cat", &program).unwrap();
    let mut worker = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    // Once it echoes it has its name; the kernel sets that after the parent goes on.
    worker.stdin.as_mut().unwrap().write_all(b"x").unwrap();
    worker.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    let tid = i32::try_from(worker.id()).unwrap();

    let threads = Threads::pin(booting.pid(), &pins, &told, true, CpuSet::default()).unwrap();
    let found = threads.pinned().iter().find(|thread| thread.tid == tid).cloned();
    let cpus = status(worker.id(), tid, "Cpus_allowed_list");
    let unasked = Threads::pin(booting.pid(), &pins, &told, false, CpuSet::default()).unwrap();
    worker.kill().unwrap();
    worker.wait().unwrap();
    assert_eq!((found.unwrap().what, cpus.as_str()), (Thread::Vhost, "0"));
    assert!(unasked.pinned().iter().all(|thread| thread.what != Thread::Vhost));
}

async fn a_qemu_that_has_ended_has_no_newcomers(qemu: (&str, &str)) {
    let run = Run::new(qemu).tcg();
    let mut booting = run.spawn().unwrap();
    let told = booting.told().await.unwrap();
    let mut threads = Threads::pin(booting.pid(), &Pins::default(), &told, false, CpuSet::default()).unwrap();
    booting.kill().await.unwrap();
    assert_eq!(threads.place_newcomers().unwrap(), []);
}

/// The kernel's file takes whoever writes `0`. Here it is a file, which holds that after the start; and without one there is
/// no start.
async fn a_qemu_with_a_share_of_caches_is_a_member_of_its_group_before_it_runs(qemu: (&str, &str)) {
    let mut run = Run::new(qemu).tcg();
    let group = run.folder.path().join("vmrun-test");
    run.draft.contents.share = Some(group.display().to_string());
    let refused = run.spawn().unwrap_err().to_string();
    std::fs::create_dir(&group).unwrap();
    std::fs::write(group.join("tasks"), "").unwrap();
    // What a QEMU that cannot be executed leaves was written before it.
    let mut nothing = Run::new(qemu).tcg();
    nothing.draft.contents.share = Some(group.display().to_string());
    nothing.draft.contents.emulator.path = "/nowhere/qemu".into();
    assert!(nothing.spawn().is_err());
    assert_eq!(std::fs::read_to_string(group.join("tasks")).unwrap(), "0");
    let paused = run.paused().await.unwrap();
    assert_eq!(paused.status().await.unwrap().status, RunState::Prelaunch);
    assert!(refused.contains("vmrun-test/tasks"), "{refused}");
}
