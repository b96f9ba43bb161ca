//! Settings of the kernel that are for all host CPUs, or for all guests.

use crate::plan::{Change, Class, Descriptor, Draft, Problem};
use crate::profile::scene::Scene;

/// Linux: `Documentation/virt/kvm/halt-polling.rst`, `Documentation/admin-guide/kernel-parameters.txt`, `kvm.`
pub(super) fn draft_kvm(name: &str, value: String, scene: &Scene, draft: &mut Draft) {
    let key = format!("tune.{name}");
    if !scene.kvm() {
        let what = format!("{name} is KVM's, and has no effect without");
        return draft.warn(Problem::new(Class::Invalid, key, what).fix(format!("leave {name} out")));
    }
    let Some(from) = scene.host.system.kvm.get(&format!("kvm.{name}")) else {
        let what = format!("this kernel has no parameter kvm.{name}");
        return draft.refuse(Problem::new(Class::Impossible, key, what).fix(format!("leave {name} out")));
    };
    let path = format!("/sys/module/kvm/parameters/{name}");
    draft.contents.changes.push(Change::Shared { path, from: from.clone(), to: value });
}

/// Linux: `Documentation/admin-guide/mm/transhuge.rst`.
pub(super) fn draft_policy(name: &str, word: &str, scene: &Scene, draft: &mut Draft) {
    let key = format!("tune.{name}");
    let (file, words): (_, &[&str]) = match name {
        "transparent_hugepage" => ("enabled", &["always", "madvise", "never"]),
        _ => ("defrag", &["always", "defer", "defer+madvise", "madvise", "never"]),
    };
    if !words.contains(&word) {
        let problem = Problem::new(Class::Invalid, key, format!("the kernel does not know {word}"));
        return draft.refuse(problem.why(format!("it knows {}", words.join(", "))).fix("\"madvise\""));
    }
    let Some(now) = &scene.host.transparent_huge else {
        let what = "this kernel makes no huge pages of its own accord";
        return draft.refuse(Problem::new(Class::Impossible, key, what).fix(format!("leave {name} out")));
    };
    let from = if file == "enabled" { &now.enabled } else { &now.defrag };
    let path = format!("/sys/kernel/mm/transparent_hugepage/{file}");
    draft.contents.changes.push(Change::Shared { path, from: from.clone(), to: word.to_owned() });
}

/// Linux: `Documentation/admin-guide/mm/ksm.rst`.
pub(super) fn draft_ksm(on: bool, scene: &Scene, draft: &mut Draft) {
    let from = scene.host.tuning.as_ref().and_then(|tuning| tuning.ksm.clone());
    let path = "/sys/kernel/mm/ksm/run".to_owned();
    let to = if on { "1" } else { "0" }.to_owned();
    match from {
        Some(from) => draft.contents.changes.push(Change::Shared { path, from, to }),
        // Without it nothing looks for equal pages, as was asked for.
        None if !on => {}
        None => draft.refuse(
            Problem::new(Class::Impossible, "tune.ksm", "this kernel does not look for equal pages")
                .why(format!("{path} is not there"))
                .fix("leave ksm out"),
        ),
    }
}

pub(super) fn draft_latency(micros: u32, scene: &Scene, draft: &mut Draft) {
    if scene.host.tuning.as_ref().is_some_and(|tuning| !tuning.latency) {
        return draft.refuse(
            Problem::new(Class::Impossible, "tune.cpu_latency", "this kernel takes no word about idle states")
                .why("/dev/cpu_dma_latency is not there; CONFIG_CPU_IDLE is off")
                .fix("leave cpu_latency out"),
        );
    }
    draft.pass(Descriptor::CpuLatency { micros });
}
