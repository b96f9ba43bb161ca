//! `[memory]`: how much, from which pages, on which host nodes.

mod backend;
mod balloon;
mod forecast;
mod hugepages;
mod locked;
mod pages;
mod part;

pub(super) use backend::id;
pub(super) use part::{Part, Policy, bind, lone_node};

use super::cpu::Cpu;
use super::numa::{self, Numa};
use super::scene::Scene;
use super::setting::Setting;
use crate::host::{Host, PathFact};
use crate::plan::{Access, Change, Class, Draft, Lot, Origin, Problem, Transparent};
use crate::unit::{Size, Version};
use backend::{Backend, Shape};
use hugepages::{Hugepages, PAGE_1G, PAGE_2M};
use locked::Locked;
use pages::Pages;
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// The guest's memory; QEMU's `-m` and its memory backends.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Memory {
    /// Amount, with a unit of 1024; the sum of the `[[numa]]` nodes, or 1G, unless given. QEMU: `-m size=`.
    size: Option<Size>,
    /// From which pages it is made: `"2M"` (also `true`) and `"1G"` take a pool of huge pages, filled up for the guest's
    /// time; `"thp"` lets the kernel use huge pages where it has them; `"auto"` takes the largest that the host can give;
    /// `false`, the default, means 4 KiB. QEMU: `hugetlb`, `hugetlbsize`.
    #[serde(default)]
    hugepages: Hugepages,
    /// What is done when the pool cannot be filled: `"thp"`, `"2M"` in the place of `"1G"`, or `false` for 4 KiB. The guest
    /// is not started unless given.
    fallback: Option<Hugepages>,
    /// Whether the kernel may be told to forget what it has read from disks when it finds no room for huge pages; the host
    /// is slower for a while.
    #[serde(default)]
    drop_caches: bool,
    /// Whether every page is touched before the guest starts; with a pool of huge pages it is unless given. QEMU:
    /// `prealloc`.
    prealloc: Option<bool>,
    /// Threads that touch the pages, 1 to 16; as many as vCPUs unless given. QEMU: `prealloc-threads`.
    #[schemars(range(min = 1, max = 16))]
    prealloc_threads: Option<u8>,
    /// What it is to the kernel: `"ram"`, private pages, `"memfd"`, which others can map and a pool of huge pages needs,
    /// or `"file"` in the folder `path`. Chosen by what is needed unless given. QEMU: `memory-backend-…`.
    backend: Option<Backend>,
    /// Folder of a mounted `hugetlbfs` or `tmpfs`; anonymous memory, which needs no mount, unless given. QEMU:
    /// `mem-path`.
    path: Option<PathBuf>,
    /// Whether other programs may map it; off unless given, a device needs it, or `backend` is `"memfd"` without a pool.
    /// QEMU: `share`.
    share: Option<bool>,
    /// NUMA nodes of the host that it lies on; the one that all vCPUs are pinned to unless given. QEMU: `host-nodes`.
    #[serde(default)]
    host_nodes: Vec<u32>,
    /// How strictly it keeps to them; `"bind"` unless given. QEMU: `policy`.
    policy: Option<Policy>,
    /// Whether the guest has a balloon, with which the host can ask for memory back; not with passed PCI functions. QEMU:
    /// `virtio-balloon-pci`.
    #[serde(default)]
    pub(super) balloon: bool,
    /// Whether QEMU locks all of its memory, so that nothing of it is swapped: from the start, or each page `"on-fault"`,
    /// when it is first used, which takes QEMU 10.0. Passed PCI functions do that by themselves. False unless given. QEMU:
    /// `-overcommit mem-lock`.
    #[serde(default)]
    locked: Locked,
}

/// Where systemd mounts `hugetlbfs`: its unit `dev-hugepages.mount`.
const HUGETLBFS: &str = "/dev/hugepages";
const DEFAULT_SIZE: Size = Size::from_bytes(1 << 30);
const MIB: u64 = 1 << 20;

/// First QEMU with `thread-context` and `prealloc-context`. QEMU: `qapi/qom.json`.
const CONTEXTS: Version = Version::new(7, 2);

impl Memory {
    pub(super) fn paths(&self, setting: &Setting) -> Option<PathBuf> {
        self.path.as_deref().map(|path| setting.resolve(path))
    }

