//! `domain.features` and `domain.clock`.

use super::Guest;
use crate::unit::{ENLIGHTENMENTS, Enlightenment};
use serde_json::{Map, Value, json};

/// Enlightenments that are a part of another one there, or a timer.
const ELSEWHERE: [&str; 3] = ["time", "stimer", "stimer-direct"];

impl Guest<'_> {
    /// Properties of QEMU's `-cpu`.
    fn properties(&self) -> Vec<String> {
        let cpu = self.contents.argv.value("-cpu").unwrap_or_default();
        cpu.split(',').skip(1).map(str::to_owned).collect()
    }

    pub(super) fn features(&mut self) -> Value {
        let properties = self.properties();
        let on = |name: &str| properties.iter().any(|property| *property == format!("hv-{name}=on"));
        let value = |name: &str| properties.iter().find_map(|property| property.strip_prefix(name)?.strip_prefix('='));
        let enabled = || json!({"enabled": true});
        let mut hyperv = Map::new();
        for Enlightenment { qemu, kubevirt, .. } in ENLIGHTENMENTS.into_iter().filter(|own| on(own.qemu)) {
            match kubevirt {
                Some(name) => _ = hyperv.insert(name.to_owned(), enabled()),
                None if ELSEWHERE.contains(&qemu) => {}
                None => self.note("cpu.hv", format!("KubeVirt has no word for {qemu}")),
            }
        }
        if on("stimer") {
            let mut timer = enabled();
            if on("stimer-direct") {
                timer["direct"] = enabled();
            }
            hyperv.insert("synictimer".to_owned(), timer);
        }
        let digits = |text: &str| match text.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16).ok(),
            None => text.parse().ok(),
        };
        if let Some(retries) = value("hv-spinlocks").and_then(digits) {
            hyperv.insert("spinlocks".to_owned(), json!({"enabled": true, "spinlocks": retries}));
        }
        if let Some(id) = value("hv-vendor-id") {
            hyperv.insert("vendorid".to_owned(), json!({"enabled": true, "vendorid": id}));
        }
        for key in ["hv", "hv_spinlocks", "hv_vendor_id", "hide_kvm"] {
            self.document.settle(&format!("cpu.{key}"));
        }
        let mut features = json!({"acpi": {}, "apic": {}});
        if !hyperv.is_empty() {
            features["hyperv"] = Value::Object(hyperv);
        }
        if properties.iter().any(|property| property == "kvm=off") {
            features["kvm"] = json!({"hidden": true});
        }
        let secure = self.document.on("firmware.secure_boot") == Some(true);
        if secure || self.document.on("machine.smm") == Some(true) {
            features["smm"] = enabled();
        }
        features
    }

    pub(super) fn clock(&self) -> Value {
        let document = self.document;
        let mut timer = Map::new();
        if let Some(on) = document.on("machine.hpet") {
            timer.insert("hpet".into(), json!({"present": on}));
        }
        if document.text("clock.driftfix").as_deref() == Some("slew") {
            timer.insert("rtc".into(), json!({"tickPolicy": "catchup"}));
        }
        if let Some(policy) = document.text("clock.lost_tick_policy") {
            timer.insert("pit".into(), json!({"tickPolicy": policy}));
        }
        if let Some(on) = document.on("clock.kvmclock") {
            timer.insert("kvm".into(), json!({"present": on}));
        }
        if self.properties().iter().any(|property| property == "hv-time=on") {
            timer.insert("hyperv".into(), json!({"present": true}));
        }
        let mut clock = json!({"timer": timer});
        match document.text("clock.base").as_deref() {
            // A cluster has no local time; its hosts are on UTC.
            Some("localtime") => document.unread_again("clock.base"),
            _ => clock["utc"] = json!({}),
        }
        clock
    }
}
