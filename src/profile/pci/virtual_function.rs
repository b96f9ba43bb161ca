//! `pci.physfn`, `pci.virtfn`, `pci.sriov_numvfs`: a virtual function of a card that makes such. The card stays with the
//! host, and its driver makes them when it is told a number.
//!
//! Source: Linux `Documentation/PCI/pci-iov-howto.rst` and `Documentation/ABI/testing/sysfs-bus-pci`, `sriov_numvfs`,
//! `sriov_offset`, `sriov_stride`, `sriov_vf_device`, `sriov_drivers_autoprobe`.

use super::find::selected;
use super::{Passed, Pci};
use crate::host::{Host, PciFunction, SrIov};
use crate::plan::{Binding, Change, Class, Draft, Problem};
use crate::unit::{Bdf, PciSelector};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What is wrong with the keys of `table` on any host.
pub(super) fn judge(table: &Pci, key: &str, draft: &mut Draft) {
    let given = [("virtfn", table.virtfn.is_some()), ("sriov_numvfs", table.sriov_numvfs.is_some())];
    for (name, _) in given.iter().filter(|(_, given)| *given && table.physfn.is_none()) {
        let what = format!("{name} says something of the virtual functions of a card that no physfn names");
        draft.refuse(Problem::new(Class::Invalid, format!("{key}.{name}"), what).fix("physfn = \"01:00.0\""));
    }
    let (number, few) = (number(table), table.sriov_numvfs.map(u16::from));
    if let Some(few) = few.filter(|few| table.physfn.is_some() && *few <= number) {
        let what = format!("of {few} virtual functions none has number {number}; they are counted from 0");
        let fix = format!("sriov_numvfs = {}   # or more", u32::from(number) + 1);
        draft.refuse(Problem::new(Class::Invalid, format!("{key}.sriov_numvfs"), what).fix(fix));
    }
}

fn number(table: &Pci) -> u16 {
    table.virtfn.unwrap_or_default()
}

/// How many `table` needs where there are none.
fn wanted(table: &Pci) -> u16 {
    table.sriov_numvfs.map_or_else(|| number(table).saturating_add(1), u16::from)
}

/// The host as it is when the virtual functions are made that `tables` mean and that are not there yet.
pub(in crate::profile) fn foresee<'h>(tables: &[Pci], host: &'h Host) -> Cow<'h, Host> {
    let mut foreseen = Cow::Borrowed(host);
    for table in tables {
        let Some(Ok((card, sriov))) = table.physfn.as_ref().map(|physfn| maker_named("", physfn, host)) else {
            continue;
        };
        let Some(bdf) = address(card, sriov, number(table)).filter(|_| sriov.enabled == 0) else { continue };
        if foreseen.function(bdf).is_none() {
            foreseen.to_mut().pci.push(to_come(bdf, card, sriov));
        }
    }
    foreseen
}

/// A virtual function before it is there. Each can be reset by itself; PCI Express Base Specification, 9.3.2.
fn to_come(bdf: Bdf, card: &PciFunction, sriov: SrIov) -> PciFunction {
    PciFunction {
        bdf,
        vendor: card.vendor,
        device: sriov.device,
        class: card.class,
        numa_node: card.numa_node,
        resettable: true,
        physfn: Some(card.bdf),
        ..PciFunction::default()
    }
}

/// The address of the virtual function `number` of `card`; `None` when it can have none.
fn address(card: &PciFunction, sriov: SrIov, number: u16) -> Option<Bdf> {
    let distance = u32::from(sriov.offset) + u32::from(sriov.stride) * u32::from(number);
    let known = sriov.offset > 0 && (sriov.stride > 0 || number == 0) && number < sriov.total;
    known.then(|| card.bdf.after(distance)).flatten()
}

/// The function that made, or makes, the virtual one `function`.
pub(super) fn maker<'h>(function: &PciFunction, host: &'h Host) -> Option<&'h PciFunction> {
    host.function(function.physfn?)
}

/// Whether it is a virtual function that is made only when the guest starts.
pub(super) fn is_to_come(one: &Passed, host: &Host) -> bool {
    maker(one.function, host).and_then(|card| card.sriov).is_some_and(|sriov| sriov.enabled == 0)
}

fn maker_named<'h>(at: &str, physfn: &PciSelector, host: &'h Host) -> Result<(&'h PciFunction, SrIov), Box<Problem>> {
    let found = selected(at, physfn, host)?;
    let maker = found.iter().find_map(|function| Some((*function, function.sriov?)));
    maker.ok_or_else(|| {
        let names: Vec<_> = found.iter().map(|function| function.bdf.to_string()).collect();
        let makers: Vec<_> = host.pci.iter().filter(|function| function.sriov.is_some()).collect();
        let makers: Vec<_> = makers.iter().map(|function| function.bdf.to_string()).collect();
        let why =
            if makers.is_empty() { "no card of this host does".into() } else { format!("{} can", makers.join(", ")) };
        let what = format!("{} makes no virtual functions", names.join(", "));
        let fix =
            "device = \"01:00\"   # passes the card itself; some make them only after a word in the firmware setup";
        Box::new(Problem::new(Class::Impossible, at, what).why(why).fix(fix))
    })
}

