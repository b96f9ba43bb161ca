//! A kernel module.

use super::Presence;
use crate::plan::{Command, Step};

pub(super) fn steps(name: &str, to: Presence) -> Vec<Step> {
    match to {
        Presence::Present => {
            let argv = ["modprobe", "--", name].map(str::to_owned).to_vec();
            let run = Command { argv, ..Command::default() };
            // The kernel writes every dash of a module's name as an underscore.
            vec![Step::RunUnless { there: format!("/sys/module/{}", name.replace('-', "_")), run }]
        }
        Presence::Absent => Vec::new(),
    }
}
