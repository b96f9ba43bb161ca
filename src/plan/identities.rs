//! What devices call themselves where the profile does not say: an interface's hardware address, a disk's serial number.
//! They are kept from run to run as [addresses](super::Slots) are, and for the same reason.

use super::Kept;
use std::collections::{BTreeMap, BTreeSet};

/// The identities dealt so far.
#[derive(Clone, Debug, Default)]
pub struct Identities {
    /// Those of the last start, by the name of the device.
    kept: BTreeMap<String, String>,
    /// Those of this start that the profile does not give.
    dealt: BTreeMap<String, String>,
    /// All of this start.
    taken: BTreeSet<String>,
}

/// A device that calls itself something.
#[derive(Clone, Debug)]
pub struct Nameless {
    /// What tells it from the others whatever their turn, like `disk /srv/vm/a.raw`; of two that call themselves alike the
    /// second gets a number.
    pub name: String,
    /// Its turn among its kind, of which an identity is made that no start has had.
    pub turn: usize,
    /// What the profile says that it calls itself.
    pub given: Option<String>,
}

/// What a device calls itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The hardware address or serial number.
    pub text: String,
    /// Whether it had it at the last start already.
    pub kept: bool,
}

impl Identities {
    /// None dealt, where devices shall be called what they were at the start that left `kept`.
    #[must_use]
    pub fn new(kept: &Kept) -> Self {
        Self { kept: kept.identities().clone(), ..Self::default() }
    }

    /// What each of `devices`, all of one kind, calls itself: what the profile gives; else what it had at the last start;
    /// else what `numbered` makes of its turn, or of the first number whose identity nobody has.
    ///
    /// A device that is new thus does not get what another of this start has, but may get that of one which is gone: an
    /// interface that is tied to something else than before is still the same one to the guest.
    pub fn deal(&mut self, devices: &[Nameless], numbered: impl Fn(usize) -> String) -> Vec<Identity> {
        let names = own_names(devices);
        self.taken.extend(devices.iter().filter_map(|device| device.given.clone()));
        let kept: Vec<_> = devices.iter().zip(&names).map(|(device, name)| self.keep(device, name)).collect();
        let each = devices.iter().zip(names).zip(kept);
        each.map(|((device, name), kept)| match (&device.given, kept) {
            (Some(text), _) => Identity { text: text.clone(), kept: false },
            (None, Some(text)) => Identity { text, kept: true },
            (None, None) => {
                let turns = std::iter::once(device.turn).chain(0..);
                let free = turns.map(&numbered).find(|text| !self.taken.contains(text));
                Identity { text: self.take(name, free.unwrap_or_default()), kept: false }
            }
        })
        .collect()
    }

    /// What the device had at the last start, unless the profile gives it something else or another has it by now.
    fn keep(&mut self, device: &Nameless, name: &str) -> Option<String> {
        let text = self.kept.get(name).filter(|text| device.given.is_none() && !self.taken.contains(*text))?.clone();
        Some(self.take(name.to_owned(), text))
    }

    fn take(&mut self, name: String, text: String) -> String {
        self.taken.insert(text.clone());
        self.dealt.insert(name, text.clone());
        text
    }

    /// What is kept of this start: what was dealt, and what devices that are away had as long as nobody else has it.
    pub(super) fn after(self) -> BTreeMap<String, String> {
        let Self { kept, dealt: mut identities, taken } = self;
        for (name, text) in kept.into_iter().filter(|(_, text)| !taken.contains(text)) {
            identities.entry(name).or_insert(text);
        }
        identities
    }
}

/// The names of `devices`, with a number where an earlier one has the same.
fn own_names(devices: &[Nameless]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for Nameless { name, .. } in devices {
        let numbered = (2..).map(|number| format!("{name} {number}"));
        names.extend(std::iter::once(name.clone()).chain(numbered).find(|name| !names.contains(name)));
    }
    names
}

#[cfg(test)]
mod test {
    use super::{Identities, Nameless};
    use crate::plan::Kept;
    use std::collections::BTreeMap;

    /// What the interfaces of `profile`, each a tie with an address that may be given, are called where `kept` is left of
    /// the last start; and what this one leaves.
    fn called(kept: &BTreeMap<String, String>, profile: &[(&str, Option<&str>)]) -> (String, BTreeMap<String, String>) {
        let kept = Kept::default().with_identities(kept.clone());
        let device = |(turn, (name, given)): (usize, &(&str, Option<&str>))| Nameless {
            name: (*name).to_owned(),
            turn,
            given: given.map(str::to_owned),
        };
        let devices: Vec<_> = profile.iter().enumerate().map(device).collect();
        let mut identities = Identities::new(&kept);
        let dealt = identities.deal(&devices, |turn| format!("mac{turn}"));
        let told = dealt.iter().map(|identity| format!("{}{}", identity.text, if identity.kept { "!" } else { "" }));
        (told.collect::<Vec<_>>().join(" "), identities.after())
    }

    #[test]
    fn an_interface_keeps_its_address_when_an_earlier_one_goes_and_when_it_comes_back() {
        let (first, kept) = called(&BTreeMap::new(), &[("user", None), ("br0", None)]);
        assert_eq!(first, "mac0 mac1");
        let (without, kept) = called(&kept, &[("br0", None)]);
        assert_eq!(without, "mac1!");
        assert_eq!(called(&kept, &[("passt", None), ("br0", None)]).0, "mac0 mac1!");
        assert_eq!(called(&kept, &[("passt", None), ("br0", None), ("user", None)]).0, "mac2 mac1! mac0!");
    }

    #[test]
    fn an_interface_that_is_tied_to_something_else_is_still_the_same_one() {
        let (_, kept) = called(&BTreeMap::new(), &[("user", None)]);
        assert_eq!(called(&kept, &[("br0", None)]).0, "mac0");
    }

    #[test]
    fn one_of_two_alike_keeps_the_address_of_the_first() {
        let (first, kept) = called(&BTreeMap::new(), &[("br0", None), ("br0", None), ("user", None)]);
        assert_eq!(first, "mac0 mac1 mac2");
        assert_eq!(called(&kept, &[("br0", None), ("user", None)]).0, "mac0! mac2!");
    }

    #[test]
    fn what_the_profile_gives_goes_before_what_was_kept() {
        let (_, kept) = called(&BTreeMap::new(), &[("user", None), ("br0", None)]);
        let (given, kept) = called(&kept, &[("user", Some("mac1")), ("br0", None)]);
        assert_eq!(given, "mac1 mac0");
        assert_eq!(called(&kept, &[("br0", None)]).0, "mac0!");
    }
}
