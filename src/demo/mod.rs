//! Floor 5, beside `cli`: what the demo guest says about a profile. Pure: lines of the guest in, a comparison out.

mod comparison;
mod report;

pub use comparison::{Compared, compare};
pub use report::Report;

/// The profile of `vmrun demo` without a profile.
pub const PROFILE: &str = include_str!("../../profiles/demo.toml");
