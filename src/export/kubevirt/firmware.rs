//! `domain.firmware`.

use super::Guest;
use serde_json::{Value, json};

impl Guest<'_> {
    pub(super) fn firmware(&mut self) -> Value {
        let document = self.document;
        let uuid = self.contents.argv.value("-uuid");
        let mut firmware = json!({});
        if let Some(uuid) = uuid {
            firmware["uuid"] = json!(uuid);
        }
        if let Some(serial) = document.text("smbios.system.serial") {
            firmware["serial"] = json!(serial);
        }
        let bios = document.text("firmware.kind").as_deref() == Some("bios") || !document.has("firmware");
        if bios {
            firmware["bootloader"] = json!({"bios": {}});
        } else {
            let secure = document.on("firmware.secure_boot") == Some(true);
            document.settle("firmware.enrolled_keys");
            firmware["bootloader"] = json!({"efi": {"secureBoot": secure, "persistent": true}});
        }
        firmware
    }
}
