//! `schema`: the version of the profile's language.

use schemars::JsonSchema;
use serde::Deserialize;

/// The version that this vmrun speaks.
pub(super) const NEWEST: i64 = 1;

/// A newer one is refused, since its keys may mean something else.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "i64")]
#[schemars(with = "i64", extend("const" = 1, "examples" = [1]))]
pub(super) struct Schema;

impl TryFrom<i64> for Schema {
    type Error = String;

    fn try_from(version: i64) -> Result<Self, String> {
        match version {
            NEWEST => Ok(Self),
            newer if newer > NEWEST => Err(format!(
                "schema {newer} is newer than this vmrun, which reads schema {NEWEST}; a newer vmrun is needed"
            )),
            odd => Err(format!("there is no schema {odd}; this vmrun reads schema {NEWEST}")),
        }
    }
}

#[cfg(test)]
mod test {
    use super::super::Profile;
    use super::super::source::{Sheets, read};

    #[test]
    fn a_profile_without_a_schema_is_told_the_line_to_add() {
        let rejection = read::<Profile>(&Sheets::new("x.toml", "/vm", "name = \"x\"\n")).expect_err("it has none");
        let told: Vec<_> = rejection.mistakes.iter().filter_map(|mistake| mistake.help.as_deref()).collect();
        assert_eq!(told, ["add `schema = 1` above the first table"]);
    }

    #[test]
    fn a_newer_schema_is_told_alone_beside_more_mistakes_than_are_told_at_once() {
        let text = format!("schema = 2\n[cpu]\n{}", "cores = 1\n".repeat(100));
        let rejection = read::<Profile>(&Sheets::new("x.toml", "/vm", &text)).expect_err("it is newer");
        let told: Vec<_> = rejection.mistakes.iter().map(|mistake| mistake.what.as_str()).collect();
        assert_eq!(told, ["schema 2 is newer than this vmrun, which reads schema 1; a newer vmrun is needed"]);
    }
}
