//! Values that a profile and a plan have as text.

/// Reads `$value` where serde finds a text, by its `FromStr`, and writes it as one, by its `Display`: what
/// `#[serde(try_from = "String", into = "String")]` asks for.
macro_rules! is_text {
    ($value:ty) => {
        impl TryFrom<String> for $value {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                text.parse()
            }
        }

        impl From<$value> for String {
            fn from(value: $value) -> Self {
                value.to_string()
            }
        }
    };
}

pub(super) use is_text;
