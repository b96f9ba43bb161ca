//! Guest memory that shall lie in transparent huge pages.

use crate::unit::Size;
use serde::{Deserialize, Serialize};

/// A guest's memory for which the kernel was asked to use huge pages where it has them. Whether it has is seen only
/// afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transparent {
    /// Sizes of its parts, each a mapping of QEMU.
    pub parts: Vec<Size>,
}
