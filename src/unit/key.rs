//! A key of a keyboard by the kernel's name.

use super::text::is_text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A key. Linux: `include/uapi/linux/input-event-codes.h`, `KEY_…` in small letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("examples" = ["leftctrl", "leftalt", "pause", "f12"]))]
pub struct Key(u16);

/// Those that a chord may be made of, by their numbers.
const KEYS: &[(&str, u16)] = &[
    ("esc", 1),
    ("1", 2),
    ("2", 3),
    ("3", 4),
    ("4", 5),
    ("5", 6),
    ("6", 7),
    ("7", 8),
    ("8", 9),
    ("9", 10),
    ("0", 11),
    ("backspace", 14),
    ("tab", 15),
    ("q", 16),
    ("w", 17),
    ("e", 18),
    ("r", 19),
    ("t", 20),
    ("y", 21),
    ("u", 22),
    ("i", 23),
    ("o", 24),
    ("p", 25),
    ("enter", 28),
    ("leftctrl", 29),
    ("a", 30),
    ("s", 31),
    ("d", 32),
    ("f", 33),
    ("g", 34),
    ("h", 35),
    ("j", 36),
    ("k", 37),
    ("l", 38),
    ("leftshift", 42),
    ("z", 44),
    ("x", 45),
    ("c", 46),
    ("v", 47),
    ("b", 48),
    ("n", 49),
    ("m", 50),
    ("rightshift", 54),
    ("leftalt", 56),
    ("space", 57),
    ("capslock", 58),
    ("f1", 59),
    ("f2", 60),
    ("f3", 61),
    ("f4", 62),
    ("f5", 63),
    ("f6", 64),
    ("f7", 65),
    ("f8", 66),
    ("f9", 67),
    ("f10", 68),
    ("numlock", 69),
    ("scrolllock", 70),
    ("f11", 87),
    ("f12", 88),
    ("rightctrl", 97),
    ("sysrq", 99),
    ("rightalt", 100),
    ("home", 102),
    ("up", 103),
    ("pageup", 104),
    ("left", 105),
    ("right", 106),
    ("end", 107),
    ("down", 108),
    ("pagedown", 109),
    ("insert", 110),
    ("delete", 111),
    ("power", 116),
    ("pause", 119),
    ("leftmeta", 125),
    ("rightmeta", 126),
    ("compose", 127),
];

impl Key {
    /// The kernel's number of it.
    #[must_use]
    pub const fn code(self) -> u16 {
        self.0
    }
}

impl FromStr for Key {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = KEYS.iter().find(|(name, _)| *name == text);
        found.map(|(_, code)| Self(*code)).ok_or_else(|| {
            format!("`{}` is no key; keys are like leftctrl, rightalt, pause, scrolllock, f12, a", text.escape_debug())
        })
    }
}

is_text!(Key);

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = KEYS.iter().find(|(_, code)| *code == self.0).map_or("", |(name, _)| name);
        f.write_str(name)
    }
}

#[cfg(test)]
mod test {
    use super::{KEYS, Key};

    #[test]
    fn each_key_has_one_name_and_one_number() {
        for (name, code) in KEYS {
            let key: Key = name.parse().unwrap();
            assert_eq!((key.code(), key.to_string().as_str()), (*code, *name));
        }
    }

    #[test]
    fn a_word_that_is_no_key_is_refused_with_examples() {
        assert!("ctrl".parse::<Key>().unwrap_err().contains("leftctrl"));
    }
}
