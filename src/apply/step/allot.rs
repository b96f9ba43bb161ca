//! Shares of caches and of the memory's bandwidth. Linux: `Documentation/filesystems/resctrl.rst`.

use super::Ground;
use crate::apply::ApplyError;
use crate::plan::RESCTRL;

/// What is dealt out.
pub(super) struct Allotted<'a> {
    pub(super) resource: &'a str,
    pub(super) domain: u32,
    /// What the group has; empty for whatever it has.
    pub(super) was: &'a str,
    pub(super) value: &'a str,
    /// What is taken from it or given back; other guests take their parts too.
    pub(super) part: &'a str,
}

/// Gives `group` its share of a cache, or of bandwidth, and reads it back.
pub(super) async fn allot(ground: &Ground, group: &str, allotted: &Allotted<'_>) -> Result<(), ApplyError> {
    let Allotted { resource, domain, .. } = allotted;
    let path = format!("{group}/schemata");
    if group == RESCTRL && !ground.root.exists(&path) {
        // Somebody has unmounted it: nothing is divided any more.
        return Ok(());
    }
    let found = share(ground, &path, allotted)?;
    let Some(next) = next(&found, allotted)? else { return Ok(()) };
    let line = format!("{resource}:{domain}={next}");
    let said = |why: String| match ground.root.text(format!("{RESCTRL}/info/last_cmd_status")) {
        Some(status) if status != "ok" => format!("{why} ({status})"),
        _ => why,
    };
    let told = ground.tell(&path, &format!("{line}\n")).await;
    told.map_err(|fault| fault.of(&said(format!("{path} did not take `{line}`"))))?;
    match share(ground, &path, allotted)? {
        now if number(resource, &now) == number(resource, &next) => Ok(()),
        now => {
            // Half a change would be nobody's to undo.
            let _ = ground.tell(&path, &format!("{resource}:{domain}={found}\n")).await;
            Err(ApplyError::Refused(said(format!("{path} was told `{line}` and holds {now}"))))
        }
    }
}

/// What stands in the file at `path`.
fn share(ground: &Ground, path: &str, Allotted { resource, domain, .. }: &Allotted<'_>) -> Result<String, ApplyError> {
    let file = ground.root.resolve(path);
    let text = std::fs::read_to_string(&file).map_err(ApplyError::io("read", &file))?;
    let values = text.lines().filter_map(|line| line.trim().split_once(':')).find(|(name, _)| name == resource);
    let of_domain = |value: &str| {
        let (number, share) = value.split_once('=')?;
        (number.trim().parse() == Ok(*domain)).then(|| share.trim().to_owned())
    };
    let share = values.and_then(|(_, values)| values.split(';').find_map(of_domain));
    share.ok_or_else(|| ApplyError::Refused(format!("{path} has nothing for {resource}:{domain}")))
}

/// What the group is to have, which has `found`; `None` when it has that.
fn next(found: &str, Allotted { resource, was, value, part, .. }: &Allotted<'_>) -> Result<Option<String>, ApplyError> {
    let read = |text: &str| number(resource, text);
    let now = read(found);
    if now == read(value) {
        return Ok(None);
    }
    if was.is_empty() || now == read(was) {
        return Ok(Some((*value).to_owned()));
    }
    let others =
        || ApplyError::Refused(format!("{resource} holds {found}, not {was}: another guest, or somebody, took it"));
    let (Some(now), Some(value), Some(part)) = (now, read(value), read(part)) else { return Err(others()) };
    let next = if value & part == part { now | part } else { now & !part };
    // Ways that are not there cannot be taken; nor can all.
    let whole = value & part == part || now & part == part;
    (whole && next != 0).then(|| Some(format!("{next:0width$x}", width = found.len()))).ok_or_else(others)
}

/// A mask of ways, or percent.
fn number(resource: &str, text: &str) -> Option<u64> {
    let radix = if resource == "MB" { 10 } else { 16 };
    u64::from_str_radix(text, radix).ok()
}

#[cfg(test)]
mod test {
    use super::super::{Fault, Ground, Hand, Told};
    use super::{Allotted, next};
    use crate::apply::{Damage, Journal, Lease};
    use crate::host::Root;
    use crate::plan::{Change, Grant, Presence};
    use std::fs;
    use std::rc::Rc;

    const ROOT: &str = "/sys/fs/resctrl/schemata";
    const GROUP: &str = "/sys/fs/resctrl/vmrun-win";
    const WHOLE: &str = "    MB:0=100;1=100\n    L3:0=fffff;1=fffff\n";

    /// The kernel's part: a line that is written changes one number of the file, unless it is a mask with holes.
    struct Kernel;

    impl Hand for Kernel {
        fn tell<'a>(&'a self, root: &'a Root, path: &'a str, value: &'a str) -> Told<'a> {
            Box::pin(async move {
                let (resource, rest) = value.trim_end().split_once(':').unwrap();
                let (domain, share) = rest.split_once('=').unwrap();
                if value.trim_end().len() == value.len() || share.contains("f0f") {
                    return Err(Fault::No("invalid argument".into()));
                }
                let text = fs::read_to_string(root.resolve(path)).unwrap();
                let line = |line: &str| match line.trim().split_once(':') {
                    Some((name, values)) if name == resource => {
                        let kept = |value: &str| match value.split_once('=') {
                            Some((number, _)) if number == domain => format!("{number}={share}"),
                            _ => value.to_owned(),
                        };
                        format!("    {name}:{}\n", values.split(';').map(kept).collect::<Vec<_>>().join(";"))
                    }
                    _ => format!("{line}\n"),
                };
                fs::write(root.resolve(path), text.lines().map(line).collect::<String>()).unwrap();
                Ok(())
            })
        }
    }

