//! What TOML can write and no guest can have.

use super::Mistake;
use super::document::{Node, Turn};
use super::keys::written;
use super::syntax::Parsed;
use toml::de::DeValue;

/// Longest argument that a program can be given, in bytes; Linux: `MAX_ARG_STRLEN` in `include/uapi/linux/binfmts.h`,
/// without the closing NUL.
const MAX_TEXT: usize = 131_071;

/// Most entries of an array of tables; the busiest part of a machine, PCI bus 0, has 256 functions.
const MAX_ENTRIES: usize = 256;

/// Notes texts that no program can be given, and lists longer than any machine has place for. Both are taken out, so that
/// nothing else is said of them.
pub(super) fn judge(parsed: &mut Parsed<'_>) {
    let Parsed { document, mistakes, spoiled, shortened } = parsed;
    let texts = document.nodes().into_iter().filter_map(|node| wrong_text(&node));
    for mistake in texts {
        spoiled.push(mistake.span.clone());
        mistakes.push(mistake);
    }
    let lists: Vec<Vec<Turn>> = document.nodes().into_iter().filter(is_too_long).map(|node| node.path).collect();
    for way in lists {
        *shortened = true;
        mistakes.extend(document.truncate(&way, MAX_ENTRIES).map(|(count, span)| {
            let what = format!("`{}` has {count} entries; at most {MAX_ENTRIES} are read", written(&way));
            Mistake::new(span, what).help("no machine has place for more")
        }));
    }
}

fn wrong_text(node: &Node<'_, '_>) -> Option<Mistake> {
    let DeValue::String(text) = node.value else { return None };
    let what = match text.len() {
        _ if text.contains('\0') => "the text has a NUL, which no program can be given".to_owned(),
        bytes if bytes > MAX_TEXT => format!("the text has {bytes} bytes; a program can be given {MAX_TEXT} at a time"),
        _ => return None,
    };
    Some(Mistake::new(node.span.clone(), what))
}

fn is_too_long(node: &Node<'_, '_>) -> bool {
    match node.value {
        DeValue::Array(entries) => {
            entries.len() > MAX_ENTRIES && entries.iter().all(|entry| entry.get_ref().is_table())
        }
        _ => false,
    }
}
