//! The size of a resizable BAR.

use crate::plan::Step;
use crate::unit::{Bdf, Size};

pub(super) fn steps(bdf: Bdf, bar: u8, from: Size, to: Size) -> Vec<Step> {
    vec![Step::Resize { bdf, bar, was: from, size: to }]
}
