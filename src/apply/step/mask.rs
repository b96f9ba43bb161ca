//! Taking host CPUs from what runs there, or giving them back: a difference, since other guests take theirs too.

use super::{Ground, group, run_to_end};
use crate::apply::ApplyError;
use crate::plan::{CONTROL_GROUPS, Command, CpuMask};
use crate::unit::CpuSet;
use std::fs;

/// What is told and where it stands.
pub(super) struct Told<'a> {
    pub(super) was: &'a str,
    pub(super) value: &'a str,
    /// The host CPUs that are taken or given back.
    pub(super) cpus: &'a CpuSet,
}

/// Writes a mask of the kernel's.
///
/// It never fails: an interrupt may be gone with its device, and the kernel keeps some where they are (`EIO`, `EPERM`,
/// `EINVAL`; Linux `write_irq_affinity`, `kernel/irq/proc.c`). Whoever wants to know reads the file.
pub(super) fn mask(ground: &Ground, path: &str, told: &Told<'_>) {
    let Some(found) = ground.root.text(path) else { return };
    let next = match found.as_str() {
        found if found == told.value => return,
        found if found == told.was => told.value.to_owned(),
        found => match CpuMask::read(path, found) {
            Some(now) => CpuMask::write(path, &shifted(&now, told, |text| CpuMask::read(path, text)), found),
            None => return,
        },
    };
    if let Err(error) = fs::write(ground.root.resolve(path), &next) {
        tracing::info!(path, value = next, %error, "the kernel keeps a mask");
    }
}

/// What was found, without the host CPUs that are taken or with those that are given back.
fn shifted(now: &CpuSet, told: &Told<'_>, read: impl Fn(&str) -> Option<CpuSet>) -> CpuSet {
    let after = read(told.value).unwrap_or_default();
    let kept = now.without(told.cpus);
    if after.and(told.cpus).is_empty() && !kept.is_empty() { kept } else { now.union(&after.and(told.cpus)) }
}

/// Sets the host CPUs of a unit of systemd, or of a control group.
pub(super) async fn confine(ground: &Ground, unit: &str, all: &CpuSet, told: &Told<'_>) -> Result<(), ApplyError> {
    // systemd writes what it was told into the control group. Without the file the controller is off: all are allowed.
    let group = if unit.starts_with('/') { unit.to_owned() } else { format!("{CONTROL_GROUPS}/{unit}") };
    let file = ground.root.text(format!("{group}/cpuset.cpus"));
    if group == unit && file.is_none() {
        // Its processes have ended, and it with them.
        return Ok(());
    }
    let found = file.unwrap_or_default();
    if found == told.value && !found.is_empty() {
        return Ok(());
    }
    let next = if found == told.was || found == told.value {
        told.value.to_owned()
    } else {
        let read = |text: &str| if text.is_empty() { Some(all.clone()) } else { text.parse().ok() };
        let now = read(&found).unwrap_or_else(|| all.clone());
        let next = shifted(&now, told, read);
        if all.without(&next).is_empty() { String::new() } else { next.to_string() }
    };
    if group == unit {
        return group::set_cpus(&ground.root, unit, &next, all);
    }
    let argv = ["systemctl", "set-property", "--runtime", "--", unit].map(str::to_owned).to_vec();
    let argv = [argv, vec![format!("AllowedCPUs={next}")]].concat();
    run_to_end(&Command { argv, ..Command::default() }).await?;
    if next.is_empty() {
        forget(ground, unit);
    }
    Ok(())
}

/// Removes the file by which systemd remembers a property that says nothing any more.
fn forget(ground: &Ground, unit: &str) {
    let folder = ground.root.resolve(format!("/run/systemd/system.control/{unit}.d"));
    // What is not there, or has a neighbour, may stay.
    let _ = fs::remove_file(folder.join("50-AllowedCPUs.conf"));
    let _ = fs::remove_dir(&folder);
    let _ = folder.parent().map(fs::remove_dir);
}

#[cfg(test)]
mod test {
    use super::{Ground, Told, mask};
    use crate::host::Root;
    use std::fs;

    const IRQ: &str = "/proc/irq/9/smp_affinity_list";

    fn after(path: &str, found: &str, was: &str, value: &str, cpus: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let ground = Ground::real(Root::at(folder.path()));
        let file = ground.root.resolve(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, format!("{found}\n")).unwrap();
        mask(&ground, path, &Told { was, value, cpus: &cpus.parse().unwrap() });
        fs::read_to_string(file).unwrap().trim_end().to_owned()
    }

    #[test]
    fn a_mask_that_is_as_planned_gets_exactly_what_was_planned() {
        assert_eq!(after(IRQ, "0-7", "0-7", "0-3", "4-7"), "0-3");
        assert_eq!(after(IRQ, "0-3", "0-3", "0-7", "4-7"), "0-7");
        assert_eq!(after("/proc/irq/default_smp_affinity", "ff", "ff", "0f", "4-7"), "0f");
    }

    #[test]
    fn of_two_guests_each_takes_and_gives_back_its_own() {
        // The second one finds what the first one left, and the first one ends before it.
        assert_eq!(after(IRQ, "0-5", "0-7", "0-3,6-7", "4-5"), "0-3");
        assert_eq!(after(IRQ, "0-3", "0-5", "0-7", "6-7"), "0-3,6-7");
        assert_eq!(after(IRQ, "0-3,6-7", "0-3,6-7", "0-7", "4-5"), "0-7");
    }

    #[test]
    fn a_mask_that_would_be_empty_stays() {
        assert_eq!(after(IRQ, "5", "0-7", "0-3", "4-7"), "5");
    }

    #[test]
    fn a_file_that_is_gone_is_nothing_to_worry_about() {
        let folder = tempfile::tempdir().unwrap();
        let cpus = "1".parse().unwrap();
        mask(&Ground::real(Root::at(folder.path())), IRQ, &Told { was: "0-1", value: "0", cpus: &cpus });
    }
}
