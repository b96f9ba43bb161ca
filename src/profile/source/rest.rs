//! What is left of a profile without its mistakes, so that more than those can be told in one run.
//!
//! Something said of the rest may follow from what was left out. So the rest is a family: the profile without what is
//! wrong, and the same with one other value in the place of each thing that is. What is true of all of them is true of
//! what the user meant. See [`Rest::is_doubtful`] for what cannot be guessed.

use super::document::{Document, Turn};
use super::keys::{Keys, written};
use super::preset::Preset;
use super::repair::{Left, LeftKind};
use super::{Layered, Mistake, guess, in_order};

/// Most things that are guessed at; with more of them wrong, the text is better mended first.
const MAX_LEFT: usize = 30;

/// Most values in a document that is guessed at: it is copied for each guess.
const MAX_NODES: usize = 5_000;

/// Why texts are no profile.
#[derive(Clone, Debug)]
pub struct Rejection<T> {
    /// The mistakes, by place; at least one.
    pub mistakes: Vec<Mistake>,
    /// Whether these are all; of a text full of mistakes not all are looked for.
    pub finished: bool,
    /// The profile without them; `None` when the mistakes leave nothing that could be relied on.
    pub rest: Option<Rest<T>>,
}

/// A profile without what is wrong in it.
#[derive(Clone, Debug)]
pub struct Rest<T> {
    /// The profile.
    pub value: T,
    /// Where its keys stand.
    pub keys: Keys,
    /// What it may have been meant to be: each with one other value in the place of something that is wrong.
    pub others: Vec<T>,
    doubtful: Vec<String>,
}

impl<T> Rejection<T> {
    /// Of `mistakes` that leave nothing.
    pub(super) fn of(mistakes: Vec<Mistake>) -> Self {
        Self { mistakes: in_order(mistakes), finished: true, rest: None }
    }
}

impl<T> Rest<T> {
    /// Whether what is said of the key path `at` may follow from something that is wrong and cannot be guessed.
    #[must_use]
    pub fn is_doubtful(&self, at: &str) -> bool {
        let below = |key: &String| {
            at.strip_prefix(key.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        self.doubtful.iter().any(below)
    }
}

impl<T: Layered> Rest<T> {
    /// The rest of `document`, which is `value`, without what is `left` out; `None` when lists were `shortened`.
    pub(super) fn of(
        value: T,
        document: &Document<'_>,
        left: &[Left<'_>],
        shortened: bool,
        presets: Vec<Preset>,
    ) -> Option<Self> {
        // What was cut short fills the machine none the less: what else has no place would be told of.
        if shortened || left.len() > MAX_LEFT || document.nodes().len() > MAX_NODES {
            return None;
        }
        let (mut others, mut doubtful) = (Vec::new(), Vec::new());
        for left in left {
            doubtful.extend(doubt(left));
            let mut guesses = match left.kind {
                LeftKind::Wrong | LeftKind::Renamed => guess::of::<T>(document, left),
                LeftKind::Unknown | LeftKind::Missing => Vec::new(),
            };
            if left.kind == LeftKind::Wrong && guesses.is_empty() {
                doubtful.push(entry(&left.way));
            }
            others.append(&mut guesses);
        }
        Some(Self { value, keys: Keys::of(document, presets), others, doubtful })
    }
}

/// The key path of which nothing can be said any more.
fn doubt(Left { way, kind, .. }: &Left<'_>) -> Option<String> {
    match (kind, way.as_slice()) {
        (LeftKind::Unknown | LeftKind::Renamed, _) => None,
        // What stands in for it is nobody's wish; and the table may be about nothing without it.
        (LeftKind::Missing, [around @ .., _]) if !around.is_empty() => Some(written(around)),
        // The numbers of the entries behind it are others now.
        (LeftKind::Wrong, [around @ .., Turn::Index(_)]) => Some(written(around)),
        (LeftKind::Wrong | LeftKind::Missing, way) => Some(written(way)),
    }
}

/// The table, or the entry of a list of tables, that `way` leads into.
fn entry(way: &[Turn]) -> String {
    let depth = if matches!(way.get(1), Some(Turn::Index(_))) { 2 } else { 1 };
    written(&way[..depth.min(way.len())])
}
