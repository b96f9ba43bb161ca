//! `[stop]`: how the guest is stopped when the user wants it.

use crate::plan::{Draft, OnTimeout};
use crate::unit::Period;
use schemars::JsonSchema;
use serde::Deserialize;

/// How the guest is ended by Ctrl-C, `vmrun stop` and a shutdown of the host.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Stop {
    /// How long the guest may take after its power button was pressed.
    #[schemars(extend("default" = "1m"))]
    timeout: Option<Period>,
    /// What happens to a guest that takes longer.
    #[serde(default)]
    on_timeout: OnTimeout,
    /// What closing the terminal does.
    #[schemars(extend("default" = "keep"))]
    #[serde(default)]
    on_hangup: OnHangup,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum OnHangup {
    /// The guest runs on.
    #[default]
    Keep,
    /// Its power button is pressed.
    Stop,
}

impl Stop {
    pub(super) fn draft(&self, draft: &mut Draft) {
        let Self { timeout, on_timeout, on_hangup } = self;
        let ending = &mut draft.contents.ending;
        ending.timeout = timeout.unwrap_or(ending.timeout);
        ending.on_timeout = *on_timeout;
        ending.stop_on_hangup = *on_hangup == OnHangup::Stop;
    }
}
