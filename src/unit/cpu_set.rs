//! A set of host CPUs.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Highest host CPU number that is accepted.
///
/// `cpu_set_t` of the C library holds 1024 CPUs; `sched_setaffinity` would drop a higher one in silence.
const MAX_CPU: u32 = 1023;

/// A set of host CPUs by the kernel's numbers; written and printed as a CPU list: `0-3,8`.
///
/// In a profile a number, a list as text, or an array of both: `4`, `"4-7"`, `[4, "6-7"]`. There `^` takes CPUs out of
/// those before it, as libvirt's lists have it: `"0-7,^4"`.
/// Cheap to copy: each of a guest's threads has one, and most of them the same.
/// Source of the list format: Linux `Documentation/admin-guide/kernel-parameters.rst` (cpu lists).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CpuSet(Arc<BTreeSet<u32>>);

impl CpuSet {
    /// The set of one host CPU.
    #[must_use]
    pub fn of(cpu: u32) -> Self {
        BTreeSet::from([cpu]).into()
    }

    /// Whether no CPU is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Number of CPUs in the set.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether `cpu` is in the set.
    #[must_use]
    pub fn contains(&self, cpu: u32) -> bool {
        self.0.contains(&cpu)
    }

    /// The CPUs in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().copied()
    }

    /// The CPUs that are in this set and not in `other`.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        self.0.difference(&other.0).copied().collect()
    }

    /// The CPUs that are in one of the sets, or in both.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.0.union(&other.0).copied().collect()
    }

    /// The CPUs that are in both sets.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        self.0.intersection(&other.0).copied().collect()
    }
}

impl FromIterator<u32> for CpuSet {
    fn from_iter<I: IntoIterator<Item = u32>>(cpus: I) -> Self {
        cpus.into_iter().collect::<BTreeSet<_>>().into()
    }
}

impl Extend<u32> for CpuSet {
    fn extend<I: IntoIterator<Item = u32>>(&mut self, cpus: I) {
        Arc::make_mut(&mut self.0).extend(cpus);
    }
}

impl FromStr for CpuSet {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut cpus = BTreeSet::new();
        for part in text.trim().split(',').filter(|part| !part.is_empty()) {
            let part = part.trim();
            let (range, out) = part.strip_prefix('^').map_or((part, false), |range| (range, true));
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let (first, last) = (number(first, text)?, number(last, text)?);
            if first > last {
                return Err(format!("`{range}` counts down; write {last}-{first}"));
            }
            if !out {
                cpus.extend(first..=last);
            } else if (first..=last).any(|cpu| !cpus.remove(&cpu)) {
                return Err(format!("`{part}` takes out what is not in the list before it; write it like 0-7,^4"));
            }
        }
        Ok(cpus.into())
    }
}

impl From<BTreeSet<u32>> for CpuSet {
    fn from(cpus: BTreeSet<u32>) -> Self {
        Self(cpus.into())
    }
}

fn number(part: &str, whole: &str) -> Result<u32, String> {
    let cpu: u32 =
        part.trim().parse().map_err(|_| format!("`{whole}` is not a list of host CPUs; write it like 0-3,8"))?;
    within_mask(cpu)
}

fn within_mask(cpu: u32) -> Result<u32, String> {
    if cpu > MAX_CPU {
        return Err(format!("host CPU {cpu} is over {MAX_CPU}, the last one an affinity mask can hold"));
    }
    Ok(cpu)
}

impl fmt::Display for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut cpus = self.0.iter().copied().peekable();
        let mut separator = "";
        while let Some(first) = cpus.next() {
            let mut last = first;
            while let Some(next) = cpus.next_if(|&cpu| cpu == last + 1) {
                last = next;
            }
            write!(f, "{separator}{first}")?;
            if last > first {
                write!(f, "-{last}")?;
            }
            separator = ",";
        }
        Ok(())
    }
}

impl Serialize for CpuSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CpuSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListVisitor)
    }
}

