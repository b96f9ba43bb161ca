//! The fields of the SMBIOS tables, by QEMU's names. Source: QEMU `hw/smbios/smbios.c`, the option lists.

use super::value::{Number, Release, Speed, Text};
use schemars::JsonSchema;
use serde::Deserialize;

/// One field: QEMU's name, what the user gave, and where the host has its own.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) text: Option<String>,
    /// Name of the file in `/sys/class/dmi/id`.
    pub(super) dmi: Option<&'static str>,
}

/// A table of fields.
pub(super) trait Fields {
    /// Its fields, in QEMU's order.
    fn texts(&self) -> Vec<Field>;
}

fn field(name: &'static str, text: Option<&Text>, dmi: Option<&'static str>) -> Field {
    Field { name, text: text.map(|Text(text)| text.clone()), dmi }
}

fn plain(name: &'static str, text: Option<&String>) -> Field {
    Field { name, text: text.cloned(), dmi: None }
}

fn speed(name: &'static str, speed: Option<&Speed>) -> Field {
    plain(name, speed.map(|Speed(text)| text))
}

/// The guest's firmware; `preset` gives what is left out.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Bios {
    /// Its maker.
    vendor: Option<Text>,
    /// Its version.
    version: Option<Text>,
    /// Its date, like `04/01/2024`.
    date: Option<Text>,
    /// Its release, like `5.17`; `-smbios type=0,release=`.
    release: Option<Release>,
}

impl Fields for Bios {
    fn texts(&self) -> Vec<Field> {
        let Self { vendor, version, date, release } = self;
        vec![
            field("vendor", vendor.as_ref(), Some("bios_vendor")),
            field("version", version.as_ref(), Some("bios_version")),
            field("date", date.as_ref(), Some("bios_date")),
            plain("release", release.as_ref().map(|Release(text)| text)),
        ]
    }
}

/// The machine; its UUID is the key `uuid`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct System {
    /// Its maker.
    manufacturer: Option<Text>,
    /// Its model.
    product: Option<Text>,
    /// Its version.
    version: Option<Text>,
    /// Its serial number.
    serial: Option<Text>,
    /// Its order number.
    sku: Option<Text>,
    /// Its family.
    family: Option<Text>,
}

impl Fields for System {
    fn texts(&self) -> Vec<Field> {
        let Self { manufacturer, product, version, serial, sku, family } = self;
        vec![
            field("manufacturer", manufacturer.as_ref(), Some("sys_vendor")),
            field("product", product.as_ref(), Some("product_name")),
            field("version", version.as_ref(), Some("product_version")),
            field("serial", serial.as_ref(), None),
            field("sku", sku.as_ref(), Some("product_sku")),
            field("family", family.as_ref(), Some("product_family")),
        ]
    }
}

/// The mainboard.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Board {
    /// Its maker.
    manufacturer: Option<Text>,
    /// Its model.
    product: Option<Text>,
    /// Its version.
    version: Option<Text>,
    /// Its serial number.
    serial: Option<Text>,
    /// Its inventory number.
    asset: Option<Text>,
    /// Where in the case it sits.
    location: Option<Text>,
}

impl Fields for Board {
    fn texts(&self) -> Vec<Field> {
        let Self { manufacturer, product, version, serial, asset, location } = self;
        vec![
            field("manufacturer", manufacturer.as_ref(), Some("board_vendor")),
            field("product", product.as_ref(), Some("board_name")),
            field("version", version.as_ref(), Some("board_version")),
            field("serial", serial.as_ref(), None),
            field("asset", asset.as_ref(), None),
            field("location", location.as_ref(), None),
        ]
    }
}

/// The case.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Chassis {
    /// Its maker.
    manufacturer: Option<Text>,
    /// Its version.
    version: Option<Text>,
    /// Its serial number.
    serial: Option<Text>,
    /// Its inventory number.
    asset: Option<Text>,
    /// Its order number.
    sku: Option<Text>,
}

impl Fields for Chassis {
    fn texts(&self) -> Vec<Field> {
        let Self { manufacturer, version, serial, asset, sku } = self;
        vec![
            field("manufacturer", manufacturer.as_ref(), Some("chassis_vendor")),
            field("version", version.as_ref(), Some("chassis_version")),
            field("serial", serial.as_ref(), None),
            field("asset", asset.as_ref(), None),
            field("sku", sku.as_ref(), None),
        ]
    }
}

/// The processor.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Processor {
    /// Start of the socket's name, before its number.
    sock_pfx: Option<Text>,
    /// Its maker.
    manufacturer: Option<Text>,
    /// Its model, which Windows shows.
    version: Option<Text>,
    /// Its serial number.
    serial: Option<Text>,
    /// Its inventory number.
    asset: Option<Text>,
    /// Its part number.
    part: Option<Text>,
    /// Its highest clock in MHz, as text.
    max_speed: Option<Speed>,
    /// Its clock in MHz, as text.
    current_speed: Option<Speed>,
    /// What CPUID tells of it in its leaf 1, EDX before EAX, as text: `0xbfebfbff000906ea`. QEMU's `processor-id`.
    processor_id: Option<Number>,
}

impl Fields for Processor {
    fn texts(&self) -> Vec<Field> {
        let Self { sock_pfx, manufacturer, version, serial, asset, part, max_speed, current_speed, processor_id } =
            self;
        vec![
            field("sock_pfx", sock_pfx.as_ref(), None),
            field("manufacturer", manufacturer.as_ref(), None),
            field("version", version.as_ref(), None),
            field("serial", serial.as_ref(), None),
            field("asset", asset.as_ref(), None),
            field("part", part.as_ref(), None),
            speed("max-speed", max_speed.as_ref()),
            speed("current-speed", current_speed.as_ref()),
            plain("processor-id", processor_id.as_ref().map(|Number(text)| text)),
        ]
    }
}

/// Each module of memory.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Memory {
    /// Start of the slot's name, before its number.
    loc_pfx: Option<Text>,
    /// The bank that it is in.
    bank: Option<Text>,
    /// Its maker.
    manufacturer: Option<Text>,
    /// Its serial number.
    serial: Option<Text>,
    /// Its inventory number.
    asset: Option<Text>,
    /// Its part number.
    part: Option<Text>,
    /// Its speed in MT/s, as text.
    speed: Option<Speed>,
}

impl Fields for Memory {
    fn texts(&self) -> Vec<Field> {
        let Self { loc_pfx, bank, manufacturer, serial, asset, part, speed } = self;
        vec![
            field("loc_pfx", loc_pfx.as_ref(), None),
            field("bank", bank.as_ref(), None),
            field("manufacturer", manufacturer.as_ref(), None),
            field("serial", serial.as_ref(), None),
            field("asset", asset.as_ref(), None),
            field("part", part.as_ref(), None),
            plain("speed", speed.as_ref().map(|Speed(text)| text)),
        ]
    }
}
