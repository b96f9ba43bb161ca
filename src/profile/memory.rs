//! `[memory]`: how much, and from which pages.

use super::scene::Scene;
use super::setting::Setting;
use crate::host::{Host, Node, PathFact, Pool};
use crate::plan::{Change, Class, Draft, Origin, Problem};
use crate::unit::{CpuSet, Size};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::json;
use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};

/// The guest's memory; QEMU's `-m` and a memory backend.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Memory {
    /// Amount; 1G unless given.
    size: Option<Size>,
    /// Whether it lies in huge pages, and of which size; `true` is 2M.
    #[serde(default)]
    hugepages: Hugepages,
    /// Whether every page is touched before the guest starts; with huge pages it is unless given.
    prealloc: Option<bool>,
    /// Folder of a mounted `hugetlbfs` or `tmpfs`; anonymous memory, which needs no mount, unless given.
    path: Option<PathBuf>,
    /// Whether other programs may map it; off unless given.
    #[serde(default)]
    share: bool,
}

/// `true`, `false`, `"2M"` or `"1G"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Hugepages(Option<Size>);

/// Where systemd mounts `hugetlbfs`: its unit `dev-hugepages.mount`.
const HUGETLBFS: &str = "/dev/hugepages";
const DEFAULT_SIZE: Size = Size::from_bytes(1 << 30);
const MIB: u64 = 1 << 20;
const PAGE_2M: Size = Size::from_bytes(2 << 20);
const PAGE_1G: Size = Size::from_bytes(1 << 30);

impl Memory {
    pub(super) fn paths(&self, setting: &Setting) -> Option<PathBuf> {
        self.path.as_deref().map(|path| setting.resolve(path))
    }

    /// Whether other processes may map it.
    pub(super) fn is_shared(&self) -> bool {
        self.share
    }

    /// Drafts `-m` and the backend; `pinned` are the host CPUs of the vCPUs.
    pub(super) fn draft(&self, pinned: &CpuSet, scene: &Scene, draft: &mut Draft) {
        let Self { size, hugepages: _, prealloc: _, path: _, share: _ } = self;
        let origin = match size {
            Some(_) => Origin::given("memory.size"),
            None => Origin::derived("memory.size", "1G unless given"),
        };
        let size = size.unwrap_or(DEFAULT_SIZE);
        draft.contents.argv.memory.set("size", format!("{}M", size.bytes() / MIB), origin);
        draft.contents.argv.machine.set(
            "memory-backend",
            "ram0",
            Origin::derived("memory", "the backend holds all of it"),
        );
        let node = lone_node(pinned, scene.host);
        self.draft_backend(size, node, scene, draft);
        judge_multiple(size, Size::from_bytes(MIB), draft);
        match self.page() {
            Some(page) => draft_pages(size, page, node, scene.host, draft),
            None => judge_available(size, size, scene.host, draft),
        }
    }

    /// Size of the huge pages, if any. A folder that systemd mounts for them says so by its name.
    fn page(&self) -> Option<Size> {
        let mounted = self.path.as_deref() == Some(Path::new(HUGETLBFS));
        self.hugepages.0.or(mounted.then_some(PAGE_2M))
    }

    fn draft_backend(&self, size: Size, node: Option<&Node>, scene: &Scene, draft: &mut Draft) {
        let Self { size: _, hugepages: _, prealloc, path, share } = self;
        let page = self.page();
        let prealloc = prealloc.unwrap_or(page.is_some());
        let mut backend = json!({"qom-type": "memory-backend-memfd", "id": "ram0", "size": size.bytes()});
        let mut origin = Origin::given("memory.size");
        match (path, page) {
            (Some(path), _) => {
                backend["qom-type"] = json!("memory-backend-file");
                backend["mem-path"] = json!(folder(path, scene, draft));
                origin = Origin::given("memory.path");
            }
            (None, Some(page)) => {
                backend["hugetlb"] = json!(true);
                backend["hugetlbsize"] = json!(page.bytes());
                origin = Origin::given("memory.hugepages");
            }
            (None, None) => {}
        }
        backend["share"] = json!(*share || scene.share_memory);
        backend["prealloc"] = json!(prealloc);
        if let Some(node) = node {
            backend["host-nodes"] = json!([node.id]);
            backend["policy"] = json!("bind");
        }
        draft.contents.argv.object(&backend, origin);
        if page.is_some() && !prealloc {
            draft.warn(
                Problem::new(Class::Invalid, "memory.prealloc", "huge pages are not taken before the guest starts")
                    .why("if the pool is empty when the guest touches a page, the kernel kills QEMU (SIGBUS)"),
            );
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
    path
}

/// The node that memory is bound to: the one of all pinned vCPUs, on a host that has several.
fn lone_node<'a>(pinned: &CpuSet, host: &'a Host) -> Option<&'a Node> {
    let whole = |node: &&Node| !pinned.is_empty() && pinned.without(&node.cpus).is_empty();
    host.nodes.iter().find(whole).filter(|_| host.nodes.len() > 1)
}

