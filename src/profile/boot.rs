//! `[boot]`: how the firmware looks for something to boot. The order is each disk's `boot_index`.

use crate::plan::{Draft, Origin};
use schemars::JsonSchema;
use serde::Deserialize;

/// How the firmware looks for something to boot; the order is each disk's `boot_index`. QEMU's `-boot`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Boot {
    /// Offers a boot menu for some seconds.
    menu: Option<bool>,
    /// Tries only devices that have a boot index.
    #[schemars(extend("default" = true))]
    strict: Option<bool>,
}

impl Boot {
    pub(super) fn draft(&self, draft: &mut Draft) {
        let Self { menu, strict } = self;
        let origin = match strict {
            Some(_) => Origin::given("boot.strict"),
            None => Origin::always("only devices with a boot index are tried"),
        };
        draft.contents.argv.boot.switch("strict", strict.unwrap_or(true), origin);
        if let Some(menu) = menu {
            draft.contents.argv.boot.switch("menu", *menu, Origin::given("boot.menu"));
        }
    }
}
