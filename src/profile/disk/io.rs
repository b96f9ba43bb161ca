//! How a disk is cached, read and written on the host.

use schemars::JsonSchema;
use serde::Deserialize;

/// Format of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    /// The guest's bytes as they are; also every block device.
    Raw,
    /// QEMU's own format: grows, holds snapshots.
    Qcow2,
}

impl Format {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
        }
    }
}

/// How the host caches a disk. QEMU: `docs/system/qemu-block-drivers`, the table of `cache=` in `qemu-options.hx`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Cache {
    /// The host's page cache is passed by; the disk's own cache is told to the guest.
    None,
    /// The host's page cache is used; the guest flushes it.
    Writeback,
    /// The host's page cache is used for reading; each write reaches the disk.
    Writethrough,
    /// The host's page cache is passed by, and each write reaches the disk.
    Directsync,
    /// The guest's flushes are thrown away: fast, and lost when the host stops.
    Unsafe,
}

impl Cache {
    /// Whether the host's page cache is passed by.
    pub(super) fn direct(self) -> bool {
        matches!(self, Self::None | Self::Directsync)
    }

    /// Whether the guest's flushes are thrown away.
    pub(super) fn no_flush(self) -> bool {
        self == Self::Unsafe
    }

    /// Whether the guest sees a volatile write cache.
    pub(super) fn write_cache(self) -> &'static str {
        match self {
            Self::None | Self::Writeback | Self::Unsafe => "on",
            Self::Writethrough | Self::Directsync => "off",
        }
    }
}

/// How QEMU reads and writes an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub(super) enum Aio {
    /// A pool of threads; works everywhere.
    #[serde(rename = "threads")]
    Threads,
    /// The kernel's AIO; only past the page cache.
    #[serde(rename = "native")]
    Native,
    /// The kernel's `io_uring`.
    #[serde(rename = "io_uring")]
    IoUring,
}

impl Aio {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Threads => "threads",
            Self::Native => "native",
            Self::IoUring => "io_uring",
        }
    }
}

/// What becomes of zeroes that the guest writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum DetectZeroes {
    /// They are written as any other bytes.
    Off,
    /// They are written the short way that the image has for them.
    On,
    /// They give their space back.
    Unmap,
}

impl DetectZeroes {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::On => "on",
            Self::Unmap => "unmap",
        }
    }
}
