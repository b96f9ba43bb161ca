//! The functions of the shell that a script uses.

/// Functions with their comments, a blank line between two.
const ALL: &str = include_str!("library.sh");

/// Those that `body` calls, and those that these call, in the order in which they stand.
pub(super) fn used_by(body: &str) -> String {
    let all: Vec<(&str, &str)> = ALL.split("\n\n").filter_map(|text| Some((name(text)?, text))).collect();
    let mut used: Vec<bool> = all.iter().map(|(name, _)| calls(body, name)).collect();
    loop {
        let called = |name: &str| all.iter().zip(&used).any(|((_, text), used)| *used && calls(text, name));
        let next: Vec<bool> = all.iter().zip(&used).map(|((name, _), used)| *used || called(name)).collect();
        if next == used {
            break;
        }
        used = next;
    }
    all.iter().zip(used).filter(|(_, used)| *used).map(|((_, text), _)| format!("{}\n\n", text.trim_end())).collect()
}

/// The name of a function, which its first line without a comment begins with.
fn name(text: &str) -> Option<&str> {
    text.lines().find(|line| !line.starts_with('#'))?.strip_suffix("() {")
}

/// Whether a line of code, not of comment, has the word `name`.
fn calls(text: &str, name: &str) -> bool {
    let code = text.lines().filter(|line| !line.trim_start().starts_with('#') && !line.ends_with("() {"));
    code.flat_map(|line| line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))).any(|word| word == name)
}

#[cfg(test)]
mod test {
    use super::{ALL, name, used_by};

    #[test]
    fn a_script_has_what_it_calls_and_what_that_calls() {
        let text = used_by("owe 1\ndie 'no'\n");
        assert!(text.contains("say() {") && text.contains("die() {") && text.contains("owe() {"), "{text}");
        assert!(!text.contains("companion() {"), "{text}");
    }

    #[test]
    fn each_piece_of_the_library_is_a_function() {
        assert!(ALL.split("\n\n").all(|text| name(text).is_some()));
    }
}
