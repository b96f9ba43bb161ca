//! `uuid`: the machine's identity in SMBIOS.

use super::scene::Scene;
use crate::plan::{Draft, Origin};
use schemars::JsonSchema;
use serde::Deserialize;
use uuid::Uuid;

/// Written as text: `a3bf6450-d26b-4815-b564-b1c9b098a740`.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("examples" = ["a3bf6450-d26b-4815-b564-b1c9b098a740"]))]
pub(super) struct GuestUuid(Uuid);

impl GuestUuid {
    pub(super) fn get(self) -> Uuid {
        self.0
    }
}

impl TryFrom<String> for GuestUuid {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Uuid::try_parse(&text).map(Self).map_err(|_| {
            format!("`{text}` is not a UUID; write it like a3bf6450-d26b-4815-b564-b1c9b098a740, or leave it out")
        })
    }
}

/// Drafts `-uuid`. Without one it depends on the name alone, so that Windows sees the same machine at every start and
/// stays activated.
pub(super) fn draft(uuid: Option<&GuestUuid>, scene: &Scene, draft: &mut Draft) {
    let (uuid, origin) = match uuid {
        Some(GuestUuid(uuid)) => (*uuid, Origin::given("uuid")),
        None => (derived(scene.name.as_str()), Origin::derived("name", "the same machine at every start")),
    };
    draft.contents.argv.setting("-uuid", uuid.to_string(), origin);
}

/// One that stays the same as long as `name` does.
pub(super) fn derived(name: &str) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("vmrun/{name}").as_bytes())
}
