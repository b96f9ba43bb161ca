//! What else decides where a guest runs well: its passed card, its memory, its NUMA nodes.

use super::super::memory::Memory;
use super::super::numa::Numa;
use super::super::pci::{self, Pci};
use crate::host::{Host, PciFunction};

/// The surroundings that the threads of a guest are placed for.
#[derive(Clone, Debug, Default)]
pub(in crate::profile) struct Site {
    /// The host NUMA node that the guest is best on; `None` on a host with one, or when nothing says so.
    pub(super) near: Option<Near>,
    /// Host NUMA nodes that the user wants the memory on.
    pub(super) memory: Vec<u32>,
    /// Number of the guest's own NUMA nodes.
    pub(super) guest_nodes: usize,
}

/// A host NUMA node, and what is there.
#[derive(Clone, Debug)]
pub(super) struct Near {
    pub(super) node: u32,
    pub(super) what: String,
    /// Whether that is a passed function, which cannot be moved.
    pub(super) passed: bool,
}

impl Site {
    pub(in crate::profile) fn of(passed: &[Pci], memory: &Memory, numa: &[Numa], host: &Host) -> Self {
        let memory = memory.host_nodes().to_vec();
        let near = near(&pci::meant(passed, host), host).or_else(|| match memory[..] {
            [node] => Some(Near { node, what: "that of memory.host_nodes".into(), passed: false }),
            _ => None,
        });
        let several = host.nodes.iter().filter(|node| !node.cpus.is_empty()).count() > 1;
        Self { near: near.filter(|_| several), memory, guest_nodes: numa.len() }
    }
}

/// The node of the first graphics card among `passed`, else of the first function that has one.
fn near(passed: &[&PciFunction], host: &Host) -> Option<Near> {
    let near = |function: &&PciFunction| {
        let node = function.numa_node.filter(|id| host.nodes.iter().any(|node| node.id == *id))?;
        Some(Near { node, what: format!("that of {}", function.bdf), passed: true })
    };
    let card = passed.iter().filter(|function| pci::is_display(function)).find_map(near);
    card.or_else(|| passed.iter().find_map(near))
}

#[cfg(test)]
mod test {
    use super::near;
    use crate::host::{Host, PciFunction};

    fn function(bdf: &str, class: u32, node: u32) -> PciFunction {
        let ids = serde_json::json!({"bdf": bdf, "vendor": 0x10de, "device": 1, "class": class, "numa_node": node});
        serde_json::from_value(ids).unwrap()
    }

    fn told(functions: &[PciFunction]) -> Option<(u32, String)> {
        let nodes = serde_json::json!([{"id": 0, "cpus": "0-3", "pools": []}, {"id": 1, "cpus": "4-7", "pools": []}]);
        let host = Host { nodes: serde_json::from_value(nodes).unwrap(), ..Host::default() };
        near(&functions.iter().collect::<Vec<_>>(), &host).map(|near| (near.node, near.what))
    }

    #[test]
    fn the_graphics_card_counts_before_what_is_passed_beside_it() {
        let (disk, card) = (function("0000:02:00.0", 0x01_0802, 0), function("0000:81:00.0", 0x03_0000, 1));
        assert_eq!(told(&[disk.clone(), card]), Some((1, "that of 0000:81:00.0".into())));
        assert_eq!(told(&[disk]), Some((0, "that of 0000:02:00.0".into())));
    }

    #[test]
    fn a_node_that_the_host_does_not_have_says_nothing() {
        assert_eq!(told(&[function("0000:81:00.0", 0x03_0000, 7)]), None);
    }
}