/// The virtual function `number` of the card that `physfn` means.
pub(super) fn find<'h>(
    at: &str,
    physfn: &PciSelector,
    number: u16,
    host: &'h Host,
) -> Result<&'h PciFunction, Box<Problem>> {
    let (card, sriov) = maker_named(at, physfn, host)?;
    let bdf = card.bdf;
    let impossible = |what: String| Problem::new(Class::Impossible, at, what);
    if number >= sriov.total {
        let what = format!("{bdf} makes {} virtual functions, and none of number {number}", sriov.total);
        return Err(Box::new(impossible(what).fix(format!("virtfn = {}   # or less", sriov.total - 1))));
    }
    if sriov.enabled > 0 && number >= sriov.enabled {
        let what = format!("{bdf} has made {} virtual functions, and none of number {number}", sriov.enabled);
        let problem = impossible(what).why("the kernel changes their number only from none, or to none");
        return Err(Box::new(problem.fix(format!(
            "virtfn = {}   # or, when nobody has one of them: echo 0 > /sys/bus/pci/devices/{bdf}/sriov_numvfs",
            sriov.enabled - 1
        ))));
    }
    address(card, sriov, number).and_then(|virtual_| host.function(virtual_)).ok_or_else(|| {
        let what = format!("the kernel does not tell where virtual function {number} of {bdf} is");
        Box::new(impossible(what).why("Linux does so since 4.14").fix("make it yourself, and name it by host"))
    })
}

/// Drafts what makes the virtual functions among `passed`, or keeps those there are while the guest has one.
pub(super) fn draft(passed: &[Passed], host: &Host, draft: &mut Draft) {
    let mut makers: BTreeMap<Bdf, Vec<&Passed>> = BTreeMap::new();
    for one in passed.iter().filter(|one| one.table.physfn.is_some()) {
        if let Some(card) = one.function.physfn {
            makers.entry(card).or_default().push(one);
        }
    }
    for (bdf, passed_of) in makers {
        let Some((card, sriov)) = host.function(bdf).and_then(|card| Some((card, card.sriov?))) else { continue };
        if let Some(whole) = passed.iter().find(|one| one.bdf() == bdf) {
            let what = format!("{bdf} is passed itself, by {}", whole.key);
            let problem = Problem::new(Class::Invalid, &passed_of[0].at, what);
            draft
                .refuse(problem.why("its driver on the host makes its virtual functions").fix("pass one or the other"));
        } else {
            draft_made(card, sriov, &passed_of, draft);
        }
    }
}

fn draft_made(card: &PciFunction, sriov: SrIov, passed: &[&Passed], draft: &mut Draft) {
    let count = passed.iter().map(|one| wanted(one.table)).max().unwrap_or_default();
    let shared = |name: &str, from: u16, to: u16| Change::Shared {
        path: format!("/sys/bus/pci/devices/{}/{name}", card.bdf),
        from: from.to_string(),
        to: to.to_string(),
    };
    if sriov.enabled > 0 {
        draft.contents.changes.push(shared("sriov_numvfs", sriov.enabled, sriov.enabled));
        return;
    }
    let at = &passed[0].at;
    if count > sriov.total {
        let what = format!("{} makes at most {} virtual functions, not {count}", card.bdf, sriov.total);
        let problem = Problem::new(Class::Impossible, format!("{}.sriov_numvfs", passed[0].key), what);
        return draft.refuse(problem.fix(format!("sriov_numvfs = {}", sriov.total)));
    }
    match &card.driver {
        Some(driver) if !Binding::only(driver).is_vfio() => {}
        holder => {
            let held = holder.as_ref().map_or_else(|| "no driver".to_owned(), Clone::clone);
            let what = format!("{} has {held}, and makes no virtual functions so", card.bdf);
            let problem = Problem::new(Class::Impossible, at, what).why("a driver of the host makes them");
            return draft.refuse(problem.fix(format!("echo {} > /sys/bus/pci/drivers_probe", card.bdf)));
        }
    }
    // Else a driver of the host takes them first, and a network interface comes and goes with each.
    if sriov.autoprobe {
        draft.contents.changes.push(shared("sriov_drivers_autoprobe", 1, 0));
    }
    draft.contents.changes.push(shared("sriov_numvfs", 0, count));
}
