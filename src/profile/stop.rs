//! `[stop]`: how the guest is stopped when the user wants it.

use crate::plan::{Draft, OnTimeout};
use crate::unit::Period;
use schemars::JsonSchema;
use serde::Deserialize;

/// The stop ladder.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Stop {
    /// How long the guest may take after its power button was pressed; 60s unless given.
    timeout: Option<Period>,
    /// What happens to a guest that takes longer.
    #[serde(default)]
    on_timeout: OnTimeout,
    /// What a closed terminal does; the guest is kept unless given.
    #[serde(default)]
    on_hangup: OnHangup,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum OnHangup {
    #[default]
    Keep,
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
