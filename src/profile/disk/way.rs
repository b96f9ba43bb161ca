//! The way to a disk's data: through which cache of the host, and by which calls of the kernel. What the profile does not
//! say follows from what the host and QEMU have.

use super::Disk;
use super::io::{Aio, Cache};
use crate::plan::{Class, Draft, Origin, Problem};
use crate::profile::scene::Scene;

/// The way to a disk's data, decided.
pub(super) struct Way {
    pub(super) cache: Cache,
    pub(super) aio: Aio,
    /// What was decided for the user, and why.
    derived: Vec<Derived>,
}

/// Why a key has a value that nobody gave.
struct Derived {
    name: &'static str,
    why: &'static str,
    source: &'static str,
}

impl Way {
    /// Notes what the given keys do not allow each other.
    pub(super) fn judge(&self, i: usize, draft: &mut Draft) {
        if self.aio == Aio::Native && !self.cache.direct() {
            let what = "aio = \"native\" with a cache on the host";
            draft.refuse(
                Problem::new(Class::Invalid, format!("disk[{i}].aio"), what)
                    .why("the kernel's native AIO needs O_DIRECT")
                    .fix("cache = \"none\"   # or aio = \"threads\" or \"io_uring\""),
            );
        }
    }
}

impl Disk {
    /// The way to its data on this host.
    pub(super) fn way(&self, scene: &Scene) -> Way {
        let mut derived = Vec::new();
        let mut derive = |name, why, source| derived.push(Derived { name, why, source });
        let cache = self.cache.unwrap_or_else(|| self.usual_cache(scene, &mut derive));
        let aio = self.aio.unwrap_or_else(|| self.usual_aio(cache, scene, &mut derive));
        if self.file.is_none() {
            derived.clear();
        }
        Way { cache, aio, derived }
    }

    fn usual_cache(&self, scene: &Scene, derive: &mut impl FnMut(&'static str, &'static str, &'static str)) -> Cache {
        let path = self.paths(scene.setting);
        let image = path.and_then(|path| scene.host.images.get(&path));
        let (direct, checksums) = image.map_or((None, false), |image| (image.takes_direct, image.checksums));
        match direct {
            // What is read again and again, and by several guests, is better read from memory.
            _ if self.read_only() => Cache::Writeback,
            _ if self.aio == Some(Aio::Native) => {
                derive("cache", "the kernel's native AIO needs O_DIRECT", "");
                Cache::None
            }
            Some(true) if checksums => {
                let why =
                    "its file system keeps checksums, which a guest that alters a page while it is written makes wrong";
                derive("cache", why, "statfs(2), FS_IOC_GETFLAGS of the image");
                Cache::Writeback
            }
            Some(true) => {
                let why = "the guest has a cache of its own, and the host's memory is not filled by a second one";
                derive("cache", why, "open(2) of the image with O_DIRECT");
                Cache::None
            }
            Some(false) | None => Cache::Writeback,
        }
    }

    fn usual_aio(
        &self,
        cache: Cache,
        scene: &Scene,
        derive: &mut impl FnMut(&'static str, &'static str, &'static str),
    ) -> Aio {
        let qemu_has = scene.host.qemu.as_ref().and_then(|qemu| qemu.abilities.has_aio("io_uring"));
        if self.cdrom {
            // A disc is slower than any way to it.
            return Aio::Threads;
        }
        if scene.host.io_uring && qemu_has == Some(true) {
            let why = "a request costs the fewest calls of the kernel";
            derive("aio", why, "io_uring_setup(2); QMP query-qmp-schema");
            return Aio::IoUring;
        }
        if cache.direct() {
            derive("aio", "past the host's cache the kernel's own AIO wakes no thread for a request", "");
            return Aio::Native;
        }
        Aio::Threads
    }

    /// Says in the plan what nobody gave, and why it is so.
    pub(super) fn explain_way(&self, i: usize, way: &Way, draft: &mut Draft) {
        for Derived { name, why, source } in &way.derived {
            let origin = Origin::derived(format!("disk[{i}].{name}"), why).read_in(*source);
            draft.contents.argv.explain(&format!("disk{i}-file"), origin);
        }
        if self.discard.is_none() && self.discards() {
            let why = "space that the guest frees is free on the host again";
            draft.contents.argv.explain(&format!("disk{i}"), Origin::derived(format!("disk[{i}].discard"), why));
        }
    }
}
