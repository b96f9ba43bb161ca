//! The user that QEMU becomes.

use super::QemuError;
use crate::host::Root;
use crate::plan::RunAs;
use crate::process::{Identity, session};
use nix::unistd::Group;
use rustix::process::{Gid, Uid};
use rustix::thread::{set_no_new_privs, set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;

/// A user with what is needed in order to become it, looked up before there is a child, which may not allocate.
pub(super) struct Person {
    uid: Uid,
    gid: Gid,
    groups: Vec<Gid>,
    /// The environment of the user's session.
    pub(super) env: BTreeMap<String, OsString>,
}

impl Person {
    /// Looks up `who`.
    pub(super) fn find(who: &RunAs) -> Result<Self, QemuError> {
        let unknown = |why: String| QemuError::User { user: who.user.clone(), why };
        let identity = Identity::of(&who.user).map_err(|error| unknown(error.whole()))?;
        if identity.uid != who.uid {
            return Err(unknown(format!("it is user {} by now, not {}", identity.uid, who.uid)));
        }
        let gid = match &who.group {
            None => Gid::from_raw(identity.gid),
            Some(name) => match Group::from_name(name) {
                Ok(Some(group)) => Gid::from_raw(group.gid.as_raw()),
                Ok(None) => return Err(unknown(format!("there is no group `{name}`"))),
                Err(errno) => return Err(unknown(format!("group `{name}` cannot be looked up: {errno}"))),
            },
        };
        let groups = std::iter::once(gid).chain(who.groups.iter().copied().map(Gid::from_raw)).collect();
        let env = session(&identity, &Root::default());
        Ok(Self { uid: Uid::from_raw(identity.uid), gid, groups, env })
    }

    /// Makes the calling thread, of a child its only one, this user for good: real, effective and saved, without a right of root's; credentials(7).
    pub(super) fn become_it(&self) -> io::Result<()> {
        // The user last: after it, nothing may be changed any more.
        set_thread_groups(&self.groups)?;
        set_thread_res_gid(self.gid, self.gid, self.gid)?;
        Ok(set_thread_res_uid(self.uid, self.uid, self.uid)?)
    }
}

/// From now on nothing that is executed gains a right by its file; `PR_SET_NO_NEW_PRIVS(2const)`.
pub(super) fn gain_nothing() -> io::Result<()> {
    Ok(set_no_new_privs(true)?)
}
