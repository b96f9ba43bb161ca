//! One layer of a profile laid over another.
//!
//! Tables merge key by key, and a value replaces what is below it. Entries of an array of tables are added behind those
//! below, unless one says that it is the same thing: then it changes that one, key by key, like a table. What makes two
//! entries the same is what names them for a person, like the name of a hook or the address of a PCI function. An empty
//! array replaces all entries below.

use super::Layered;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

/// Lays `above` over `below`.
pub(super) fn over<'t, T: Layered>(below: &mut DeTable<'t>, above: DeTable<'t>) {
    for (key, value) in above {
        let old = below.remove(&**key.get_ref());
        let name = key.get_ref().to_string();
        let value = match old {
            Some(old) => merged::<T>(&name, old, value),
            None => value,
        };
        below.insert(key, value);
    }
}

fn merged<'t, T: Layered>(
    name: &str,
    below: Spanned<DeValue<'t>>,
    above: Spanned<DeValue<'t>>,
) -> Spanned<DeValue<'t>> {
    let span = above.span();
    let value = match (below.into_inner(), above.into_inner()) {
        (DeValue::Table(mut below), DeValue::Table(above)) => {
            over::<T>(&mut below, above);
            DeValue::Table(below)
        }
        (DeValue::Array(below), DeValue::Array(above))
            if has_tables(&above) && (below.is_empty() || has_tables(&below)) =>
        {
            DeValue::Array(entries::<T>(name, below, above))
        }
        (_, above) => above,
    };
    Spanned::new(span, value)
}

fn has_tables(array: &DeArray<'_>) -> bool {
    !array.is_empty() && array.iter().all(|element| element.get_ref().is_table())
}

fn entries<'t, T: Layered>(name: &str, below: DeArray<'t>, above: DeArray<'t>) -> DeArray<'t> {
    let mut entries: Vec<(Spanned<DeValue<'t>>, bool)> = below.into_iter().map(|entry| (entry, true)).collect();
    for entry in above {
        let same = entries.iter().position(|(old, open)| *open && is_same::<T>(name, old, &entry));
        match same {
            Some(index) => {
                let (old, _) = entries.remove(index);
                entries.insert(index, (merged::<T>("", old, entry), false));
            }
            None => entries.push((entry, false)),
        }
    }
    entries.into_iter().map(|(entry, _)| entry).collect()
}

/// Whether both entries of the array `name` name themselves alike.
fn is_same<T: Layered>(name: &str, old: &Spanned<DeValue<'_>>, new: &Spanned<DeValue<'_>>) -> bool {
    let text = |entry: &Spanned<DeValue<'_>>, key: &str| {
        let value = entry.get_ref().as_table()?.get(key)?.get_ref();
        value.as_str().map(str::to_owned)
    };
    let keys = T::SAME.iter().filter(|(array, _)| *array == name).map(|(_, key)| *key);
    keys.into_iter().any(|key| text(old, key).is_some_and(|old| text(new, key).as_ref() == Some(&old)))
}