    /// Whether the user wants other processes to map it.
    pub(super) fn is_shared(&self) -> bool {
        self.share == Some(true)
    }

    /// NUMA nodes of the host that the user wants it on.
    pub(super) fn host_nodes(&self) -> &[u32] {
        &self.host_nodes
    }

    /// Drafts `-m`, the backends and the guest's NUMA nodes.
    pub(super) fn draft(&self, numa: &[Numa], cpu: &Cpu, scene: &Scene, draft: &mut Draft) {
        let size = self.draft_size(numa, draft);
        let parts = if numa.is_empty() {
            let bind = bind(
                (&self.host_nodes, "memory.host_nodes"),
                (self.policy, "memory.policy"),
                &cpu.pinned(),
                scene,
                draft,
            );
            draft.contents.argv.machine.set(
                "memory-backend",
                id(0),
                Origin::derived("memory", "the backend holds all of it"),
            );
            vec![Part { at: "memory.size".into(), size, bind }]
        } else {
            self.judge_nodes_twice(draft);
            numa::draft(numa, cpu, scene, draft)
        };
        let shape = self.shape(&parts, scene, draft);
        for (index, part) in parts.iter().enumerate() {
            shape.draft(index, part, draft);
            judge_multiple(part, Size::from_bytes(MIB), draft);
        }
        match shape.pages {
            Pages::Huge(page) => pages::draft(&parts, size, page, self, scene.host, draft),
            Pages::Small | Pages::Thp => judge_available(size, size, scene.host, draft),
        }
        if shape.pages == Pages::Thp && shape.path.is_none() {
            let parts = parts.iter().map(|part| part.size).collect();
            draft.contents.transparent = Some(Transparent { parts });
        }
    }

    /// How much the guest has.
    pub(super) fn amount(&self, numa: &[Numa]) -> Size {
        self.size.or(numa::sum(numa)).unwrap_or(DEFAULT_SIZE)
    }

    fn draft_size(&self, numa: &[Numa], draft: &mut Draft) -> Size {
        let sum = numa::sum(numa);
        let (size, origin) = match (self.size, sum) {
            (Some(size), _) => (size, Origin::given("memory.size")),
            (None, Some(sum)) => (sum, Origin::derived("memory.size", "the sum of the guest's NUMA nodes")),
            (None, None) => (DEFAULT_SIZE, Origin::derived("memory.size", "1G unless given")),
        };
        if let Some(sum) = sum.filter(|sum| *sum != size) {
            let what = format!("the guest has {size}, and its NUMA nodes have {sum} together");
            draft.refuse(
                Problem::new(Class::Invalid, "memory.size", what).fix(format!("size = \"{sum}\"   # or leave it out")),
            );
        }
        draft.contents.argv.memory.set("size", format!("{}M", size.bytes() / MIB), origin);
        size
    }

