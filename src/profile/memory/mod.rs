//! `[memory]`: how much, from which pages, on which host nodes.

mod backend;
mod balloon;
mod forecast;
mod hugepages;
mod judge;
mod locked;
mod pages;
mod part;
mod prefault;

pub(super) use backend::id;
pub(super) use part::{Part, Policy, bind, lone_node};

use super::cpu::Cpu;
use super::numa::{self, Numa};
use super::scene::Scene;
use super::setting::Setting;
use crate::host::PathFact;
use crate::plan::{Access, Change, Class, Draft, Lot, Origin, Problem, Transparent};
use crate::unit::Size;
use backend::{Backend, Shape};
use hugepages::{Hugepages, PAGE_2M};
use judge::{judge_available, judge_multiple};
use locked::Locked;
use pages::Pages;
use prefault::Prefault;
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
    /// Threads that touch the pages, 1 to 16; as many as they have host CPUs unless given: those of the pins, those of the
    /// nodes that the memory is bound to, or all. QEMU: `prealloc-threads`.
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

impl Memory {
    pub(super) fn paths(&self, setting: &Setting) -> Option<PathBuf> {
        self.path.as_deref().map(|path| setting.resolve(path))
    }

    /// Whether it may be of huge pages from a pool.
    pub(super) fn looks_for_pools(&self) -> bool {
        matches!(self.wanted(), Hugepages::Auto | Hugepages::Pool(_))
    }

    /// The pages that it shall be of.
    fn wanted(&self) -> Hugepages {
        // A folder that systemd mounts for huge pages says so by its name.
        let mounted = self.path.as_deref() == Some(Path::new(HUGETLBFS)) && self.hugepages == Hugepages::Off;
        if mounted { Hugepages::Pool(PAGE_2M) } else { self.hugepages }
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
        let shape = self.shape(&parts, cpu, scene, draft);
        for (index, part) in parts.iter().enumerate() {
            shape.draft(index, part, scene, draft);
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
    fn shape(&self, parts: &[Part], cpu: &Cpu, scene: &Scene, draft: &mut Draft) -> Shape {
        let wanted = self.wanted();
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
            prefault: Prefault::new(self.prealloc_threads, cpu, scene),
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
