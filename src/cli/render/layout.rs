//! Lines, columns and counts.

use std::fmt::Write as _;

/// `count` things, like `1 problem` or `2 problems`.
pub(in crate::cli) fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// Columns that `text` takes.
pub(super) fn columns(text: &str) -> usize {
    text.chars().count()
}

/// `text` in lines of at most `width` columns, broken after spaces and commas where there are any.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let (text, width) = (visible(text), width.max(8));
    let mut lines = vec![String::new()];
    for piece in text.split_inclusive([' ', ',']) {
        for piece in cut(piece, width) {
            let line = lines.last_mut().filter(|line| columns(line) + columns(piece.trim_end()) <= width);
            match line {
                Some(line) => line.push_str(piece),
                None => lines.push(piece.to_owned()),
            }
        }
    }
    lines.iter().map(|line| line.trim_end().to_owned()).collect()
}

/// `text` in lines of at most `width` columns, broken at spaces only; a longer word has a line of its own.
fn words(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in visible(text).split(' ') {
        match lines.last_mut().filter(|line| columns(line) + 1 + columns(word) <= width) {
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

/// `text` with its control characters written out, so that a terminal does not obey what a profile holds.
fn visible(text: &str) -> String {
    let written = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(written).collect()
}

/// `piece` in parts of at most `width` columns.
fn cut(piece: &str, width: usize) -> Vec<&str> {
    let mut rest = piece;
    let mut parts = Vec::new();
    while columns(rest.trim_end()) > width {
        let Some((end, _)) = rest.char_indices().nth(width) else { break };
        let (part, after) = rest.split_at(end);
        parts.push(part);
        rest = after;
    }
    parts.push(rest);
    parts
}

/// Adds `text` below `indent` columns, wrapped at `width`; what is wrapped stands two columns further in.
pub(in crate::cli) fn paragraph(page: &mut String, indent: usize, width: usize, text: &str) {
    let lines = wrapped(text, width.saturating_sub(indent + 2));
    for (index, line) in lines.iter().enumerate() {
        let indent = indent + if index > 0 { 2 } else { 0 };
        _ = writeln!(page, "{:indent$}{line}", "");
    }
}

/// Adds a shell command below `indent` columns; where it is wrapped at `width`, the line is continued for the shell.
pub(super) fn command(page: &mut String, indent: usize, width: usize, text: &str) {
    // Two columns for the later indent, two for the continuation.
    let lines = words(text, width.saturating_sub(indent + 4));
    for (index, line) in lines.iter().enumerate() {
        let indent = indent + if index > 0 { 2 } else { 0 };
        let more = if index + 1 < lines.len() { " \\" } else { "" };
        _ = writeln!(page, "{:indent$}{line}{more}", "");
    }
}

/// Adds `rows` as a table with `head`, two columns in; the last column is wrapped at `width`.
pub(in crate::cli) fn table<const N: usize>(page: &mut String, width: usize, head: [&str; N], rows: &[[String; N]]) {
    let head = head.map(str::to_owned);
    let widths: Vec<_> = (0..N)
        .map(|column| rows.iter().chain([&head]).map(|row| columns(&row[column])).max().unwrap_or_default())
        .collect();
    for row in std::iter::once(&head).chain(rows) {
        let mut line = " ".to_owned();
        for (cell, width) in row.iter().zip(&widths).take(N - 1) {
            _ = write!(line, " {cell:width$} ");
        }
        let indent = columns(&line) + 1;
        let cell = wrapped(&row[N - 1], width.saturating_sub(indent));
        _ = writeln!(page, "{}", format!("{line} {}", cell[0]).trim_end());
        for rest in &cell[1..] {
            _ = writeln!(page, "{:indent$}{rest}", "");
        }
    }
}

#[cfg(test)]
mod test {
    use super::wrapped;

    #[test]
    fn text_is_broken_after_spaces_and_commas() {
        assert_eq!(wrapped("host,kvm=off,hv-time=on", 12), ["host,", "kvm=off,", "hv-time=on"]);
        assert_eq!(wrapped("one two three", 9), ["one two", "three"]);
    }

    #[test]
    fn a_word_longer_than_the_line_is_cut() {
        assert_eq!(wrapped("abcdefghijklmnopq", 8), ["abcdefgh", "ijklmnop", "q"]);
    }

    #[test]
    fn a_terminal_is_not_told_what_to_do() {
        assert_eq!(wrapped("a\u{1b}[2Jb\nc", 40), ["a\\u{1b}[2Jb\\nc"]);
    }

    #[test]
    fn nothing_is_lost_by_breaking() {
        let text = "{\"driver\":\"virtio-blk-pci\",\"id\":\"disk0\",\"bus\":\"rp0\"}";
        assert_eq!(wrapped(text, 20).concat(), text);
    }
}
