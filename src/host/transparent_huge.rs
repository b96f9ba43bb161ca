//! Transparent huge pages. Source: Linux `Documentation/admin-guide/mm/transhuge.rst`.

use super::Root;
use serde::{Deserialize, Serialize};

/// How the kernel makes huge pages of its own accord.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransparentHuge {
    /// For private memory: `always`, `madvise` or `never`.
    pub enabled: String,
    /// What a process waits for to get one: `always`, `defer`, `defer+madvise`, `madvise` or `never`.
    pub defrag: String,
    /// For shared memory, as of `memfd`: `always`, `within_size`, `advise`, `never`, `deny` or `force`.
    pub shared: String,
}

/// The settings; `None` on a kernel without.
pub(super) fn read(root: &Root) -> Option<TransparentHuge> {
    let chosen = |file: &str| {
        let text = root.text(format!("/sys/kernel/mm/transparent_hugepage/{file}"))?;
        Some(text.split_once('[')?.1.split_once(']')?.0.to_owned())
    };
    Some(TransparentHuge {
        enabled: chosen("enabled")?,
        defrag: chosen("defrag").unwrap_or_default(),
        shared: chosen("shmem_enabled").unwrap_or_default(),
    })
}

#[cfg(test)]
mod test {
    use super::{TransparentHuge, read};
    use crate::host::tree::lay_out;

    #[test]
    fn the_chosen_words_stand_in_brackets() {
        let tree = lay_out(&[
            ("/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n"),
            ("/sys/kernel/mm/transparent_hugepage/defrag", "always defer [defer+madvise] madvise never\n"),
            ("/sys/kernel/mm/transparent_hugepage/shmem_enabled", "always within_size advise [never] deny force\n"),
        ]);
        let expected = TransparentHuge {
            enabled: "madvise".to_owned(),
            defrag: "defer+madvise".to_owned(),
            shared: "never".to_owned(),
        };
        assert_eq!(read(&tree.root), Some(expected));
        assert_eq!(read(&lay_out(&[]).root), None);
    }
}
