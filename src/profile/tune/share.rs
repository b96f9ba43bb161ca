//! `tune.l3_cache` and `tune.memory_bandwidth`: the guest's share of what all cores have together.
//!
//! Linux: `Documentation/filesystems/resctrl.rst`.

use super::Ground;
use crate::host::{Resctrl, Ways};
use crate::plan::{Change, Class, Draft, Grant, Presence, Problem, RESCTRL};
use crate::unit::{CpuSet, Size};

const CACHE: &str = "tune.l3_cache";
const BANDWIDTH: &str = "tune.memory_bandwidth";

pub(super) fn draft(cache: Option<Size>, percent: Option<u8>, ground: &Ground, draft: &mut Draft) {
    let Some(key) = cache.map(|_| CACHE).or(percent.map(|_| BANDWIDTH)) else { return };
    let Some(tuning) = &ground.scene.host.tuning else { return };
    let resctrl = match &tuning.resctrl {
        Some(resctrl) if resctrl.mounted => resctrl,
        unmounted => return draft.refuse(impossible(key, unmounted.is_some())),
    };
    let own = format!("vmrun-{}", ground.scene.name);
    let table = Table { resctrl, own: &own, ground };
    let ways = cache.map(|size| table.ways(size)).transpose();
    let bandwidth = percent.map(|percent| table.bandwidth(percent)).transpose();
    let (ways, bandwidth) = match (table.room(key), ways, bandwidth) {
        (Ok(()), Ok(ways), Ok(bandwidth)) => (ways, bandwidth),
        (room, ways, bandwidth) => {
            return [room.err(), ways.err(), bandwidth.err()].into_iter().flatten().for_each(|it| draft.refuse(it));
        }
    };
    let group = format!("{RESCTRL}/{own}");
    let grants = ways.into_iter().chain(bandwidth).flatten().collect();
    let (from, to) = (Presence::Absent, Presence::Present);
    draft.contents.changes.push(Change::Share { group: group.clone(), grants, from, to });
    draft.contents.share = Some(group);
}

fn impossible(key: &str, known: bool) -> Problem {
    if known {
        return Problem::new(Class::Missing, key, "the shares of caches and bandwidth (resctrl) are not mounted").fix(
            "sudo mount -t resctrl resctrl /sys/fs/resctrl\n\
             # at each boot, in /etc/fstab: resctrl /sys/fs/resctrl resctrl defaults 0 0",
        );
    }
    Problem::new(Class::Impossible, key, "this host deals out neither caches nor memory bandwidth (resctrl)")
        .why("the processor does not (Intel Xeons with RDT do, AMD since Zen 2), or the kernel is built without it")
        .fix(format!("leave {} out", name(key)))
}

fn name(key: &str) -> &str {
    key.strip_prefix("tune.").unwrap_or(key)
}

/// What is dealt out, and to whom.
struct Table<'a> {
    resctrl: &'a Resctrl,
    /// Name of the guest's group. It may be there now, of a run that ends before this one.
    own: &'a str,
    ground: &'a Ground<'a>,
}

