//! One option of the form `head,key=value,…`.

use super::Origin;
use serde::{Deserialize, Serialize};

/// An option whose value is a list of properties, collected by several tables: `-cpu host,kvm=off,…`.
///
/// A comma inside a value is doubled, as QEMU's option parser demands (`qemu_opts_do_parse`, `util/qemu-option.c`).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Props {
    head: Option<(String, Origin)>,
    items: Vec<(String, String, Origin)>,
}

impl Props {
    /// Sets the value that stands first without a key, like the CPU model.
    pub fn head(&mut self, value: impl Into<String>, origin: Origin) {
        self.head = Some((value.into(), origin));
    }

    /// Sets property `key`; a later call replaces an earlier one, in its place.
    pub fn set(&mut self, key: impl Into<String>, value: impl Into<String>, origin: Origin) {
        let (key, value) = (key.into(), value.into());
        match self.items.iter_mut().find(|(name, ..)| *name == key) {
            Some(item) => *item = (key, value, origin),
            None => self.items.push((key, value, origin)),
        }
    }

    /// Adds property `key`, beside others of the same name.
    pub fn add(&mut self, key: impl Into<String>, value: impl Into<String>, origin: &Origin) {
        self.items.push((key.into(), value.into(), origin.clone()));
    }

    /// Sets property `key` to `on` or `off`.
    pub fn switch(&mut self, key: impl Into<String>, on: bool, origin: Origin) {
        self.set(key, if on { "on" } else { "off" }, origin);
    }

    /// Value of property `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.items.iter().find(|(name, ..)| name == key).map(|(_, value, _)| value.as_str())
    }

    /// The value that stands first without a key.
    #[must_use]
    pub fn first(&self) -> Option<&str> {
        self.head.as_ref().map(|(value, _)| value.as_str())
    }

    /// The same with where it came from.
    #[must_use]
    pub fn head_with_origin(&self) -> Option<(&str, &Origin)> {
        self.head.as_ref().map(|(value, origin)| (value.as_str(), origin))
    }

    /// Names of the properties, each with where it came from.
    pub fn names(&self) -> impl Iterator<Item = (&str, &Origin)> {
        self.items.iter().map(|(name, _, origin)| (name.as_str(), origin))
    }

    /// Whether nothing was set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.head.is_none() && self.items.is_empty()
    }

    /// The value for QEMU's parser; `None` when nothing was set.
    #[must_use]
    pub fn value(&self) -> Option<String> {
        let head = self.head.iter().map(|(value, _)| quote(value));
        let items = self.items.iter().map(|(key, value, _)| format!("{key}={}", quote(value)));
        let texts: Vec<_> = head.chain(items).collect();
        (!texts.is_empty()).then(|| texts.join(","))
    }

    /// The same with where its parts came from.
    #[must_use]
    pub fn render(&self) -> Option<(String, Vec<Origin>)> {
        let head = self.head.iter().map(|(_, origin)| origin);
        let origins = head.chain(self.items.iter().map(|(.., origin)| origin));
        Some((self.value()?, origins.cloned().collect()))
    }
}

fn quote(value: &str) -> String {
    value.replace(',', ",,")
}

#[cfg(test)]
mod test {
    use super::Props;
    use crate::plan::Origin;

    #[test]
    fn a_comma_in_a_value_is_doubled() {
        let mut name = Props::default();
        name.set("guest", "a,b", Origin::given("name"));
        assert_eq!(name.render().unwrap().0, "guest=a,,b");
    }

    #[test]
    fn a_later_value_replaces_an_earlier_one_in_its_place() {
        let mut cpu = Props::default();
        cpu.head("host", Origin::given("cpu.model"));
        cpu.switch("kvm", true, Origin::given("cpu"));
        cpu.set("hv-time", "on", Origin::given("cpu.hv"));
        cpu.switch("kvm", false, Origin::given("cpu.hide_kvm"));
        assert_eq!(cpu.render().unwrap().0, "host,kvm=off,hv-time=on");
    }

    /// Splits as QEMU does: `util/qemu-option.c`, `get_opt_value()`.
    fn read_back(text: &str) -> Vec<String> {
        let (mut values, mut signs) = (vec![String::new()], text.chars().peekable());
        while let Some(sign) = signs.next() {
            match sign {
                ',' if signs.next_if_eq(&',').is_none() => values.push(String::new()),
                sign => values.last_mut().unwrap().push(sign),
            }
        }
        values
    }

    proptest::proptest! {
        #[test]
        fn row_103_qemu_reads_back_what_was_meant_whatever_is_in_a_value(
            values in proptest::collection::vec(r"[a-z,=\n -]{0,12}", 1..5)
        ) {
            let mut props = Props::default();
            for (number, value) in values.iter().enumerate() {
                props.set(format!("k{number}"), value.clone(), Origin::always("a test"));
            }
            let meant: Vec<String> = values.iter().enumerate().map(|(number, value)| format!("k{number}={value}")).collect();
            proptest::prop_assert_eq!(read_back(&props.render().unwrap().0), meant);
        }
    }
}
