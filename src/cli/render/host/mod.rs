//! What vmrun sees of a machine, for people and for programs.
//!
//! Each view is a page in lines of a given width, with terminal styles and readable without, and a JSON value.

mod card;
mod cpus;
mod firmware;
mod gpus;
mod groups;
mod memory;
pub(in crate::cli) mod name;
pub(super) mod page;
mod summary;
mod usb;
mod verdict;

pub(in crate::cli) use card::{Card, cards};
pub(in crate::cli) use cpus::{json as cpus_json, text as cpus};
pub(in crate::cli) use firmware::{json as firmware_json, text as firmware};
pub(in crate::cli) use gpus::{json as gpus_json, text as gpus};
pub(in crate::cli) use groups::{json as groups_json, text as groups};
pub(in crate::cli) use memory::{json as memory_json, text as memory};
pub(in crate::cli) use summary::text as summary;
pub(in crate::cli) use usb::{json as usb_json, text as usb};
