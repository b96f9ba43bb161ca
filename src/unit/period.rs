//! A length of time as a person writes it.

use super::text::is_text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A length of time with its unit: `500ms`, `5s`, `2m`. A bare number is refused, since nobody knows its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = r"^[0-9]+ *[A-Za-zµ]+( *[0-9]+ *[A-Za-zµ]+)*$", "examples" = ["500ms", "5s", "2m"]))]
pub struct Period(Duration);

impl Period {
    /// `seconds` as a period.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// The same time for the standard library.
    #[must_use]
    pub const fn get(self) -> Duration {
        self.0
    }
}

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        humantime::parse_duration(text)
            .map(Self)
            .map_err(|error| format!("`{}` is not a time: {error}; write it like 500ms, 5s or 2m", text.escape_debug()))
    }
}

is_text!(Period);

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

#[cfg(test)]
mod test {
    use super::Period;
    use std::time::Duration;

    #[test]
    fn a_time_has_its_unit() {
        assert_eq!("1500ms".parse::<Period>().unwrap().get(), Duration::from_millis(1500));
        assert_eq!("2m".parse::<Period>().unwrap().to_string(), "2m");
    }

    #[test]
    fn a_bare_number_is_refused() {
        let refusal = "5".parse::<Period>().unwrap_err();
        assert!(refusal.contains("5s"), "{refusal}");
    }
}
