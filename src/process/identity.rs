//! As whom a process runs.

use super::ProcessError;
use nix::unistd::{Gid, Uid, User, getegid, geteuid, getgrouplist, getgroups};
use std::ffi::CString;
use std::path::PathBuf;

/// An account with all that a process needs in order to run as it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Login name; the number for a user without an entry in the account database.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// Supplementary group ids, the primary one among them; `getgrouplist(3)`.
    pub groups: Vec<u32>,
    /// Home folder, `/` when none is known.
    pub home: PathBuf,
    /// Login shell, `/bin/sh` when none is known.
    pub shell: PathBuf,
}

impl Identity {
    /// The account with this login name.
    ///
    /// # Errors
    /// When there is no such account, or the account database cannot be read.
    pub fn of(login: &str) -> Result<Self, ProcessError> {
        let user = User::from_name(login)
            .map_err(|errno| ProcessError::io(format!("the account of `{login}` cannot be read"), errno))?
            .ok_or_else(|| ProcessError::refused(format!("there is no user `{login}`")))?;
        let name = CString::new(login).map_err(|_| ProcessError::refused("a login name holds a NUL byte"))?;
        let groups = getgrouplist(&name, user.gid)
            .map_err(|errno| ProcessError::io(format!("the groups of `{login}` cannot be read"), errno))?;
        Ok(Self::with_groups(user, &groups))
    }

    /// The user that vmrun itself runs as.
    #[must_use]
    pub fn ours() -> Self {
        let groups = getgroups().unwrap_or_default();
        match User::from_uid(geteuid()) {
            Ok(Some(user)) => Self::with_groups(user, &groups),
            Ok(None) | Err(_) => Self {
                name: geteuid().to_string(),
                uid: geteuid().as_raw(),
                gid: getegid().as_raw(),
                groups: groups.into_iter().map(Gid::as_raw).collect(),
                home: "/".into(),
                shell: "/bin/sh".into(),
            },
        }
    }

    /// Whether a process of ours is this user's already.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        Uid::from_raw(self.uid) == geteuid()
    }

    fn with_groups(user: User, groups: &[Gid]) -> Self {
        Self {
            name: user.name,
            uid: user.uid.as_raw(),
            gid: user.gid.as_raw(),
            groups: groups.iter().map(|gid| gid.as_raw()).collect(),
            home: or(user.dir, "/"),
            shell: or(user.shell, "/bin/sh"),
        }
    }
}

fn or(path: PathBuf, default: &str) -> PathBuf {
    if path.as_os_str().is_empty() { default.into() } else { path }
}

#[cfg(test)]
mod test {
    use super::Identity;

    #[test]
    fn a_login_name_gives_the_account_with_its_groups() {
        let root = Identity::of("root").unwrap();
        assert_eq!((root.uid, root.gid, root.groups.contains(&0)), (0, 0, true));
    }

    #[test]
    fn an_unknown_user_is_named() {
        let refusal = Identity::of("no-such-user").unwrap_err();
        assert_eq!(refusal.whole(), "there is no user `no-such-user`");
    }

    #[test]
    fn we_are_ourselves() {
        assert!(Identity::ours().is_ours());
    }
}
