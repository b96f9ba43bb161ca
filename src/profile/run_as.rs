//! `qemu.user`: as whom QEMU runs, and how that user comes by what QEMU has to open.
//!
//! Sockets, taps and the like are open before, and inherited. Of the rest, a device that is the guest's alone is handed to
//! the user for as long as the guest runs; for what others use too, QEMU joins the group that it belongs to; a file is its
//! owner's affair, who is told how to open it. Of the user's own groups QEMU gets only those that it needs for that: being
//! in `docker` or `sudo` is as good as being root.

use super::scene::Scene;
use crate::host::{Barred, Bars, Host, PathFact};
use crate::plan::{Access, Change, Class, Draft, Lot, NewFile, Opens, Problem, RunAs};
use std::collections::BTreeSet;

/// What the kernel hands out by itself when it is told of it, and what is judged where the profile names it.
const JUDGED: [&str; 3] = ["/dev/kvm", "/dev/vfio", "/dev/iommu"];

/// Drafts what lets QEMU's user open what QEMU opens. After all that makes arguments.
pub(super) fn draft(scene: &Scene, draft: &mut Draft) {
    let opens = draft.contents.opens.clone();
    match scene.user {
        Some(user) => hand_over(user, &opens, scene, draft),
        None if scene.host.euid == 0 => {}
        None => judge_own(&opens, scene.host, draft),
    }
}

fn hand_over(user: &RunAs, opens: &[Opens], scene: &Scene, draft: &mut Draft) {
    let owner = Some(user.uid);
    draft.contents.files.push(NewFile::Folder { folder: scene.sockets(), owner });
    let mut groups = BTreeSet::new();
    let mut told = BTreeSet::new();
    for one in opens {
        if one.lot == Lot::Inherited {
            continue;
        }
        if one.lot == Lot::Device {
            let path = one.path.to_string_lossy().into_owned();
            let change = Change::Owner { path, from: 0, to: user.uid };
            if !draft.contents.changes.contains(&change) {
                draft.contents.changes.push(change);
            }
            continue;
        }
        let Some(barred) = barred(one, scene.host) else { continue };
        if !barred.groups.is_empty() && (one.lot == Lot::Common || joins(barred, scene.host)) {
            groups.extend(&barred.groups);
        } else if told.insert(&one.path) {
            draft.refuse(refusal(one, barred, &user.user, scene.host));
        }
    }
    draft.contents.user = Some(RunAs { groups: groups.into_iter().collect(), ..user.clone() });
}

/// Whether the user is in all the groups that let QEMU through.
fn joins(barred: &Barred, host: &Host) -> bool {
    host.account.as_ref().is_some_and(|account| barred.groups.iter().all(|group| account.groups.contains(group)))
}

/// QEMU runs as vmrun's user, who is no more than that.
fn judge_own(opens: &[Opens], host: &Host, draft: &mut Draft) {
    let mut told = BTreeSet::new();
    let own = opens.iter().filter(|one| !JUDGED.iter().any(|judged| one.path.starts_with(judged)));
    for one in own.filter(|one| !one.path.starts_with("/sys")) {
        if let Some(barred) = barred(one, host).filter(|_| told.insert(&one.path)) {
            draft.refuse(refusal(one, barred, login(host), host));
        }
    }
}

/// What keeps QEMU's user from `one`.
pub(super) fn barred<'a>(one: &Opens, host: &'a Host) -> Option<&'a Barred> {
    let Bars { read, write } = host.barred.get(&one.path)?;
    match one.access {
        Access::Read => read.as_ref(),
        Access::Write => write.as_ref(),
    }
}

/// The user that vmrun runs as.
pub(super) fn login(host: &Host) -> &str {
    host.users.iter().find(|user| user.uid == host.euid).map_or("YOU", |user| user.name.as_str())
}

fn refusal(one: &Opens, barred: &Barred, user: &str, host: &Host) -> Problem {
    let path = one.path.display();
    let doing = match one.access {
        Access::Read => "read",
        Access::Write => "write to",
    };
    let mut problem = Problem::new(Class::Denied, &one.at, format!("QEMU runs as {user}, who may not {doing} {path}"));
    if barred.at != one.path {
        problem = problem.why(format!("{user} may not enter, or make anything in, {}", barred.at.display()));
    }
    problem.fix(fix(one, barred, user, host))
}

fn fix(one: &Opens, barred: &Barred, user: &str, host: &Host) -> String {
    let at = barred.at.display();
    if let (Lot::Common | Lot::Device | Lot::Inherited, Some(name)) = (one.lot, one.path.file_name()) {
        let name = name.to_string_lossy();
        return format!(
            "setfacl -m u:{user}:rw {at}   # as root, until the host starts anew\n\
             # or for ever, by /etc/udev/rules.d/70-vmrun.rules:\n\
             KERNEL==\"{name}\", OWNER=\"{user}\""
        );
    }
    let on_the_way = one.path.starts_with(&barred.at) && barred.at != one.path;
    let folder = matches!(host.path(&one.path), PathFact::Folder { .. }) || one.lot == Lot::Folder;
    let made_there = on_the_way && one.path.parent() == Some(&barred.at) && !known(one, host);
    match (on_the_way, one.access) {
        (true, Access::Write) if made_there => format!("setfacl -m u:{user}:rwx {at}"),
        (true, _) => format!("setfacl -m u:{user}:x {at}"),
        (false, Access::Read) => format!("setfacl -m u:{user}:{} {at}", if folder { "rx" } else { "r" }),
        (false, Access::Write) if folder => format!("setfacl -m u:{user}:rwx {at}"),
        (false, Access::Write) => format!("setfacl -m u:{user}:rw {at}   # or chown {user} {at}"),
    }
}

/// Whether something stands there already.
fn known(one: &Opens, host: &Host) -> bool {
    *host.path(&one.path) != PathFact::Missing
}