    /// What all backends have in common.
    fn shape(&self, parts: &[Part], scene: &Scene, draft: &mut Draft) -> Shape {
        // A folder that systemd mounts for huge pages says so by its name.
        let mounted = self.path.as_deref() == Some(Path::new(HUGETLBFS)) && self.hugepages == Hugepages::Off;
        let wanted = if mounted { Hugepages::Pool(PAGE_2M) } else { self.hugepages };
        let (pages, why) = pages::choose(wanted, self.fallback, parts, scene.host);
        if let Hugepages::Pool(page) = wanted
            && pages != Pages::Huge(page)
        {
            draft.warn(pages::why_not(page, parts, scene.host));
        }
        let huge = matches!(pages, Pages::Huge(_));
        let prealloc = self.prealloc.unwrap_or(huge);
        let path = self.path.as_deref().map(|path| folder(path, scene, draft));
        let origin = match (why, &path) {
            ("", Some(_)) => Origin::given("memory.path"),
            ("", None) if self.hugepages == Hugepages::Off => Origin::given("memory.size"),
            ("", None) => Origin::given("memory.hugepages"),
            (why, _) => Origin::derived("memory.hugepages", why)
                .read_in("/sys/devices/system/node/node*/hugepages and /proc/buddyinfo"),
        };
        self.judge_fallback(wanted, draft);
        self.judge_backend(pages, draft);
        self.judge_prealloc(huge, prealloc, draft);
        // Mapped privately, each page of a file in memory is there twice once the guest has written to it: in the file,
        // and as the guest's own. Linux: `do_cow_fault`, `mm/memory.c`. Pages of a pool are not.
        let private = path.is_none() && !matches!(pages, Pages::Huge(_));
        let mapped = self.backend == Some(Backend::Memfd) && private;
        let share = self.share.unwrap_or(mapped) || scene.share_memory;
        if mapped && !share {
            draft.warn(
                Problem::new(Class::Invalid, "memory.backend", "memory that nobody may map is private pages, no memfd")
                    .why("of a memfd that is not shared the kernel keeps each page twice once the guest wrote to it")
                    .fix("backend = \"ram\"   # or leave share out"),
            );
        }
        if self.share == Some(false) && scene.share_memory {
            draft.refuse(
                Problem::new(
                    Class::Invalid,
                    "memory.share",
                    "a device of the guest maps its memory, which is not shared",
                )
                .why("what is behind a vhost-user device is a process of its own")
                .fix("leave share out"),
            );
        }
        Shape {
            path,
            ram: self.backend == Some(Backend::Ram) || ((self.backend.is_none() || mapped) && private && !share),
            pages,
            share,
            prealloc,
            threads: self.prealloc_threads,
            has_contexts: scene.qemu_is(CONTEXTS),
            origin,
        }
    }

    /// The same with the fallback in the place of the pool, when `draft` adds pages to it: that may fail.
    pub(super) fn fallen_back(&self, draft: &Draft) -> Option<Self> {
        // Not when it is the fallback already.
        let Hugepages::Pool(page) = self.hugepages else { return None };
        let adds = |change: &Change| matches!(change, Change::HugePages { size, pages: 1.., .. } if *size == page);
        let hugepages = self.fallback.filter(|_| draft.contents.changes.iter().any(adds))?;
        Some(Self { hugepages, fallback: None, ..self.clone() })
    }

    fn judge_fallback(&self, wanted: Hugepages, draft: &mut Draft) {
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

    fn judge_nodes_twice(&self, draft: &mut Draft) {
        let keys = [("host_nodes", !self.host_nodes.is_empty()), ("policy", self.policy.is_some())];
        for (key, _) in keys.into_iter().filter(|(_, given)| *given) {
            let what = format!("{key} stands beside [[numa]], whose nodes say where their memory lies");
            draft.refuse(
                Problem::new(Class::Invalid, format!("memory.{key}"), what)
                    .fix("host_node = 0   # in each [[numa]]; policy likewise"),
            );
        }
    }

    fn judge_backend(&self, pages: Pages, draft: &mut Draft) {
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
    fn warn_of_thp(&self, pages: Pages, draft: &mut Draft) {
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

    fn judge_prealloc(&self, huge: bool, prealloc: bool, draft: &mut Draft) {
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

/// The folder `path`; notes a problem when it is none.
fn folder(path: &Path, scene: &Scene, draft: &mut Draft) -> PathBuf {
    let path = scene.setting.resolve(path);
    if !matches!(scene.host.path(&path), PathFact::Folder { .. }) {
        draft.refuse(
            Problem::new(Class::Impossible, "memory.path", format!("{} is not a folder", path.display()))
                .fix("leave path out; huge pages need no mounted folder"),
        );
    }
    draft.opens("memory.path", &path, Access::Write, Lot::File);
    path
}

/// Whether `part` is a whole number of `unit`; notes a problem when not.
fn judge_multiple(part: &Part, unit: Size, draft: &mut Draft) -> bool {
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
fn judge_available(take: Size, size: Size, host: &Host, draft: &mut Draft) {
    let Some(available) = host.memory_available.filter(|available| *available < take) else { return };
    let (take, left) = (take.bytes() / MIB, available.bytes() / MIB);
    let what = format!("the guest takes {take}M of the host's memory, of which {left}M are available");
    draft.refuse(
        Problem::new(Class::Impossible, "memory.size", what)
            .why("the kernel can give that much without swapping; a passed device lets nothing be swapped")
            .fix(format!("size = \"{}M\"   # or less", (left + size.bytes() / MIB).saturating_sub(take))),
    );
}
