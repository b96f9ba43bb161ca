//! `pci.rebar`: the sizes of resizable BARs.

use super::Passed;
use crate::plan::{Change, Class, Draft, Problem};

/// The changes of the BARs of `one`, which must be without a driver then.
pub(super) fn changes(one: &Passed, draft: &mut Draft) -> Vec<Change> {
    let Passed { key, table, function, .. } = one;
    let mut changes = Vec::new();
    for (bar, wanted) in &table.rebar {
        let at = format!("{key}.rebar");
        let now = function.bars.iter().find(|other| other.index == bar.number()).map(|bar| bar.size);
        let (Some(sizes), Some(from)) = (function.resizable.get(&bar.number()), now) else {
            // Of a whole card, the function that has the BAR is meant.
            if one.mates == 1 {
                let what = format!("BAR {} of {} has one size only", bar.number(), function.bdf);
                let why = "the card has no resizable BAR there, or the kernel is older than 6.1".to_owned();
                draft.refuse(Problem::new(Class::Impossible, at, what).why(why).fix("leave rebar out"));
            }
            continue;
        };
        if !sizes.contains(wanted) {
            let sizes: Vec<_> = sizes.iter().map(ToString::to_string).collect();
            let what = format!("BAR {} of {} cannot have {wanted}", bar.number(), function.bdf);
            draft.refuse(Problem::new(Class::Impossible, at, what).why(format!("it can have {}", sizes.join(", "))));
            continue;
        }
        if from != *wanted {
            changes.push(Change::Rebar { bdf: function.bdf, bar: bar.number(), from, to: *wanted });
        }
    }
    changes
}
