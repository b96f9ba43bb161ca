//! What changed since a guest last worked: most faults that come overnight come with an update.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What a run had to do with, by what people call it: the kernel, QEMU, firmware, drivers, the BIOS; and its command line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Surroundings {
    /// When that was, as RFC 3339 has it.
    #[serde(default)]
    pub when: String,
    /// Versions and the like, by name.
    pub facts: BTreeMap<String, String>,
    /// QEMU's arguments.
    pub argv: Vec<String>,
    /// Checksum of the firmware's code, which tells whether it is another one; only of a run that ended well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firmware: Option<String>,
}

/// Something that is not as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What; `argument` for one of QEMU's.
    pub what: String,
    /// How it was; empty for what was not there.
    pub was: String,
    /// How it is; empty for what is gone.
    pub is: String,
}

impl Surroundings {
    /// What differs from `self`, which worked, to `now`.
    #[must_use]
    pub fn changes(&self, now: &Self) -> Vec<Change> {
        let names: BTreeSet<&String> = self.facts.keys().chain(now.facts.keys()).collect();
        let facts = names.into_iter().filter_map(|name| {
            let value = |of: &Self| of.facts.get(name).cloned().unwrap_or_default();
            let (was, is) = (value(self), value(now));
            (was != is).then(|| Change { what: name.clone(), was, is })
        });
        facts.chain(arguments(&self.argv, &now.argv)).collect()
    }
}

/// Arguments that are gone, and those that came; an option and its value are one.
fn arguments(was: &[String], is: &[String]) -> Vec<Change> {
    let (was, is) = (options(was), options(is));
    let argument = |was: &str, is: &str| Change { what: "argument".to_owned(), was: was.to_owned(), is: is.to_owned() };
    let gone = was.iter().filter(|option| !is.contains(option)).map(|option| argument(option, ""));
    let come = is.iter().filter(|option| !was.contains(option)).map(|option| argument("", option));
    gone.chain(come).collect()
}

fn options(argv: &[String]) -> Vec<String> {
    let mut options: Vec<String> = Vec::new();
    for word in argv {
        match options.last_mut().filter(|_| !word.starts_with('-')) {
            Some(last) => *last = format!("{last} {word}"),
            None => options.push(word.clone()),
        }
    }
    options
}

#[cfg(test)]
mod test {
    use super::{Change, Surroundings};

    fn of(facts: &[(&str, &str)], argv: &[&str]) -> Surroundings {
        let facts = facts.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Surroundings {
            when: String::new(),
            facts,
            argv: argv.iter().map(|word| (*word).to_owned()).collect(),
            firmware: None,
        }
    }

    fn change(what: &str, was: &str, is: &str) -> Change {
        Change { what: what.to_owned(), was: was.to_owned(), is: is.to_owned() }
    }

    #[test]
    fn an_update_a_new_thing_and_another_argument_are_told_and_the_rest_is_not() {
        let good = of(&[("kernel", "6.14.1"), ("QEMU", "10.0.2")], &["-cpu", "host", "-nodefaults", "-m", "4G"]);
        let now = of(
            &[("kernel", "6.14.2"), ("QEMU", "10.0.2"), ("BIOS", "4602")],
            &["-cpu", "host", "-nodefaults", "-m", "8G"],
        );
        let expected = [
            change("BIOS", "", "4602"),
            change("kernel", "6.14.1", "6.14.2"),
            change("argument", "-m 4G", ""),
            change("argument", "", "-m 8G"),
        ];
        assert_eq!(good.changes(&now), expected);
        assert_eq!(good.changes(&good), []);
    }
}
