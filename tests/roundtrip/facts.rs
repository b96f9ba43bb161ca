//! A draft as facts that can be compared: each of QEMU's arguments, and each thing about the host.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use vmrun::plan::Contents;

/// One fact: what it is about, so that it is found again when it says something else, and the keys it follows from.
#[derive(Clone, Debug)]
pub(crate) struct Fact {
    pub(crate) about: String,
    pub(crate) keys: BTreeSet<String>,
}

/// Facts, by their text.
pub(crate) type Facts = BTreeMap<String, Fact>;

/// Fields of a plan, and the keys of a profile that decide them. What is not here is looked at by itself.
const FIELDS: [(&str, &[&str]); 26] = [
    ("agent", &["agent"]),
    ("changes", &["tune", "memory", "pci", "gpu", "mdev", "cpu.pinning", "net", "usb", "looking_glass"]),
    ("clock", &["clock"]),
    ("dead_boot", &["on.dead_boot"]),
    ("descriptors", &["serial", "net", "qemu.user", "tune.cpu_latency"]),
    ("devices", &["pci"]),
    ("ending", &["on", "stop"]),
    ("env", &["qemu.env", "audio", "display"]),
    ("evdev", &["input"]),
    ("fallback", &["memory"]),
    ("files", &["qemu.user", "firmware", "tpm", "share"]),
    ("hooks", &["hook", "hooks_dir"]),
    ("host_shutdown", &["on.host_shutdown"]),
    ("host_sleep", &["on.host_sleep"]),
    ("interrupts", &["tune.vfio_irqs"]),
    ("locked_memory", &["memory", "pci", "mdev", "iommu"]),
    ("panic_key", &["on.panic_key"]),
    ("pins", &["cpu.pinning"]),
    ("room", &["tune"]),
    ("services", &["service", "net", "tpm", "share"]),
    ("session", &["display", "qemu.user"]),
    ("share", &["tune.share"]),
    ("transparent", &["memory.hugepages"]),
    ("usb", &["usb"]),
    ("user", &["qemu.user"]),
    ("vcpus", &["cpu"]),
];

/// The arguments of QEMU.
///
/// Without `seats` it does not matter where a device sits: one that is not there leaves its place to others.
pub(crate) fn arguments(contents: &Contents, seats: bool) -> Facts {
    let args = contents.argv.args();
    let objects: Vec<Option<Value>> = args.iter().map(|arg| serde_json::from_str(arg.value.as_deref()?).ok()).collect();
    let names = Names::of(objects.iter().flatten());
    let mut facts = Facts::new();
    for (arg, object) in args.iter().zip(objects) {
        let keys = arg.origins.iter().map(|origin| origin.key.clone()).collect();
        let fact = |about: String| Fact { about: format!("{} {about}", arg.option), keys };
        match object {
            Some(Value::Object(mut object)) => {
                let about = ["id", "node-name"].iter().find_map(|key| object.get(*key)?.as_str()).unwrap_or_default();
                let fact = fact(about.to_owned());
                if !seats && object.get("driver").is_some_and(|driver| driver == "pcie-root-port") {
                    continue;
                }
                names.replace(&mut object, seats);
                facts.insert(format!("{} {}", arg.option, Value::Object(object)), fact);
            }
            _ => {
                let value = in_order(arg.value.as_deref().unwrap_or_default());
                let id = value.split(',').find_map(|part| part.strip_prefix("id=")).unwrap_or_default();
                let fact = fact(id.to_owned());
                facts.insert(format!("{} {value}", arg.option), fact);
            }
        }
    }
    facts.remove("-rtc ");
    facts
}

/// Properties in an order of their own, the first of which is what the others are about. A domain always says on which time
/// its clock is, and QEMU's own choice is the same.
fn in_order(value: &str) -> String {
    let mut parts: Vec<&str> = value.split(',').filter(|part| *part != "base=utc").collect();
    if let Some((_, rest)) = parts.split_first_mut().filter(|_| !value.contains(",,")) {
        rest.sort_unstable();
    }
    parts.join(",")
}

/// Names that are vmrun's own, and turns to boot, by the order in which they are.
struct Names {
    threads: Vec<String>,
    turns: Vec<i64>,
}

