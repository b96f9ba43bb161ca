//! `[vmgenid]`: tells the guest that it was restored from a copy.

use crate::plan::{Draft, Origin};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

/// A generation ID; Windows and Linux make new random numbers when it changes. QEMU's `vmgenid`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Vmgenid {
    /// The ID, a UUID; a new one at each start unless given. QEMU's `guid`.
    guid: Option<Guid>,
}

/// A UUID as text.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("examples" = ["324e6eaf-d1d1-4bf6-bf41-b9bb6c91fb87"]))]
struct Guid(Uuid);

impl TryFrom<String> for Guid {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Uuid::try_parse(&text).map(Self).map_err(|_| {
            format!(
                "`{}` is not a UUID; write it like 324e6eaf-d1d1-4bf6-bf41-b9bb6c91fb87, or leave it out",
                text.escape_debug()
            )
        })
    }
}

pub(super) fn draft(vmgenid: Option<&Vmgenid>, draft: &mut Draft) {
    let Some(Vmgenid { guid }) = vmgenid else { return };
    let guid = guid.map_or_else(|| "auto".to_owned(), |Guid(guid)| guid.to_string());
    let device = json!({"driver": "vmgenid", "id": "vmgenid", "guid": guid});
    draft.contents.argv.device(&device, Origin::given("vmgenid"));
}
