//! `--set cpu.cores=6`: one value of the profile, from the command line.

use super::document::{Document, Turn};
use super::keys::written;
use super::path::{Step, steps, turns};
use super::{Mistake, shift};
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

/// Puts the value of `assignment`, which starts at `start` of all texts, into the document.
///
/// # Errors
/// When it is no assignment, or its key cannot be there.
pub(super) fn apply<'t>(document: &mut Document<'t>, assignment: &'t str, start: usize) -> Result<(), Mistake> {
    let place = |span: Range<usize>| span.start + start..span.end + start;
    let whole = place(0..assignment.len());
    let shape = |what: String| Mistake::new(whole.clone(), what).help("write it like --set cpu.cores=6");
    let Some((key, text)) = assignment.split_once('=') else {
        return Err(shape(format!("`{}` gives no value", assignment.escape_debug())));
    };
    let name = key.trim();
    let Some(mut steps) = steps(name) else {
        return Err(shape(format!("`{}` is no key", name.escape_debug())));
    };
    let indent = key.len() - key.trim_start().len();
    for (_, span) in &mut steps {
        *span = place(span.start + indent..span.end + indent);
    }
    let value = value(text, start + key.len() + 1)?;
    put(document, &steps, value)
}

/// The value that `text` is in TOML; a text that is none stands for itself.
fn value(text: &str, start: usize) -> Result<Spanned<DeValue<'_>>, Mistake> {
    let bare = text.trim();
    let indent = text.len() - text.trim_start().len();
    let place = |span: Range<usize>| span.start + start + indent..span.end + start + indent;
    match DeValue::parse(bare) {
        Ok(value) => Ok(shift::value(value, &place)),
        Err(error) if bare.starts_with(['[', '{', '"', '\'']) => {
            let span = place(error.span().unwrap_or(0..bare.len()));
            Err(Mistake::new(span, error.message()).help("quote it for the shell: --set 'cpu.flags=[\"+invtsc\"]'"))
        }
        Err(_) => Ok(Spanned::new(place(0..bare.len()), DeValue::String(DeString::from(bare)))),
    }
}

fn put<'t>(document: &mut Document<'t>, steps: &[Step], value: Spanned<DeValue<'t>>) -> Result<(), Mistake> {
    for end in 1..=steps.len() {
        let (way, (turn, span)) = (turns(&steps[..end - 1]), &steps[end - 1]);
        let around = if way.is_empty() { None } else { document.get(&way).map(Spanned::get_ref) };
        let count = match (around, turn) {
            (None | Some(DeValue::Table(_)), Turn::Key(_)) => 0,
            (Some(DeValue::Array(entries)), Turn::Index(_)) => entries.len(),
            _ => return Err(Mistake::new(span.clone(), misfit(&way, turn))),
        };
        match turn {
            Turn::Key(key) if end == steps.len() => {
                return {
                    document.insert_at(&way, key, span.clone(), value);
                    Ok(())
                };
            }
            Turn::Key(key) if document.get(&turns(&steps[..end])).is_none() => {
                let table = Spanned::new(span.clone(), DeValue::Table(DeTable::new()));
                document.insert_at(&way, key, span.clone(), table);
            }
            Turn::Index(index) if *index >= count => {
                let what = format!("there is no {}; `{}` has {count}", written(&turns(&steps[..end])), written(&way));
                return Err(Mistake::new(span.clone(), what).help("entries are counted from 0"));
            }
            Turn::Index(_) if end == steps.len() => {
                return {
                    document.replace(&turns(steps), value);
                    Ok(())
                };
            }
            Turn::Key(_) | Turn::Index(_) => {}
        }
    }
    Ok(())
}

fn misfit(way: &[Turn], turn: &Turn) -> String {
    match turn {
        Turn::Key(key) => format!("`{}` has no keys, so `{key}` cannot be set in it", written(way)),
        Turn::Index(_) => format!("`{}` is not a list, so no entry of it can be set", written(way)),
    }
}
