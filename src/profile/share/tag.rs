//! `share.tag`: the name by which the guest mounts a folder.

use schemars::JsonSchema;
use serde::Deserialize;

/// Mount tag: 1 to 36 printable ASCII characters, as virtio-fs holds them; 9p holds 31.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("pattern" = "^[!-~]{1,36}$", "examples" = ["games"]))]
pub(super) struct Tag(String);

impl Tag {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Tag {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let printable = text.bytes().all(|b| b.is_ascii_graphic());
        match text.len() {
            1..=36 if printable => Ok(Self(text)),
            n => Err(format!(
                "`{}` is {n} bytes; a mount tag is 1 to 36 printable ASCII characters, on 9p up to 31",
                text.escape_debug()
            )),
        }
    }
}
