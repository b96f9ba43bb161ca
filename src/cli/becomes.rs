//! What becomes of a guest's plan when its profile is changed.

use super::load::Loaded;
use super::output::Output;
use super::plan::against;
use super::render::{edits, plan};

/// The difference between the plans of two texts of a profile for this host, as a unified diff with terminal colours; empty
/// when the plan stays the same. Without a text before, everything is new.
pub(super) fn diff(was: Option<&Loaded>, is: &Loaded, output: Output) -> String {
    let texts = (was.map_or(String::new(), |was| page(was, output)), page(is, output));
    edits::unified((&texts.0, &texts.1), ("plan before", "plan after"))
}

/// The plan for this host, without colours and without the line of each key, which moves with every other.
fn page(loaded: &Loaded, output: Output) -> String {
    let planned = loaded.plan_here();
    let against = against(loaded, &planned, false);
    anstream::adapter::strip_str(&plan::text(planned.contents(), &against, output.width)).to_string()
}
