//! `cpu`, `cores`, `memory` and their kin.

use super::{Fate, Guest, Row, Value};

/// Models that Proxmox itself made up: QEMU's model, and the flags that are added. Source: `PVE/QemuServer/CPUConfig.pm`.
const MODELS: [(&str, &str); 4] = [
    ("x86-64-v2", "qemu64,+popcnt,+pni,+sse4.1,+sse4.2,+ssse3"),
    ("x86-64-v2-AES", "qemu64,+aes,+popcnt,+pni,+sse4.1,+sse4.2,+ssse3"),
    (
        "x86-64-v3",
        "qemu64,+aes,+popcnt,+pni,+sse4.1,+sse4.2,+ssse3,+avx,+avx2,+bmi1,+bmi2,+f16c,+fma,+abm,+movbe,+xsave",
    ),
    (
        "x86-64-v4",
        "qemu64,+aes,+popcnt,+pni,+sse4.1,+sse4.2,+ssse3,+avx,+avx2,+bmi1,+bmi2,+f16c,+fma,+abm,+movbe,+xsave,\
         +avx512f,+avx512bw,+avx512cd,+avx512dq,+avx512vl",
    ),
];

/// What Windows gets beside its CPU. Source: `PVE/QemuServer/CPUConfig.pm`, `get_hyperv_enlightenments`.
const WINDOWS: &str = ",hv_ipi,hv_relaxed,hv_reset,hv_runtime,hv_spinlocks=0x1fff,hv_stimer,hv_synic,hv_time,hv_vapic,\
                       hv_vpindex";

impl Guest<'_> {
    pub(super) fn cpu(&mut self) {
        let row = self.rows.iter().find(|row| row.key == "cpu").cloned();
        let line = row.as_ref().map_or(0, |row| row.line);
        let text = row.map_or_else(|| "kvm64".to_owned(), |row| row.value);
        let value = Value::of(&text, "cputype");
        let name = if value.first.is_empty() { "kvm64" } else { value.first };
        let model = MODELS.iter().find(|(known, _)| *known == name).map_or(name, |(_, model)| model);
        let mut cpu = model.to_owned();
        for flag in value.get("flags").unwrap_or_default().split(';').filter(|flag| flag.len() > 1) {
            cpu = format!("{cpu},{flag}");
        }
        let hidden = value.is_on("hidden");
        if hidden {
            cpu += ",kvm=off";
        }
        if self.is_windows() {
            cpu += WINDOWS;
            // Proxmox gives a vendor of its own to a guest with a card that is its display.
            let shown = self.rows.iter().any(|row| row.key.starts_with("hostpci") && row.value.contains("x-vga=1"));
            match value.get("hv-vendor-id") {
                Some(id) => cpu = format!("{cpu},hv_vendor_id={id}"),
                None if shown => cpu += ",hv_vendor_id=proxmox",
                None => {}
            }
        } else {
            cpu += ",+kvm_pv_eoi,+kvm_pv_unhalt";
        }
        self.push(line, &["-cpu", &cpu]);
        self.topology();
    }

    fn topology(&mut self) {
        let number = |key: &str| self.value(key).and_then(|value| value.parse::<u32>().ok());
        let (sockets, cores) = (number("sockets").unwrap_or(1), number("cores").unwrap_or(1));
        // Proxmox starts no such guest either; `vmrun check` says how many there may be.
        let cpus = sockets.saturating_mul(cores);
        self.push(0, &["-smp", &format!("{cpus},sockets={sockets},cores={cores},threads=1")]);
    }

    pub(super) fn numa(&mut self, row: &Row) -> Fate {
        let value = Value::of(&row.value, "cpus");
        let number = row.key.trim_start_matches("numa");
        let (Some(cpus), Some(memory)) = (value.get("cpus").or(Some(value.first)), value.get("memory")) else {
            return Fate::Lost("a node without CPUs or memory".into());
        };
        let mut backend = format!("memory-backend-ram,id=ram-node{number},size={memory}M");
        if let Some(nodes) = value.get("hostnodes") {
            backend = format!("{backend},host-nodes={nodes},policy={}", value.get("policy").unwrap_or("preferred"));
        }
        let cpus: String = cpus.split(';').map(|part| format!(",cpus={part}")).collect();
        self.push(row.line, &["-object", &backend]);
        self.push(row.line, &["-numa", &format!("node,nodeid={number}{cpus},memdev=ram-node{number}")]);
        Fate::Kept
    }
}
