//! What memory does not allow together, and what the host cannot give.

use super::MIB;
use super::Memory;
use super::backend::Backend;
use super::hugepages::{Hugepages, PAGE_1G};
use super::pages::Pages;
use super::part::Part;
use crate::host::Host;
use crate::plan::{Class, Draft, Problem};
use crate::unit::Size;

impl Memory {
    pub(super) fn judge_fallback(&self, wanted: Hugepages, draft: &mut Draft) {
        let pool = matches!(wanted, Hugepages::Pool(_));
        let problem = |key: &str, what: &str| Problem::new(Class::Invalid, format!("memory.{key}"), what);
        if self.drop_caches && !pool && wanted != Hugepages::Auto {
            let what = "drop_caches without a pool of huge pages says nothing";
            draft.refuse(problem("drop_caches", what).fix("hugepages = \"2M\""));
        }
        let refusal = match self.fallback {
            Some(_) if !pool => ("fallback without a pool of huge pages says nothing", "hugepages = \"2M\""),
            Some(fallback) if fallback == wanted => {
                ("fallback is what was asked for in the first place", "fallback = \"thp\"")
            }
            Some(Hugepages::Auto | Hugepages::Pool(PAGE_1G)) => {
                ("a fallback is what can hardly fail", "fallback = \"thp\"   # or \"2M\", or false")
            }
            None | Some(Hugepages::Off | Hugepages::Thp | Hugepages::Pool(_)) => return,
        };
        draft.refuse(problem("fallback", refusal.0).fix(refusal.1));
    }

    pub(super) fn judge_nodes_twice(&self, draft: &mut Draft) {
        let keys = [("host_nodes", !self.host_nodes.is_empty()), ("policy", self.policy.is_some())];
        for (key, _) in keys.into_iter().filter(|(_, given)| *given) {
            let what = format!("{key} stands beside [[numa]], whose nodes say where their memory lies");
            draft.refuse(
                Problem::new(Class::Invalid, format!("memory.{key}"), what)
                    .fix("host_node = 0   # in each [[numa]]; policy likewise"),
            );
        }
    }

    pub(super) fn judge_backend(&self, pages: Pages, draft: &mut Draft) {
        let refusal = match (self.backend, &self.path, pages) {
            (Some(Backend::File), None, _) => ("backend = \"file\" needs a folder", "path = \"/dev/shm\""),
            (Some(Backend::Memfd), Some(_), _) => ("backend = \"memfd\" takes no path", "leave one of them out"),
            (Some(Backend::Ram), Some(_), _) => ("backend = \"ram\" takes no path", "leave one of them out"),
            (Some(Backend::Ram), None, Pages::Huge(_)) => {
                ("backend = \"ram\" cannot take pages of a pool", "backend = \"memfd\"")
            }
            (Some(Backend::Ram), None, _) if self.share == Some(true) => {
                ("backend = \"ram\" cannot be mapped by other programs", "backend = \"memfd\"")
            }
            _ => return self.warn_of_thp(pages, draft),
        };
        let (what, fix) = refusal;
        draft.refuse(Problem::new(Class::Invalid, "memory.backend", what).fix(fix));
    }

    /// Shared memory is shmem to the kernel, which has a switch of its own for huge pages.
    pub(super) fn warn_of_thp(&self, pages: Pages, draft: &mut Draft) {
        let shmem = self.share == Some(true) || self.backend == Some(Backend::Memfd);
        if pages == Pages::Thp && shmem && self.path.is_none() {
            let what = "memory that others can map has transparent huge pages only where the host allows it";
            draft.warn(
                Problem::new(Class::Impossible, "memory.hugepages", what)
                    .why("the kernel keeps them off for shared memory unless told otherwise")
                    .fix("echo advise > /sys/kernel/mm/transparent_hugepage/shmem_enabled\nor   hugepages = \"2M\""),
            );
        }
    }

    pub(super) fn judge_prealloc(&self, huge: bool, prealloc: bool, draft: &mut Draft) {
        if huge && !prealloc {
            draft.warn(
                Problem::new(Class::Invalid, "memory.prealloc", "huge pages are not taken before the guest starts")
                    .why("if the pool is empty when the guest touches a page, the kernel kills QEMU (SIGBUS)"),
            );
        }
        let at = "memory.prealloc_threads";
        match self.prealloc_threads {
            // QEMU takes no more (MAX_MEM_PREALLOC_THREAD_COUNT, util/oslib-posix.c) and would not say so.
            Some(0 | 17..) => draft.refuse(
                Problem::new(Class::Invalid, at, "prealloc_threads is a number from 1 to 16")
                    .fix("prealloc_threads = 16"),
            ),
            Some(_) if !prealloc => draft.refuse(
                Problem::new(Class::Invalid, at, "prealloc_threads without prealloc says nothing")
                    .fix("prealloc = true"),
            ),
            Some(_) | None => {}
        }
    }
}

/// Whether `part` is a whole number of `unit`; notes a problem when not.
pub(super) fn judge_multiple(part: &Part, unit: Size, draft: &mut Draft) -> bool {
    let Part { at, size, .. } = part;
    let whole = size.bytes().is_multiple_of(unit.bytes()) && size.bytes() > 0;
    if !whole {
        let up = size.bytes().next_multiple_of(unit.bytes()).max(unit.bytes());
        draft.refuse(
            Problem::new(Class::Invalid, at.clone(), format!("{size} is not a whole number of {unit} pages"))
                .fix(format!("size = \"{}\"", Size::from_bytes(up))),
        );
    }
    whole
}

/// Notes a problem when the host cannot give `take` bytes for a guest of `size`.
pub(super) fn judge_available(take: Size, size: Size, host: &Host, draft: &mut Draft) {
    let Some(available) = host.memory_available.filter(|available| *available < take) else { return };
    let (take, left) = (take.bytes() / MIB, available.bytes() / MIB);
    let what = format!("the guest takes {take}M of the host's memory, of which {left}M are available");
    draft.refuse(
        Problem::new(Class::Impossible, "memory.size", what)
            .why("the kernel can give that much without swapping; a passed device lets nothing be swapped")
            .fix(format!("size = \"{}M\"   # or less", (left + size.bytes() / MIB).saturating_sub(take))),
    );
}
