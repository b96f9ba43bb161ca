//! `-m` and what backs it, `-numa`.

use super::opt::Opt;
use super::{Line, named};
use crate::import::page::{number, size};
use crate::import::unready;
use crate::unit::CpuSet;

/// An amount as QEMU reads it, in bytes; without a unit it counts in `unit`.
pub(super) fn amount(text: &str, unit: u64) -> Option<u64> {
    let text = text.trim();
    let at = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (digits, suffix) = text.split_at(at);
    let by = match suffix.chars().next().map(|c| c.to_ascii_uppercase()) {
        None => unit,
        Some('B') => 1,
        Some('K') => 1 << 10,
        Some('M') => 1 << 20,
        Some('G') => 1 << 30,
        Some('T') => 1 << 40,
        Some(_) => return None,
    };
    match digits.split_once('.') {
        None => digits.parse::<u64>().ok()?.checked_mul(by),
        // Halves and tenths: `1.5G`.
        Some((whole, part)) => {
            let scale = 10_u64.checked_pow(u32::try_from(part.len()).ok()?)?;
            let tenths: u64 = part.parse().ok()?;
            whole.parse::<u64>().ok()?.checked_mul(by)?.checked_add(tenths.checked_mul(by)? / scale)
        }
    }
}

impl Line<'_> {
    pub(super) fn memory(&mut self, opts: &[Opt]) {
        let sized = |opt: &Opt| opt.get("mem").is_some() || opt.get("memdev").is_some();
        let nodes = named(opts, "numa").any(|opt| opt.head == "node" && sized(opt));
        if self.whole() && named(opts, "m").next().is_none() && !nodes {
            // QEMU's own choice.
            self.page.table("memory").set("size", "128M");
        }
        for opt in opts {
            match opt.name.as_str() {
                "m" if self.whole() => self.size(opt, nodes),
                "m" => opt.lost("the amount is that of <memory>"),
                "mem-path" => self.path(&opt.value, opt),
                "mem-prealloc" => self.page.table("memory").set("prealloc", true),
                "numa" => self.numa(opt, opts),
                "overcommit" => {
                    if opt.get("mem-lock") == Some("on-fault") {
                        self.page.table("memory").set("locked", "on-fault");
                    } else if opt.flag("mem-lock") == Some(true) {
                        self.page.table("memory").set("locked", true);
                    }
                    if opt.flag("cpu-pm") == Some(true) {
                        self.args.extend(["-overcommit".into(), "cpu-pm=on".into()]);
                        opt.translated("cpu-pm: passed on in [qemu] args");
                    }
                }
                "realtime" => {
                    let lock = opt.flag("mlock") != Some(false);
                    self.page.table("memory").set("locked", lock);
                    opt.translated("memory.locked; today's QEMU has no -realtime");
                }
                "balloon" => {
                    if opt.head == "virtio" && !self.passed {
                        self.page.table("memory").set("balloon", true);
                    }
                    opt.translated("memory.balloon; today's QEMU has no -balloon");
                    opt.rest();
                }
                "mem-lock" => opt.lost("QEMU has no such option"),
                "object" if opt.head.starts_with("memory-backend-") => self.backend(opt, opts),
                _ => {}
            }
        }
        let absent = unready::vcpus_of_nodes(self.page);
        for opt in named(opts, "numa").filter(|opt| opt.head == "node" && !absent.is_empty()) {
            if let Ok(cpus) = opt.all("cpus").join(",").parse::<CpuSet>()
                && !cpus.and(&absent).is_empty()
            {
                opt.translated(format!("without the vCPUs {}, which the guest does not have", cpus.and(&absent)));
            }
        }
        // Pages of a pool are touched first unless said.
        let prealloc = self.page.get("memory", "prealloc").and_then(toml::Value::as_bool);
        if self.page.get("memory", "hugepages").is_some() && prealloc == Some(true) {
            self.page.table("memory").remove("prealloc");
        }
    }

    fn size(&mut self, opt: &Opt, nodes: bool) {
        let text = opt.get("size").map_or_else(|| opt.head.clone(), str::to_owned);
        if opt.get("maxmem").is_some() | opt.get("slots").is_some() {
            opt.translated("maxmem: memory cannot be plugged in while the guest runs");
        }
        match amount(&text, 1 << 20).map(|bytes| bytes.next_multiple_of(1 << 20)) {
            Some(bytes) if !nodes => self.page.table("memory").set("size", size(bytes)),
            Some(_) => {}
            None => {
                opt.asked(format!("how much `{text}` is"));
                self.page
                    .table("memory")
                    .ask(&format!("how much memory the guest has; the file says `{text}`."), "size = \"8G\"");
            }
        }
    }

    /// A folder of huge pages, or another one in memory.
    fn path(&mut self, path: &str, opt: &Opt) {
        let memory = self.page.table("memory");
        let large = path.contains("1G") || path.contains("1048576");
        if path.contains("huge") {
            memory.set("hugepages", if large { "1G" } else { "2M" });
            opt.translated("memory.hugepages: pages of the pool, without a mounted folder");
        } else if path.starts_with("/dev/shm") || path.starts_with("/dev/kvmfr") {
            opt.translated("anonymous memory, which needs no folder");
        } else {
            memory.set("path", path);
            memory.set("backend", "file");
        }
    }

    fn backend(&mut self, opt: &Opt, opts: &[Opt]) {
        let id = opt.get("id").unwrap_or_default();
        let shown = |device: &Opt| {
            device.name == "device" && device.head.starts_with("ivshmem") && device.get("memdev") == Some(id)
        };
        if opts.iter().any(shown) {
            // It is the memory of that device.
            return;
        }
        let node = opts.iter().any(|numa| numa.name == "numa" && numa.get("memdev") == Some(id));
        let whole =
            named(opts, "machine").chain(named(opts, "M")).any(|machine| machine.get("memory-backend") == Some(id));
        if !node && !whole {
            return opt.lost("neither the machine nor a NUMA node takes its memory from it");
        }
        let memory = self.page.table("memory");
        if opt.flag("share") == Some(true) {
            memory.set("share", true);
        }
        memory.maybe("prealloc", opt.flag("prealloc").filter(|on| *on || opt.flag("hugetlb") == Some(true)));
        if opt.flag("prealloc") == Some(true) {
            memory.maybe("prealloc_threads", opt.number("prealloc-threads").map(|threads| number(threads.min(16))));
        }
        if opt.flag("hugetlb") == Some(true) {
            let large = opt.get("hugetlbsize").and_then(|size| amount(size, 1)).is_some_and(|size| size >= 1 << 30);
            memory.set("hugepages", if large { "1G" } else { "2M" });
        }
        opt.get("size");
        if opt.flag("merge") == Some(true) {
            self.page.table("machine").set("mem_merge", true);
        }
        opt.any(&[
            "dump",
            "prealloc-threads",
            "prealloc-context",
            "reserve",
            "discard-data",
            "align",
            "x-use-canonical-path-for-ramblock-id",
        ]);
        if let Some(path) = opt.get("mem-path") {
            self.path(path, opt);
        }
        if let Some(nodes) = opt.all("host-nodes").join(",").parse::<CpuSet>().ok().filter(|nodes| !nodes.is_empty()) {
            let policy = opt.get("policy").filter(|policy| *policy != "default");
            if whole {
                let nodes: Vec<i64> = nodes.iter().map(i64::from).collect();
                let memory = self.page.table("memory");
                memory.set("host_nodes", nodes);
                memory.maybe("policy", policy);
            }
        } else {
            opt.get("policy");
        }
    }

    fn numa(&mut self, opt: &Opt, opts: &[Opt]) {
        match opt.head.as_str() {
            "node" => {
                opt.get("nodeid");
                let backend = opt.get("memdev").and_then(|id| super::by_id(opts, "object", id));
                let bytes = opt.get("mem").and_then(|mem| amount(mem, 1 << 20));
                let bytes = bytes.or_else(|| amount(backend?.get("size")?, 1));
                let host = backend
                    .and_then(|backend| backend.any(&["host-nodes", "host-nodes.0"]))
                    .and_then(|set| set.parse::<i64>().ok());
                let policy = backend.and_then(|backend| backend.get("policy")).filter(|policy| *policy != "default");
                let cpus = opt.all("cpus").join(",");
                match bytes {
                    Some(bytes) => {
                        let table = self.page.push("numa");
                        if !cpus.is_empty() {
                            table.set("cpus", cpus);
                        }
                        table.set("size", size(bytes));
                        table.maybe("host_node", host);
                        table.maybe("policy", policy);
                    }
                    None => opt.lost("a node without memory"),
                }
            }
            "dist" => self.distance(opt),
            _ => opt.lost("vmrun has nothing like it"),
        }
    }

    fn distance(&mut self, opt: &Opt) {
        let (src, dst, val) = (opt.number("src"), opt.number("dst"), opt.number("val"));
        let count = self.page.count("numa");
        if let (Some(src), Some(dst), Some(val)) = (src, dst, val)
            && let (Ok(src), Ok(dst), Ok(val)) = (usize::try_from(src), usize::try_from(dst), i64::try_from(val))
            && let Some(table) = self.page.list("numa").get_mut(src).filter(|_| dst < count)
        {
            let known = table.get("distances").and_then(toml::Value::as_array).cloned();
            let fresh = || (0..count).map(|other| toml::Value::from(if other == src { 10_i64 } else { 20 })).collect();
            let mut all: Vec<toml::Value> = known.unwrap_or_else(fresh);
            all[dst] = val.into();
            table.set("distances", all);
        }
    }
}