    struct Machine(tempfile::TempDir);

    impl Machine {
        fn new() -> Self {
            let machine = Self(tempfile::tempdir().unwrap());
            fs::create_dir_all(machine.root().resolve("/sys/fs/resctrl/info")).unwrap();
            fs::write(machine.root().resolve(ROOT), WHOLE).unwrap();
            fs::create_dir_all(machine.0.path().join("run/win")).unwrap();
            // The kernel fills the folder of a group as soon as it is made.
            fs::create_dir(machine.root().resolve(GROUP)).unwrap();
            fs::write(machine.root().resolve(format!("{GROUP}/schemata")), WHOLE).unwrap();
            machine
        }

        fn root(&self) -> Root {
            Root::at(self.0.path().join("root"))
        }

        /// A lease, new or over what a run left in its journal.
        fn lease(&self) -> Lease {
            let dir = self.0.path().join("run/win");
            let journal = Journal::load(&dir, Damage::Refuse).unwrap();
            let journal =
                journal.unwrap_or_else(|| Journal::new(&dir, "win".to_owned().try_into().unwrap(), "boot".into()));
            Lease::on(Ground { hand: Rc::new(Kernel), ..Ground::real(self.root()) }, journal)
        }

        fn holds(&self, path: &str) -> String {
            fs::read_to_string(self.root().resolve(path)).unwrap()
        }

        /// What the kernel puts into a group's folder does not keep that from being removed.
        fn empties(&self) {
            fs::remove_file(self.root().resolve(format!("{GROUP}/schemata"))).unwrap();
        }
    }

    fn share(from: &str, to: &str) -> Change {
        let grant = |resource: &str, share: &str, from: &str, to: &str| Grant {
            resource: resource.into(),
            domain: 1,
            share: share.into(),
            from: from.into(),
            to: to.into(),
        };
        let grants = vec![grant("L3", "000ff", from, to), grant("MB", "50", "100", "100")];
        Change::Share { group: GROUP.into(), grants, from: Presence::Absent, to: Presence::Present }
    }

    #[tokio::test]
    async fn a_guest_has_its_ways_alone_and_all_is_as_it_was_byte_for_byte_afterwards() {
        let machine = Machine::new();
        machine.lease().make(&share("fffff", "fff00")).await.unwrap();
        assert_eq!(machine.holds(ROOT), "    MB:0=100;1=100\n    L3:0=fffff;1=fff00\n");
        assert_eq!(machine.holds(&format!("{GROUP}/schemata")), "    MB:0=100;1=50\n    L3:0=fffff;1=000ff\n");
        machine.empties();
        // By another vmrun than the one that made it.
        assert_eq!(machine.lease().undo().await, []);
        assert_eq!(machine.holds(ROOT), WHOLE);
        assert!(!machine.root().exists(GROUP));
    }

    #[tokio::test]
    async fn what_the_kernel_refuses_leaves_nothing_and_says_why() {
        let machine = Machine::new();
        fs::write(machine.root().resolve("/sys/fs/resctrl/info/last_cmd_status"), "mask has holes\n").unwrap();
        let error = machine.lease().make(&share("fffff", "f0f00")).await.unwrap_err().to_string();
        assert!(error.contains("did not take `L3:1=f0f00` (mask has holes): invalid argument"), "{error}");
        assert!(!machine.lease().owes());
        assert_eq!(machine.holds(ROOT), WHOLE);
    }

    #[tokio::test]
    async fn shares_that_somebody_has_unmounted_owe_nothing() {
        let machine = Machine::new();
        machine.lease().make(&share("fffff", "fff00")).await.unwrap();
        fs::remove_dir_all(machine.root().resolve("/sys/fs/resctrl")).unwrap();
        assert_eq!(machine.lease().undo().await, []);
    }

    fn after(found: &str, was: &str, value: &str, part: &str) -> Result<Option<String>, String> {
        let allotted = Allotted { resource: "L3", domain: 0, was, value, part };
        next(found, &allotted).map_err(|error| error.to_string())
    }

    #[test]
    fn of_two_guests_each_takes_its_ways_and_gives_them_back_in_any_order() {
        assert_eq!(after("fffff", "fffff", "fff00", "000ff"), Ok(Some("fff00".into())));
        // Planned at the same time, at the two ends of the cache.
        assert_eq!(after("fff00", "fffff", "0ffff", "f0000"), Ok(Some("0ff00".into())));
        // The first one ends first, then the second.
        assert_eq!(after("0ff00", "fff00", "fffff", "000ff"), Ok(Some("0ffff".into())));
        assert_eq!(after("0ffff", "0ffff", "fffff", "f0000"), Ok(Some("fffff".into())));
        assert_eq!(after("fffff", "0ffff", "fffff", "f0000"), Ok(None));
    }

    #[test]
    fn ways_that_another_guest_took_meanwhile_are_not_taken_again() {
        let refused = after("fff00", "fffff", "ffff0", "0000f").unwrap_err();
        assert!(refused.contains("L3 holds fff00, not fffff"), "{refused}");
        assert!(after("000ff", "fffff", "fff00", "000ff").is_err());
    }
}
