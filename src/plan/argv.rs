//! The command line of QEMU, collected by the tables in any order and printed in one order.

use super::{Place, Props};
use crate::unit::Bdf;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::borrow::Cow;

/// Where an argument, or a part of one, came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Key path in the profile, like `cpu.hv_vendor_id`; `vmrun` for what every guest gets.
    pub key: String,
    /// Whether the user wrote it, or vmrun derived it from the key.
    pub derived: bool,
    /// Why it is there; empty when the key says it.
    pub why: Cow<'static, str>,
    /// Where the fact was read that it is derived from: a file of the host, or a question to QEMU; empty when it follows
    /// from the profile alone.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub source: Cow<'static, str>,
}

impl Origin {
    /// The user wrote it at `key`.
    #[must_use]
    pub fn given(key: impl Into<String>) -> Self {
        Self { key: key.into(), derived: false, why: Cow::Borrowed(""), source: Cow::Borrowed("") }
    }

    /// vmrun derived it from `key`, because of `why`.
    #[must_use]
    pub fn derived(key: impl Into<String>, why: &'static str) -> Self {
        Self { key: key.into(), derived: true, why: Cow::Borrowed(why), source: Cow::Borrowed("") }
    }

    /// The same, by a fact that was read in `source`.
    #[must_use]
    pub fn read_in(self, source: impl Into<Cow<'static, str>>) -> Self {
        Self { source: source.into(), ..self }
    }

    /// Every guest gets it, because of `why`.
    #[must_use]
    pub fn always(why: &'static str) -> Self {
        Self::derived("vmrun", why)
    }
}

/// One argument: an option and its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arg {
    /// The option with its dash; for the user's own arguments the whole argument.
    pub option: String,
    /// Its value, quoted for QEMU's parser, not for a shell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Where it came from, in the order of the value's parts, without repetition.
    pub origins: Vec<Origin>,
}

/// The command line under construction. Options that several tables share are [`Props`]; the rest keeps its order.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Argv {
    /// `-name`.
    pub name: Props,
    /// `-machine`.
    pub machine: Props,
    /// `-accel`.
    pub accel: Props,
    /// `-cpu`.
    pub cpu: Props,
    /// `-smp`.
    pub smp: Props,
    /// `-m`.
    pub memory: Props,
    /// `-rtc`.
    pub rtc: Props,
    /// `-boot`.
    pub boot: Props,
    /// `-action`.
    pub action: Props,
    settings: Vec<Arg>,
    objects: Vec<Arg>,
    backends: Vec<Arg>,
    devices: Vec<Arg>,
    user: Vec<Arg>,
}

impl Argv {
    /// Adds an option that stands alone, like `-nodefaults`.
    pub fn flag(&mut self, option: &str, origin: Origin) {
        self.settings.push(Arg { option: option.into(), value: None, origins: vec![origin] });
    }

    /// Adds an option with a plain value, like `-uuid` or `-kernel`.
    pub fn setting(&mut self, option: &str, value: impl Into<String>, origin: Origin) {
        self.settings.push(Arg { option: option.into(), value: Some(value.into()), origins: vec![origin] });
    }

    /// Adds an option made of properties to the backends, like `-chardev`.
    pub fn backend_props(&mut self, option: &str, props: &Props) {
        self.backends.extend(props_arg(option, props));
    }

    /// Adds an `-object` by its JSON form. Objects come before what names them.
    pub fn object(&mut self, json: &Value, origin: Origin) {
        self.objects.push(json_arg("-object", json, origin));
    }

    /// Takes out the objects with the ids `ids`, which nothing names.
    pub(super) fn drop_objects(&mut self, ids: &[String]) {
        let id =
            |arg: &Arg| serde_json::from_str::<Value>(arg.value.as_deref()?).ok()?["id"].as_str().map(str::to_owned);
        self.objects.retain(|arg| id(arg).is_none_or(|id| !ids.contains(&id)));
    }

    /// Adds a backend by its JSON form: `-blockdev`, `-netdev`, `-audiodev`, `-display`.
    pub fn backend(&mut self, option: &str, json: &Value, origin: Origin) {
        self.backends.push(json_arg(option, json, origin));
    }

    /// Adds a `-device` by its JSON form.
    ///
    /// Always JSON: QEMU makes `key=value` devices before JSON ones (`qemu_create_cli_devices`, `softmmu/vl.c`), so
    /// mixing the two would change the order.
    pub fn device(&mut self, json: &Value, origin: Origin) {
        self.devices.push(json_arg("-device", json, origin));
    }

