//! The tools by which a desktop is told: each calls `Notify` of org.freedesktop.Notifications on the session bus. Desktop
//! Notifications Specification 1.2.

use crate::cli::output::Weight;

/// A tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tool {
    /// `notify-send`, of libnotify.
    NotifySend,
    /// `gdbus`, of `GLib`.
    Gdbus,
    /// `busctl`, of systemd.
    Busctl,
}

/// The first that is there is taken.
pub(super) const TOOLS: [Tool; 3] = [Tool::NotifySend, Tool::Gdbus, Tool::Busctl];

/// What notifications come from, and are headed by.
const APP: &str = "vmrun";
const SERVICE: &str = "org.freedesktop.Notifications";
const OBJECT: &str = "/org/freedesktop/Notifications";

impl Tool {
    /// Its name.
    pub(super) fn program(self) -> &'static str {
        match self {
            Self::NotifySend => "notify-send",
            Self::Gdbus => "gdbus",
            Self::Busctl => "busctl",
        }
    }

    /// Its words for showing `text`.
    pub(super) fn words(self, weight: Weight, text: &str) -> Vec<String> {
        let icon = match weight {
            Weight::Error => "dialog-error",
            Weight::Warning => "dialog-warning",
            Weight::Info => "dialog-information",
        };
        // A critical one stays until it is seen.
        let (word, urgency) = if weight == Weight::Error { ("critical", "2") } else { ("normal", "1") };
        let body = escaped(text);
        let words = match self {
            Self::NotifySend => vec!["--app-name", APP, "--icon", icon, "--urgency", word, "--", APP, &body],
            Self::Gdbus => {
                let hints = format!("{{'urgency': <byte {urgency}>}}");
                let method = format!("{SERVICE}.Notify");
                let body = literal(&body);
                let call = ["call", "--session", "--dest", SERVICE, "--object-path", OBJECT, "--method", &method];
                let arguments = ["--", APP, "0", icon, APP, &body, "[]", &hints, "-1"];
                return call.iter().chain(&arguments).map(|word| (*word).to_owned()).collect();
            }
            Self::Busctl => {
                let mut words = vec!["--user", "--quiet", "--", "call", SERVICE, OBJECT, SERVICE, "Notify"];
                words.extend(["susssasa{sv}i", APP, "0", icon, APP, &body, "0", "1", "urgency", "y", urgency, "-1"]);
                words
            }
        };
        words.into_iter().map(str::to_owned).collect()
    }
}

/// Text in which no desktop finds markup.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A string as `GVariant` writes it: gdbus reads its arguments so.
fn literal(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

#[cfg(test)]
mod test {
    use super::{TOOLS, Tool};
    use crate::cli::output::Weight;

    #[test]
    fn no_text_is_taken_for_markup_or_for_an_option() {
        for tool in TOOLS {
            let words = tool.words(Weight::Error, "--<b>x</b> & \"y\"");
            let body = words.iter().position(|word| word.contains("--&lt;b&gt;x&lt;/b&gt; &amp; ")).unwrap();
            let end = words.iter().position(|word| word == "--").unwrap();
            assert!(end < body, "{words:?}");
        }
        assert!(Tool::Gdbus.words(Weight::Info, "a\n\"b\"").contains(&r#""a\n\"b\"""#.to_owned()));
    }
}
