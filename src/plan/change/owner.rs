//! Who owns a device node.

use crate::plan::Step;

pub(super) fn steps(path: &str, from: u32, to: u32) -> Vec<Step> {
    vec![Step::Own { path: path.to_owned(), was: from, uid: to }]
}