fn draft_pages(size: Size, page: Size, node: Option<&Node>, host: &Host, draft: &mut Draft) {
    if !judge_multiple(size, page, draft) {
        return;
    }
    let needed = size.bytes() / page.bytes();
    let Some((at, free)) = pool(page, node, host) else {
        draft.refuse(no_pool(page));
        return;
    };
    let missing = needed.saturating_sub(free);
    if missing == 0 {
        return;
    }
    judge_available(Size::from_bytes(missing.saturating_mul(page.bytes())), size, host, draft);
    let pages = i64::try_from(missing).unwrap_or(i64::MAX);
    draft.contents.changes.push(Change::HugePages { node: at, size: page, pages });
}

/// The node whose pool is filled up, and the free pages that count: its own when memory is bound to it, else all.
fn pool(page: Size, node: Option<&Node>, host: &Host) -> Option<(u32, u64)> {
    let of = |node: &Node| node.pools.iter().find(|pool| pool.size == page).map(|pool: &Pool| (node.id, pool.free));
    if let Some(node) = node {
        return of(node);
    }
    let pools: Vec<_> = host.nodes.iter().filter_map(of).collect();
    let (first, _) = *pools.first()?;
    Some((first, pools.iter().map(|(_, free)| free).sum()))
}

fn no_pool(page: Size) -> Problem {
    let why = if page == PAGE_1G {
        "the host CPU lacks pdpe1gb, or the kernel has no hugetlbfs"
    } else {
        "the kernel has no hugetlbfs"
    };
    Problem::new(Class::Impossible, "memory.hugepages", format!("this host has no pool of {page} pages"))
        .why(why)
        .fix(if page == PAGE_1G { "hugepages = \"2M\"" } else { "hugepages = false" })
}

/// Whether `size` is a whole number of `unit`; notes a problem when not.
fn judge_multiple(size: Size, unit: Size, draft: &mut Draft) -> bool {
    let whole = size.bytes().is_multiple_of(unit.bytes()) && size.bytes() > 0;
    if !whole {
        let up = size.bytes().next_multiple_of(unit.bytes()).max(unit.bytes());
        draft.refuse(
            Problem::new(Class::Invalid, "memory.size", format!("{size} is not a whole number of {unit} pages"))
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

impl JsonSchema for Hugepages {
    fn schema_name() -> Cow<'static, str> {
        "Hugepages".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "title": "true, false, \"2M\" or \"1G\"",
            "anyOf": [{"type": "boolean"}, {"type": "string", "enum": ["2M", "2MiB", "1G", "1GiB"]}],
            "examples": [true, "1G"],
        })
    }
}

impl<'de> Deserialize<'de> for Hugepages {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(HugepagesVisitor)
    }
}

struct HugepagesVisitor;

impl Visitor<'_> for HugepagesVisitor {
    type Value = Hugepages;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true, false, \"2M\" or \"1G\"")
    }

    fn visit_bool<E: de::Error>(self, on: bool) -> Result<Hugepages, E> {
        Ok(Hugepages(on.then_some(PAGE_2M)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Hugepages, E> {
        match text.parse() {
            Ok(size @ (PAGE_2M | PAGE_1G)) => Ok(Hugepages(Some(size))),
            _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
        }
    }
}