impl Names {
    fn of<'a>(objects: impl Iterator<Item = &'a Value>) -> Self {
        let (mut threads, mut turns) = (Vec::new(), BTreeSet::new());
        for object in objects {
            turns.extend(object["bootindex"].as_i64());
            if object["qom-type"] == "iothread" {
                threads.extend(object["id"].as_str().map(str::to_owned));
            }
        }
        Self { threads, turns: turns.into_iter().collect() }
    }

    /// libvirt's iothreads have numbers for names.
    fn thread(&self, name: &str) -> Value {
        self.threads.iter().position(|known| known == name).into()
    }

    fn replace(&self, object: &mut serde_json::Map<String, Value>, seats: bool) {
        if object.get("driver").is_some_and(|driver| driver == "vfio-pci") {
            object.remove("id");
        }
        if object.get("qom-type").is_some_and(|kind| kind == "iothread") {
            let number = object["id"].as_str().map(|id| self.thread(id));
            object.insert("id".into(), number.unwrap_or_default());
        }
        for queue in object.get_mut("iothread-vq-mapping").and_then(Value::as_array_mut).into_iter().flatten() {
            queue["iothread"] = queue["iothread"].as_str().map(|id| self.thread(id)).unwrap_or_default();
        }
        if let Some(thread) = object.get_mut("iothread") {
            *thread = thread.as_str().map(|id| self.thread(id)).unwrap_or_default();
        }
        if let Some(turn) = object.get_mut("bootindex") {
            *turn = self.turns.iter().position(|known| turn.as_i64() == Some(*known)).into();
        }
        if !seats {
            ["bus", "addr", "multifunction"].iter().for_each(|key| _ = object.remove(*key));
        }
    }
}

/// What is done on the host and beside QEMU.
pub(crate) fn host(contents: &Contents) -> Facts {
    let mut facts = Facts::new();
    let Value::Object(fields) = serde_json::to_value(contents).expect("a plan can be written") else { panic!() };
    // Arguments have their own turn, addresses are among them, and what is warned of follows from the rest.
    for (field, value) in
        fields.into_iter().filter(|(field, _)| !["argv", "seats", "kept", "warnings"].contains(&&**field))
    {
        let keys = FIELDS.iter().find(|(name, _)| *name == field).map_or(&[][..], |(_, keys)| keys);
        let fact = Fact { about: field.clone(), keys: keys.iter().map(|key| (*key).to_owned()).collect() };
        for part in parts(&field, value) {
            facts.insert(format!("{field}: {part}"), fact.clone());
        }
    }
    facts
}

/// Parts of a field that can differ by themselves.
fn parts(field: &str, value: Value) -> Vec<String> {
    match value {
        Value::Array(entries) => entries.iter().map(ToString::to_string).collect(),
        Value::Object(mut entries) if field == "pins" => {
            // Why these were chosen is not what they are, and libvirt's iothreads have numbers for names.
            entries.remove("why");
            let threads = entries.get("iothreads").and_then(Value::as_object).into_iter().flatten();
            let threads = threads.map(|(_, place)| format!("iothread {place}")).collect::<Vec<_>>();
            entries.remove("iothreads");
            entries.iter().map(|(key, value)| format!("{key} {value}")).chain(threads).collect()
        }
        Value::Object(entries) if field != "fallback" => {
            entries.iter().map(|(key, value)| format!("{key} {value}")).collect()
        }
        Value::Null => Vec::new(),
        value => vec![value.to_string()],
    }
}

/// A fact that is there only before or only after.
pub(crate) struct Difference {
    /// It, with a word on which of the two.
    pub(crate) text: String,
    /// Keys that say something about it, before or after.
    pub(crate) keys: BTreeSet<String>,
}

/// What is not the same in `was` and in `is`.
pub(crate) fn differences(was: &Facts, is: &Facts) -> Vec<Difference> {
    let mut keys: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for fact in was.values().chain(is.values()) {
        keys.entry(&fact.about).or_default().extend(fact.keys.iter().cloned());
    }
    let only = |word: &'static str, here: &Facts, there: &Facts| {
        let alone = here.iter().filter(|(text, _)| !there.contains_key(*text));
        let difference = |(text, fact): (&String, &Fact)| Difference {
            text: format!("{word} {text}"),
            keys: keys[&*fact.about].clone(),
        };
        alone.map(difference).collect::<Vec<_>>()
    };
    only("was", was, is).into_iter().chain(only("is", is, was)).collect()
}
