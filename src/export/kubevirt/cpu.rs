//! `domain.cpu` and `domain.memory`.

use super::Guest;
use crate::export::{count_of, memory};
use serde_json::{Value, json};

impl Guest<'_> {
    pub(super) fn cpu(&mut self) -> Value {
        let document = self.document;
        let level = |key: &str| {
            document.settle(&format!("cpu.{key}"));
            count_of(self.contents, key)
        };
        let (dies, modules) = (level("dies"), level("modules"));
        let mut cpu = json!({
            "sockets": level("sockets"),
            "cores": level("cores") * dies * modules,
            "threads": level("threads"),
            "model": match document.text("cpu.model").as_deref() {
                None | Some("host") => "host-passthrough".to_owned(),
                Some(model) => model.to_owned(),
            },
        });
        if dies * modules > 1 {
            self.note("cpu.dies", "a socket has cores and no dies or modules there: their cores are the socket's");
        }
        let features = document.texts("cpu.flags").into_iter().map(|flag| match flag.strip_prefix('-') {
            Some(name) => json!({"name": name, "policy": "disable"}),
            None => json!({"name": flag.trim_start_matches('+'), "policy": "require"}),
        });
        let features: Vec<_> = features.collect();
        if !features.is_empty() {
            cpu["features"] = json!(features);
        }
        let pins = &self.contents.pins;
        if pins.vcpus.iter().any(|place| place.cpus.is_some()) {
            cpu["dedicatedCpuPlacement"] = json!(true);
            if pins.emulator.is_some() {
                cpu["isolateEmulatorThread"] = json!(true);
            }
            document.settle("cpu.pinning");
            self.note("cpu.pinning", "each vCPU has a host CPU of its own there, but Kubernetes chooses which");
        }
        cpu
    }

    pub(super) fn memory(&mut self) -> Value {
        let document = self.document;
        document.settle("memory.size");
        (0..document.count("numa")).for_each(|i| document.settle(&format!("numa[{i}].size")));
        let bytes = memory(self.contents);
        let mut memory = json!({"guest": format!("{}Mi", bytes >> 20)});
        let page = match document.get("memory.hugepages") {
            Some(toml::Value::String(word)) if word == "1G" => Some("1Gi"),
            Some(toml::Value::String(word)) if word == "2M" => Some("2Mi"),
            Some(toml::Value::Boolean(true)) => Some("2Mi"),
            Some(toml::Value::Boolean(false)) | None => None,
            Some(_) => {
                document.unread_again("memory.hugepages");
                None
            }
        };
        if let Some(page) = page {
            memory["hugepages"] = json!({"pageSize": page});
            // They are there from the start.
            document.settle("memory.prealloc");
            document.settle("memory.prealloc_threads");
        }
        memory
    }
}
