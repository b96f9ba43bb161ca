//! What became of each piece of a foreign file.

use serde::Serialize;

/// What became of a piece.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "fate", content = "why", rename_all = "lowercase")]
pub enum Fate {
    /// It is in the profile as it was.
    Kept,
    /// It is in the profile in another way, which is said.
    Translated(String),
    /// It is left out, and the guest does not miss it, for the reason given.
    Needless(String),
    /// It is left out, and the guest or the host may miss it; the reason is given.
    Lost(String),
    /// It was unsafe to guess: a line of the profile that is commented out asks.
    Asked(String),
}

impl Fate {
    /// Whether nothing has to be done about it.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        !matches!(self, Self::Lost(_) | Self::Asked(_))
    }

    /// Its word in a report.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Translated(_) => "translated",
            Self::Needless(_) => "not needed",
            Self::Lost(_) => "dropped",
            Self::Asked(_) => "to decide",
        }
    }

    /// How, or why; empty for what is kept.
    #[must_use]
    pub fn why(&self) -> &str {
        match self {
            Self::Kept => "",
            Self::Translated(why) | Self::Needless(why) | Self::Lost(why) | Self::Asked(why) => why,
        }
    }
}

/// A piece and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Its line in the file, from 1; 0 for what is no part of a file.
    pub line: usize,
    /// The piece: the path of an element, an option with its value, a command.
    pub what: String,
    /// What became of it.
    #[serde(flatten)]
    pub fate: Fate,
}

/// All pieces, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The pieces.
    pub entries: Vec<Entry>,
}

impl Report {
    /// Notes what became of a piece.
    pub(super) fn note(&mut self, line: usize, what: impl Into<String>, fate: Fate) {
        self.entries.push(Entry { line, what: what.into(), fate });
    }

    /// In the order of the file.
    pub(super) fn sorted(mut self) -> Self {
        self.entries.sort_by_key(|entry| entry.line);
        self
    }

    /// Whether everything is in the profile, or is not needed there.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.entries.iter().all(|entry| entry.fate.is_settled())
    }

    /// Number of pieces with the fate that is called `word`.
    #[must_use]
    pub fn count(&self, word: &str) -> usize {
        self.entries.iter().filter(|entry| entry.fate.word() == word).count()
    }
}
