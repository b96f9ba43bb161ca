//! An IOMMU that the guest sees.

use super::opt::is_on;
use super::{Line, Opt};
use crate::import::page::number;

impl Line<'_> {
    pub(super) fn iommu(&mut self, opt: &Opt, driver: &str) {
        let table = self.page.table("iommu");
        table.set("model", driver.split('-').next().unwrap_or_default());
        // What QEMU takes for `auto` is what vmrun chooses, too.
        let switch = |keys: &[&str]| opt.any(keys).filter(|value| *value != "auto").map(is_on);
        table.maybe("intremap", switch(&["intremap"]));
        table.maybe("eim", switch(&["eim", "xtsup"]));
        table.maybe("caching_mode", switch(&["caching-mode"]));
        table.maybe("device_iotlb", switch(&["device-iotlb"]));
        table.maybe("aw_bits", opt.number("aw-bits").map(number));
        table.maybe("dma_translation", switch(&["dma-translation"]));
        opt.get("bus");
        opt.get("addr");
    }
}
