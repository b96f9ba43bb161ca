//! Pages of a node's pool.

use crate::plan::Step;
use crate::unit::Size;

pub(super) fn steps(node: u32, size: Size, pages: i64) -> Vec<Step> {
    if pages == 0 {
        return Vec::new();
    }
    let pool = format!("/sys/devices/system/node/node{node}/hugepages/hugepages-{}kB/nr_hugepages", size.bytes() >> 10);
    vec![Step::Add { path: pool, delta: pages }]
}