impl Table<'_> {
    /// Whether there can be one more group.
    fn room(&self, key: &str) -> Result<(), Problem> {
        let others = self.resctrl.groups.keys().filter(|name| *name != self.own).count();
        if u32::try_from(others).is_ok_and(|others| others < self.resctrl.most_groups) {
            return Ok(());
        }
        let most = self.resctrl.most_groups;
        Err(Problem::new(Class::Busy, key, format!("the processor keeps {most} groups apart, and all are taken"))
            .fix(format!("rmdir {RESCTRL}/GROUP   # of one that nobody needs")))
    }

    /// The caches of the guest's host CPUs.
    fn domains(&self) -> impl Iterator<Item = (u32, &CpuSet)> {
        let guests = |cpus: &CpuSet| !cpus.and(&self.ground.guest).is_empty();
        self.resctrl.domains.iter().filter(move |(_, cpus)| guests(cpus)).map(|(domain, cpus)| (*domain, cpus))
    }

    fn ways(&self, size: Size) -> Result<Vec<Grant>, Problem> {
        let Some(ways) = &self.resctrl.l3 else {
            return Err(Problem::new(Class::Impossible, CACHE, "this processor does not divide its L3 cache")
                .why(format!("there is no {RESCTRL}/info/L3"))
                .fix("leave l3_cache out"));
        };
        let mut grants = Vec::new();
        for (domain, cpus) in self.domains() {
            grants.extend(self.ways_of(domain, cpus, size, ways)?);
        }
        if grants.is_empty() {
            return Err(Problem::new(Class::Impossible, CACHE, "the kernel does not tell the guest's L3 cache")
                .fix("leave l3_cache out"));
        }
        Ok(grants)
    }

    fn ways_of(&self, domain: u32, cpus: &CpuSet, size: Size, ways: &Ways) -> Result<Vec<Grant>, Problem> {
        let cache = self.ground.scene.host.caches.iter().find(|it| it.level == 3 && !it.cpus.and(cpus).is_empty());
        let all = hex(&ways.all).count_ones();
        let way = cache.map_or(0, |cache| cache.size.bytes()).checked_div(all.into()).unwrap_or_default().max(1);
        let wanted = u32::try_from(size.bytes().div_ceil(way)).unwrap_or(u32::MAX).max(ways.least);
        let held = |group: &str, resource: &str| {
            let shares = self.resctrl.groups.get(group).and_then(|shares| shares.get(resource));
            shares.and_then(|shares| shares.get(&domain))
        };
        let mask = |group: &str| {
            ways.resources.iter().filter_map(|resource| held(group, resource)).map(|text| hex(text)).collect::<Vec<_>>()
        };
        let of_others = |is_guest: bool| {
            let others = self.resctrl.groups.keys().filter(|name| !name.is_empty() && *name != self.own);
            let others = others.filter(|name| !is_guest || name.starts_with("vmrun-"));
            others.flat_map(|name| mask(name)).fold(0, |union, mask| union | mask)
        };
        let own = mask(self.own).into_iter().fold(0, |union, mask| union | mask);
        let cut = Cut {
            everybodys: mask("").into_iter().fold(u64::MAX, |both, mask| both & (mask | own)) & hex(&ways.all),
            groups: of_others(false),
            guests: of_others(true),
            shared: hex(&ways.shared),
            least: ways.least,
        };
        let Some(taken) = cut.best(wanted) else {
            let most = (1..wanted.min(all + 1)).rev().find(|fewer| *fewer >= ways.least && cut.best(*fewer).is_some());
            let left = Size::from_bytes(u64::from(most.unwrap_or_default()) * way);
            let what =
                format!("the L3 cache of host CPUs {cpus} cannot give the guest {size} of its own; {left} can be had");
            let why =
                format!("it has {all} ways of {}, and the host keeps {} or more", Size::from_bytes(way), ways.least);
            let problem = Problem::new(Class::Impossible, CACHE, what).why(why);
            return Err(problem.fix(match most {
                Some(_) => format!("l3_cache = \"{left}\""),
                None => "leave l3_cache out, or end another guest that has some".to_owned(),
            }));
        };
        let grant = |resource: &String| {
            let from = held("", resource)?;
            let (now, width) = (hex(from) | own, from.len());
            let text = |mask: u64| format!("{mask:0width$x}");
            let (share, from, to) = (text(taken), text(now), text(now & !taken));
            Some(Grant { resource: resource.clone(), domain, share, from, to })
        };
        Ok(ways.resources.iter().filter_map(grant).collect())
    }

    fn bandwidth(&self, percent: u8) -> Result<Vec<Grant>, Problem> {
        let refused = |what: &str, why: String| {
            Err(Problem::new(Class::Impossible, BANDWIDTH, what).why(why).fix("leave memory_bandwidth out"))
        };
        let everybodys = self.resctrl.groups.get("").and_then(|shares| shares.get("MB"));
        let (Some(bandwidth), Some(everybodys)) = (&self.resctrl.bandwidth, everybodys) else {
            let why = format!("there is no {RESCTRL}/info/MB");
            return refused("this processor does not divide the bandwidth of its memory", why);
        };
        if let Some(other) = everybodys.values().find(|share| *share != "100") {
            let why = format!(
                "everybody has {other} of it; AMD counts eighths of a gigabyte, and an option of mount megabytes"
            );
            return refused("this host does not count the memory's bandwidth in percent", why);
        }
        let percent = u32::from(percent);
        if percent < bandwidth.least || percent > 100 {
            let what = format!("a guest can have {} to 100 percent of the bandwidth, not {percent}", bandwidth.least);
            let problem = Problem::new(Class::Impossible, BANDWIDTH, what);
            return Err(problem.fix(format!("memory_bandwidth = {}", bandwidth.least)));
        }
        // The kernel takes steps, and rounds up.
        let step = bandwidth.step.max(1);
        let share = (bandwidth.least + (percent - bandwidth.least).div_ceil(step) * step).min(100).to_string();
        let all = || "100".to_owned();
        let grants = self.domains().filter(|(domain, _)| everybodys.contains_key(domain)).map(|(domain, _)| Grant {
            resource: "MB".to_owned(),
            domain,
            share: share.clone(),
            from: all(),
            to: all(),
        });
        let grants: Vec<_> = grants.collect();
        if grants.is_empty() {
            return refused("the kernel does not tell the memory behind the guest's host CPUs", String::new());
        }
        Ok(grants)
    }
}

