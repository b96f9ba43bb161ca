//! The report of the demo guest; `src/guest` writes it.

/// What every line of the report begins with.
const PREFIX: &str = "vmrun-guest: ";

/// What the guest says first, at each of its boots.
const HELLO: &str = "hello 1";

/// The lines of a report: a word for the subject, then `key=value` pairs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    lines: Vec<String>,
}

impl Report {
    /// Takes a line that the guest wrote to its serial port; one that is no part of the report is passed over. A guest
    /// that was reset begins anew.
    pub fn hear(&mut self, line: &str) {
        let Some(line) = line.strip_prefix(PREFIX) else { return };
        if line == HELLO {
            self.lines.clear();
        }
        self.lines.push(line.to_owned());
    }

    /// The lines, without their prefix.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }

    /// Whether the guest got to its end.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.lines().any(|line| line == "done")
    }

    /// Value of `key` in the first line about `subject` that has it.
    #[must_use]
    pub fn value(&self, subject: &str, key: &str) -> Option<&str> {
        self.lines.iter().find_map(|line| about(line, subject, key))
    }

    /// Values of `key` in all lines about `subject`.
    pub fn values<'a>(&'a self, subject: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.lines.iter().filter_map(move |line| about(line, subject, key))
    }
}

/// Value of `key` in `line`, when that is about `subject`.
fn about<'a>(line: &'a str, subject: &str, key: &str) -> Option<&'a str> {
    pair(line.strip_prefix(subject)?.strip_prefix(' ')?, key)
}

/// Value of `key` among `pairs`; one in quotes may hold blanks.
fn pair<'a>(pairs: &'a str, key: &str) -> Option<&'a str> {
    let mut rest = pairs;
    while let Some((name, after)) = rest.split_once('=') {
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once(' ').unwrap_or((after, "")),
        };
        if name == key {
            return Some(value);
        }
        rest = next.trim_start();
    }
    None
}

#[cfg(test)]
mod test {
    use super::Report;

    fn report() -> Report {
        let mut report = Report::default();
        for line in [
            "SeaBIOS (version 1.16)",
            "vmrun-guest: cpu vendor=AuthenticAMD brand=\"QEMU TCG CPU version 2.5+\" family=15",
            "vmrun-guest: pci address=00:00.0 id=8086:29c0 class=0600",
            "vmrun-guest: pci address=01:00.0 id=1b36:000d class=0c03",
            "vmrun-guest: done",
        ] {
            report.hear(line);
        }
        report
    }

    #[test]
    fn values_are_found_by_subject_and_key() {
        assert_eq!(report().value("cpu", "brand"), Some("QEMU TCG CPU version 2.5+"));
        assert_eq!(report().value("cpu", "family"), Some("15"));
        assert_eq!(report().value("cpu", "bran"), None);
        assert_eq!(report().values("pci", "class").collect::<Vec<_>>(), ["0600", "0c03"]);
    }

    #[test]
    fn a_guest_that_was_reset_reports_anew() {
        let mut report = report();
        report.hear("vmrun-guest: hello 1");
        report.hear("vmrun-guest: pci address=00:00.0 id=8086:29c0 class=0600");
        assert_eq!(report.values("pci", "class").count(), 1);
        assert!(!report.is_whole());
    }

    #[test]
    fn a_report_is_whole_when_the_guest_said_so() {
        assert!(report().is_whole());
        assert!(!Report::default().is_whole());
    }
}