    /// Says where another part of the object, back end or device with the id or node name `id` came from. Nothing when it was not added, as where
    /// there was no room for it.
    pub fn explain(&mut self, id: &str, origin: Origin) {
        let (json, older) = (format!("\"id\":\"{id}\""), format!("id={id}"));
        let node = format!("\"node-name\":\"{id}\"");
        let in_json = |value: &str| value.contains(&json) || value.contains(&node);
        let is_it = |value: &str| in_json(value) || value.split(',').any(|part| part == older);
        let is_own = |arg: &&mut Arg| arg.value.as_deref().is_some_and(is_it);
        if let Some(arg) = self.objects.iter_mut().chain(&mut self.backends).chain(&mut self.devices).find(is_own) {
            arg.origins.push(origin);
        }
    }

    /// Where the PCI devices so far sit.
    #[must_use]
    pub fn places(&self) -> Vec<Place> {
        let place = |arg: &Arg| {
            let device: Value = serde_json::from_str(arg.value.as_deref()?).ok()?;
            let addr = device["addr"].as_str()?.parse().ok()?;
            Some(Place {
                bus: device["bus"].as_str()?.to_owned(),
                addr,
                multifunction: device["multifunction"] == true,
            })
        };
        self.devices.iter().filter_map(place).collect()
    }

    /// Adds one of the user's own arguments as it is.
    pub fn user(&mut self, argument: impl Into<String>, origin: Origin) {
        self.user.push(Arg { option: argument.into(), value: None, origins: vec![origin] });
    }

    /// The arguments in the order in which QEMU gets them, with all that is known of each.
    #[must_use]
    pub fn args(&self) -> Vec<Arg> {
        let shared = self.shared().into_iter().filter_map(|(option, props)| props_arg(option, props));
        shared.chain(self.rest().cloned()).map(without_repetition).collect()
    }

    /// The bare arguments, as `exec` takes them.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let shared = self.shared().into_iter().filter_map(|(option, props)| Some([option.to_owned(), props.value()?]));
        let rest = self.rest().flat_map(|arg| std::iter::once(&arg.option).chain(&arg.value));
        shared.flatten().chain(rest.cloned()).collect()
    }

    /// The value of the first `option`, as QEMU's parser gets it; `None` when it is not there.
    #[must_use]
    pub fn value(&self, option: &str) -> Option<String> {
        let shared = self.shared().into_iter().find(|(name, _)| *name == option);
        let rest = || self.rest().find(|arg| arg.option == option)?.value.clone();
        shared.and_then(|(_, props)| props.value()).or_else(rest)
    }

    /// What the JSON forms of `option` hold, as `-device`, `-blockdev`, `-object`, in the order in which QEMU gets them.
    pub fn json<'a>(&'a self, option: &'a str) -> impl Iterator<Item = Value> + 'a {
        let those = self.rest().filter(move |arg| arg.option == option);
        those.filter_map(|arg| serde_json::from_str(arg.value.as_deref()?).ok())
    }

    /// Functions of the host that the guest is given, in the order in which they are.
    #[must_use]
    pub fn host_functions(&self) -> Vec<Bdf> {
        let given = self.json("-device").filter(|device| device["driver"] == "vfio-pci");
        given.filter_map(|device| device["host"].as_str()?.parse().ok()).collect()
    }

    /// Options that several tables share, which come first.
    fn shared(&self) -> [(&'static str, &Props); 9] {
        [
            ("-name", &self.name),
            ("-machine", &self.machine),
            ("-accel", &self.accel),
            ("-cpu", &self.cpu),
            ("-smp", &self.smp),
            ("-m", &self.memory),
            ("-rtc", &self.rtc),
            ("-boot", &self.boot),
            ("-action", &self.action),
        ]
    }

    fn rest(&self) -> impl Iterator<Item = &Arg> {
        [&self.settings, &self.objects, &self.backends, &self.devices, &self.user].into_iter().flatten()
    }
}

fn props_arg(option: &str, props: &Props) -> Option<Arg> {
    props.render().map(|(value, origins)| Arg { option: option.into(), value: Some(value), origins })
}

fn json_arg(option: &str, json: &Value, origin: Origin) -> Arg {
    Arg { option: option.into(), value: Some(text(json)), origins: vec![origin] }
}

/// Quicker than its `Display`, which goes through a formatter.
fn text(json: &Value) -> String {
    serde_json::to_string(json).expect("JSON has names for its keys")
}

fn without_repetition(mut arg: Arg) -> Arg {
    let mut seen = Vec::new();
    arg.origins.retain(|origin| {
        let new = !seen.contains(origin);
        seen.push(origin.clone());
        new
    });
    arg
}
