//! Lists in shell assignments, like `MODULES=(a b)` and `GRUB_CMDLINE_LINUX="a b"`, changed without touching the rest of
//! the file. What is not understood is refused, never guessed.

/// A list of words that a file assigns to a name, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Assignment<'a> {
    before: &'a str,
    body: &'a str,
    after: &'a str,
}

impl<'a> Assignment<'a> {
    /// The one assignment to `name` in `text`; `None` when there is none.
    ///
    /// # Errors
    /// When there are several, or one that is more than a list of words on one line.
    pub(super) fn find(text: &'a str, name: &str) -> Result<Option<Self>, String> {
        let mut found = None;
        let mut at = 0;
        for line in text.split_inclusive('\n') {
            if let Some(value) = assigned(line, name) {
                if found.is_some() {
                    return Err(format!("assigns {name} more than once"));
                }
                let start = at + line.len() - value.len();
                let (open, length) =
                    body(value).ok_or_else(|| format!("has a {name} that is no plain list on one line"))?;
                let body = start + open;
                found = Some(Self {
                    before: &text[..body],
                    body: &text[body..body + length],
                    after: &text[body + length..],
                });
            }
            at += line.len();
        }
        Ok(found)
    }

    /// Its words.
    pub(super) fn words(&self) -> impl Iterator<Item = &'a str> {
        self.body.split_whitespace()
    }

    /// The whole text with `words` before the others.
    pub(super) fn prepend(&self, words: &[&str]) -> String {
        let gap = if self.body.trim().is_empty() { "" } else { " " };
        format!("{}{}{gap}{}{}", self.before, words.join(" "), self.body.trim_start(), self.after)
    }

    /// The whole text with `words` after the others.
    pub(super) fn append(&self, words: &[&str]) -> String {
        let gap = if self.body.trim().is_empty() { "" } else { " " };
        format!("{}{}{gap}{}{}", self.before, self.body.trim_end(), words.join(" "), self.after)
    }
}

/// What follows `name=` or `name+=` in a line that is no comment.
fn assigned<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let rest = line.trim_start().strip_prefix(name)?;
    rest.strip_prefix("+=").or_else(|| rest.strip_prefix('='))
}

/// Where the words in `value` begin, and how long they are; nothing but a comment may follow.
fn body(value: &str) -> Option<(usize, usize)> {
    let close = match value.chars().next()? {
        '(' => ')',
        quote @ ('"' | '\'') => quote,
        _ => return None,
    };
    let length = value[1..].find(close)?;
    let (body, rest) = (&value[1..=length], value[length + 2..].trim());
    let plain = !body.contains(['\n', '$', '`', '\\', '(', '#', '"', '\'']) || (close != ')' && is_quiet(body));
    (plain && (rest.is_empty() || rest.starts_with('#'))).then_some((1, length))
}

/// Whether a quoted text is only text. Kernel arguments hold signs that mean nothing between quotes.
fn is_quiet(body: &str) -> bool {
    !body.contains(['\n', '$', '`', '\\'])
}

#[cfg(test)]
mod test {
    use super::Assignment;

    fn find(text: &str) -> Assignment<'_> {
        Assignment::find(text, "MODULES").unwrap().unwrap()
    }

    #[test]
    fn words_are_put_before_and_after_in_every_style() {
        assert_eq!(find("a\nMODULES=(ext4 vfat)\nb").prepend(&["x"]), "a\nMODULES=(x ext4 vfat)\nb");
        assert_eq!(find("MODULES=()\n").prepend(&["x", "y"]), "MODULES=(x y)\n");
        assert_eq!(find("MODULES=\"ext4\" # mine\n").append(&["x"]), "MODULES=\"ext4 x\" # mine\n");
        assert_eq!(find("MODULES=''").append(&["x"]), "MODULES='x'");
        assert_eq!(find("#MODULES=(a)\nMODULES+=(b)\n").words().collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn what_is_more_than_a_list_is_refused() {
        let cases = [
            "MODULES=(a\n b)",
            "MODULES=(a $(b))",
            "MODULES=a",
            "MODULES=\"a $b\"",
            "MODULES=(a); x",
            "MODULES=(\"a b\")",
        ];
        for text in cases {
            assert!(Assignment::find(text, "MODULES").is_err(), "{text}");
        }
        assert!(Assignment::find("MODULES=(a)\nMODULES=(b)", "MODULES").unwrap_err().contains("more than once"));
        assert_eq!(Assignment::find("# MODULES=(a)\nMODULES_X=(b)", "MODULES"), Ok(None));
    }

    #[test]
    fn kernel_arguments_may_hold_signs() {
        let text = "GRUB_CMDLINE_LINUX=\"root='x' (a)\"";
        let found = Assignment::find(text, "GRUB_CMDLINE_LINUX").unwrap().unwrap();
        assert_eq!(found.append(&["b"]), "GRUB_CMDLINE_LINUX=\"root='x' (a) b\"");
    }
}
