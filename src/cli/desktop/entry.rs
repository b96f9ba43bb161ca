//! A desktop entry. Desktop Entry Specification 1.4, freedesktop.org.

use crate::unit::GuestName;
use std::fmt;
use std::path::Path;

/// Where a package puts vmrun's icon.
const OWN_ICON: &str = "/usr/share/icons/hicolor/scalable/apps/vmrun.svg";

/// What an entry is made of.
pub(super) struct Entry<'a> {
    pub(super) name: &'a GuestName,
    pub(super) program: &'a Path,
    pub(super) profile: &'a Path,
    /// Words that lay something over the profile.
    pub(super) layers: &'a [String],
    /// Whether vmrun is started by pkexec.
    pub(super) as_root: bool,
    pub(super) icon: &'a str,
}

/// vmrun's icon where a package has brought it, else one that each theme has; Icon Naming Specification.
pub(super) fn icon() -> &'static str {
    if Path::new(OWN_ICON).exists() { "vmrun" } else { "computer" }
}

impl Entry<'_> {
    /// A value of `Exec` that has vmrun do `words`.
    fn exec(&self, words: &[&str]) -> String {
        let program = self.program.to_string_lossy();
        let through = if self.as_root { vec!["pkexec"] } else { Vec::new() };
        let all = through.into_iter().chain([&*program, "--notify"]).chain(words.iter().copied());
        all.map(quoted).collect::<Vec<_>>().join(" ")
    }
}

impl fmt::Display for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, layers, icon, .. } = self;
        let profile = self.profile.to_string_lossy();
        let laid: Vec<&str> = ["run", &profile].into_iter().chain(layers.iter().map(String::as_str)).collect();
        let start = self.exec(&laid);
        let name = name.as_str();
        writeln!(f, "[Desktop Entry]")?;
        writeln!(f, "Type=Application\nVersion=1.4")?;
        writeln!(f, "Name={name}\nGenericName=Virtual machine\nComment=Start the guest {name}")?;
        writeln!(f, "Icon={icon}\nExec={start}\nTerminal=false")?;
        writeln!(f, "Categories=System;Emulator;\nKeywords=vmrun;qemu;vm;guest;")?;
        writeln!(f, "StartupNotify=false\nActions=start;stop;status;")?;
        let actions = [
            ("start", "Start", start),
            ("stop", "Stop", self.exec(&["stop", name])),
            ("status", "Status", self.exec(&["status", name])),
        ];
        for (action, label, exec) in actions {
            writeln!(f, "\n[Desktop Action {action}]\nName={label}\nExec={exec}")?;
        }
        Ok(())
    }
}

/// A word of `Exec`: in quotes where it holds a reserved character, then escaped as each string of an entry is.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:,@".contains(c);
    let word = word.replace('%', "%%");
    if !word.is_empty() && word.chars().all(|c| plain(c) || c == '%') {
        return word;
    }
    let mut text = String::from("\"");
    for c in word.chars() {
        if matches!(c, '"' | '`' | '$' | '\\') {
            text.push('\\');
        }
        text.push(c);
    }
    text.push('"');
    text.replace('\\', "\\\\").replace('\n', "\\n").replace('\t', "\\t")
}

#[cfg(test)]
mod test {
    use super::{Entry, quoted};
    use crate::unit::GuestName;
    use std::path::Path;

    #[test]
    fn words_with_reserved_characters_are_quoted_once_for_the_shell_and_once_for_the_file() {
        assert_eq!(quoted("/usr/bin/vmrun"), "/usr/bin/vmrun");
        assert_eq!(quoted("my games.toml"), "\"my games.toml\"");
        assert_eq!(quoted("100%"), "100%%");
        assert_eq!(quoted("a$b\\"), r#""a\\$b\\\\""#);
        assert_eq!(quoted(""), "\"\"");
    }

    #[test]
    fn a_guest_that_needs_root_is_started_and_asked_through_pkexec() {
        let name = GuestName::try_from("games".to_owned()).unwrap();
        let entry = Entry {
            name: &name,
            program: Path::new("/usr/bin/vmrun"),
            profile: Path::new("/etc/vmrun/games.toml"),
            layers: &["--variant".to_owned(), "install".to_owned()],
            as_root: true,
            icon: "computer",
        };
        let text = entry.to_string();
        assert!(
            text.contains("\nExec=pkexec /usr/bin/vmrun --notify run /etc/vmrun/games.toml --variant install\n"),
            "{text}"
        );
        assert!(text.contains("\nExec=pkexec /usr/bin/vmrun --notify stop games\n"), "{text}");
    }
}