/// A cache that is to be cut.
struct Cut {
    /// Ways of everybody.
    everybodys: u64,
    /// Ways of other groups.
    groups: u64,
    /// Those of guests among them, which come back.
    guests: u64,
    /// Ways that devices use too.
    shared: u64,
    least: u32,
}

impl Cut {
    /// `count` ways next to each other at one end of everybody's, of which devices use the fewest.
    ///
    /// The kernel wants ways of one group to be next to each other, and guests end in any order: so they are taken where
    /// no other guest's lie between them and the end of the cache.
    fn best(&self, count: u32) -> Option<u64> {
        let ways = 1_u64.checked_shl(count)?.checked_sub(1).filter(|ways| *ways != 0)?;
        let low = ways.checked_shl(self.everybodys.trailing_zeros())?;
        let top = u64::BITS - self.everybodys.leading_zeros();
        let high = top.checked_sub(count).and_then(|lowest| ways.checked_shl(lowest));
        let below = |mask: u64| self.guests & ((1 << mask.trailing_zeros()) - 1) == 0;
        let above = |mask: u64| self.guests.leading_zeros() >= mask.leading_zeros();
        let low = Some(low).filter(|low| self.can(*low) && below(*low));
        let high = high.filter(|high| self.can(*high) && above(*high));
        [low, high].into_iter().flatten().min_by_key(|ways| (ways & self.shared).count_ones())
    }

    fn can(&self, ways: u64) -> bool {
        let rest = self.everybodys & !ways;
        ways & self.everybodys == ways
            && ways & self.groups == 0
            && rest.count_ones() >= self.least.max(1)
            && (joined(rest) || !joined(self.everybodys))
    }
}

/// Whether all bits of `mask` are next to each other.
fn joined(mask: u64) -> bool {
    mask == 0 || mask.count_ones() + mask.leading_zeros() + mask.trailing_zeros() == u64::BITS
}

fn hex(mask: &str) -> u64 {
    u64::from_str_radix(mask, 16).unwrap_or_default()
}

#[cfg(test)]
mod test {
    use super::Cut;

    fn cut(everybodys: u64, guests: u64, shared: u64) -> Cut {
        Cut { everybodys, groups: guests, guests, shared, least: 2 }
    }

    #[test]
    fn ways_are_cut_from_the_end_that_devices_do_not_use() {
        assert_eq!(cut(0xf_ffff, 0, 0xc_0000).best(8), Some(0xff));
        assert_eq!(cut(0xf_ffff, 0, 0x3).best(8), Some(0xf_f000));
        // The host keeps two.
        assert_eq!(cut(0xff, 0, 0).best(6), Some(0x3f));
        assert_eq!(cut(0xff, 0, 0).best(7), None);
        assert_eq!(cut(0xff, 0, 0).best(64), None);
        assert_eq!(cut(0, 0, 0).best(1), None);
    }

    #[test]
    fn a_second_guest_has_the_other_end_and_a_third_none_between_them() {
        assert_eq!(cut(0xf_ff00, 0xff, 0).best(4), Some(0xf_0000));
        assert_eq!(cut(0x0_ff00, 0xf_00ff, 0).best(4), None);
        // When the first has ended, its end is free.
        assert_eq!(cut(0x0_ffff, 0xf_0000, 0).best(4), Some(0xf));
    }

    #[test]
    fn ways_of_another_group_are_left_to_it() {
        let cut = Cut { everybodys: 0xff, groups: 0x03, guests: 0, shared: 0, least: 1 };
        assert_eq!(cut.best(2), Some(0xc0));
    }
}
