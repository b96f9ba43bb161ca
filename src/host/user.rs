//! Accounts. Source: `passwd(5)`.

use super::Root;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::str;

/// An account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// Login name.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Home folder.
    pub home: PathBuf,
}

/// The accounts in `/etc/passwd`, in its order; those of a directory service are not among them.
pub(super) fn read(root: &Root) -> Vec<User> {
    let file = root.bytes("/etc/passwd").unwrap_or_default();
    file.split(|&byte| byte == b'\n').filter_map(user).collect()
}

/// The account on a line. The comment field may be in any encoding, so only the fields that count must be text.
fn user(line: &[u8]) -> Option<User> {
    let fields: Vec<&[u8]> = line.split(|&byte| byte == b':').collect();
    let text = |index: usize| fields.get(index).and_then(|field| str::from_utf8(field).ok());
    let name = text(0).filter(|name| !name.is_empty() && !name.starts_with('#'))?;
    Some(User { name: name.to_owned(), uid: text(2)?.parse().ok()?, home: text(5)?.into() })
}

/// User id and group id of the account `login`.
pub(super) fn ids(root: &Root, login: &str) -> Option<(u32, u32)> {
    let text = root.bytes("/etc/passwd")?;
    let lines = text.split(|&byte| byte == b'\n').map(|line| line.split(|&byte| byte == b':').collect::<Vec<_>>());
    let found = lines.into_iter().find(|fields| fields.first().is_some_and(|name| *name == login.as_bytes()))?;
    let number = |index: usize| str::from_utf8(found.get(index)?).ok()?.parse().ok();
    Some((number(2)?, number(3)?))
}

/// A group of accounts.
#[derive(Clone, Debug)]
pub(super) struct Group {
    /// Its name.
    pub(super) name: String,
    /// Its id.
    pub(super) gid: u32,
    /// Login names of those who are in it without its being their own.
    pub(super) members: Vec<String>,
}

/// The groups in `/etc/group`; `group(5)`.
pub(super) fn groups(root: &Root) -> Vec<Group> {
    let text = root.text("/etc/group").unwrap_or_default();
    let group = |line: &str| {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, gid, members] = fields[..] else { return None };
        let members = members.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        Some(Group { name: name.to_owned(), gid: gid.parse().ok()?, members })
    };
    text.lines().filter_map(group).collect()
}

#[cfg(test)]
mod test {
    use super::{read, user};
    use crate::host::User;
    use crate::host::tree::lay_out;

    fn alice() -> User {
        User { name: "alice".to_owned(), uid: 1000, home: "/home/alice".into() }
    }

    #[test]
    fn accounts_are_read_and_other_lines_passed_over() {
        let passwd = "alice:x:1000:1000:Alice,,,:/home/alice:/bin/zsh\n# note\n+::::::\nbob:x:nine:9::/:/bin/sh\n\n";
        let tree = lay_out(&[("/etc/passwd", passwd)]);
        assert_eq!(read(&tree.root), [alice()]);
    }

    #[test]
    fn a_comment_in_latin_1_hides_no_account() {
        assert_eq!(user(b"alice:x:1000:1000:Al\xefce:/home/alice:/bin/sh"), Some(alice()));
        assert_eq!(user(b"al\xefce:x:1000:1000::/home/alice:/bin/sh"), None);
    }
}