impl JsonSchema for CpuSet {
    fn schema_name() -> Cow<'static, str> {
        "CpuSet".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let list = json_schema!({"type": "string", "pattern": r"^[0-9, ^-]*$"});
        let cpu = json_schema!({"type": "integer", "minimum": 0, "maximum": MAX_CPU});
        json_schema!({
            "title": "host CPUs",
            "description": "A number, a list like `\"0-3,8\"` or `\"0-7,^4\"`, or an array of both.",
            "anyOf": [cpu, list, {"type": "array", "items": {"anyOf": [cpu, list]}}],
            "examples": [4, "4-7", [4, "6-7"]],
        })
    }
}

struct ListVisitor;

impl<'de> Visitor<'de> for ListVisitor {
    type Value = CpuSet;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("host CPUs as a number, a list like \"0-3,8\", or an array of both")
    }

    fn visit_i64<E: de::Error>(self, cpu: i64) -> Result<CpuSet, E> {
        let cpu = u32::try_from(cpu).map_err(|_| E::custom(format!("host CPU {cpu} does not exist")))?;
        within_mask(cpu).map(CpuSet::of).map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, cpu: u64) -> Result<CpuSet, E> {
        let cpu = u32::try_from(cpu).map_err(|_| E::custom(format!("host CPU {cpu} does not exist")))?;
        within_mask(cpu).map(CpuSet::of).map_err(E::custom)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<CpuSet, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<CpuSet, A::Error> {
        let mut whole = Vec::new();
        while let Some(Part(part)) = parts.next_element()? {
            whole.push(part);
        }
        whole.join(",").parse().map_err(de::Error::custom)
    }
}

/// An element of an array, as text: `^` speaks of those before it.
struct Part(String);

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PartVisitor)
    }
}

struct PartVisitor;

impl Visitor<'_> for PartVisitor {
    type Value = Part;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a host CPU, or a list like \"0-3,8\"")
    }

    fn visit_i64<E: de::Error>(self, cpu: i64) -> Result<Part, E> {
        ListVisitor.visit_i64(cpu).map(|cpus| Part(cpus.to_string()))
    }

    fn visit_u64<E: de::Error>(self, cpu: u64) -> Result<Part, E> {
        ListVisitor.visit_u64(cpu).map(|cpus| Part(cpus.to_string()))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Part, E> {
        Ok(Part(text.to_owned()))
    }
}

#[cfg(test)]
mod test {
    use super::CpuSet;

    #[test]
    fn runs_are_printed_as_ranges() {
        let set: CpuSet = [8, 0, 1, 2, 3].into_iter().collect();
        assert_eq!(set.to_string(), "0-3,8");
    }

    #[test]
    fn numbers_text_and_arrays_are_read() {
        for json in ["[4, \"6-7\"]", "\"4,6-7\"", "[\"4\", 6, 7]"] {
            let set: CpuSet = serde_json::from_str(json).unwrap();
            assert_eq!(set.to_string(), "4,6-7", "{json}");
        }
    }

    #[test]
    fn a_caret_takes_out_of_what_stands_before_it() {
        for json in ["\"1-4,^3,6\"", "[\"1-4\", \"^3\", 6]", "[\"1-4,6\", \"^3\"]"] {
            let set: CpuSet = serde_json::from_str(json).unwrap();
            assert_eq!(set.to_string(), "1-2,4,6", "{json}");
        }
        assert_eq!("0-7,^2-3".parse::<CpuSet>().unwrap().to_string(), "0-1,4-7");
        assert!("^4,0-7".parse::<CpuSet>().unwrap_err().contains("0-7,^4"));
    }

    #[test]
    fn a_cpu_beyond_the_mask_is_refused() {
        assert!("1024".parse::<CpuSet>().unwrap_err().contains("1023"));
        assert!("7-4".parse::<CpuSet>().unwrap_err().contains("4-7"));
        assert!(serde_json::from_str::<CpuSet>("-1").is_err());
    }

    proptest::proptest! {
        #[test]
        fn printing_and_parsing_are_inverse(cpus in proptest::collection::btree_set(0u32..1024, 0..64)) {
            let set = CpuSet::from(cpus);
            proptest::prop_assert_eq!(set.to_string().parse::<CpuSet>(), Ok(set));
        }
    }
}
