//! Medians, and tables of them.

use std::time::Duration;

/// What one contestant needed in each round, in milliseconds.
#[derive(Clone, Default)]
pub(crate) struct Series(Vec<f64>);

impl Series {
    pub(crate) fn push(&mut self, took: Duration) {
        self.push_value(took.as_secs_f64() * 1e3);
    }

    pub(crate) fn push_value(&mut self, value: f64) {
        self.0.push(value);
    }

    pub(crate) fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// `median (lowest..highest)`.
    pub(crate) fn spread(&self) -> String {
        format!("{} ({}..{})", short(self.median()), short(self.quantile(0.0)), short(self.quantile(1.0)))
    }

    /// With the ninetieth percentile, for what must not be slow even once in ten times.
    pub(crate) fn spread_p90(&self) -> String {
        format!("{}, p90 {}", self.spread(), short(self.quantile(0.9)))
    }

    /// Median of the ratios to `other`, round by round.
    pub(crate) fn ratio(&self, other: &Self) -> f64 {
        Self(self.0.iter().zip(&other.0).map(|(own, other)| own / other).collect()).median()
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().saturating_sub(1);
        sorted.get((last as f64 * share).round() as usize).copied().unwrap_or(f64::NAN)
    }
}

/// Three digits that count.
pub(crate) fn short(value: f64) -> String {
    match value.abs() {
        big if big >= 100.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Prints a table in Markdown.
pub(crate) fn table(title: &str, head: &[&str], rows: &[Vec<String>]) {
    println!("\n## {title}\n\n| {} |\n|{}", head.join(" | "), " --- |".repeat(head.len()));
    rows.iter().for_each(|row| println!("| {} |", row.join(" | ")));
}
