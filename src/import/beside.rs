//! What a script does beside QEMU: companions, units, settings of the host, and conditions.

use super::argv::UNKNOWN_FOLDER;
use super::page::Page;
use super::report::{Fate, Report};
use super::setting::{self, Write, is_kernels};
use super::shell::{self, Command, End};
use super::table::Table;
use crate::profile::is_unit;
use std::collections::BTreeSet;

/// Commands before QEMU, or after it.
pub(super) struct Beside<'b> {
    pub(super) before: bool,
    /// Names of the script's functions.
    pub(super) functions: &'b BTreeSet<String>,
    pub(super) page: &'b mut Page,
    pub(super) report: &'b mut Report,
}

/// Words that begin or end a part of the script's course.
const COURSE: [&str; 15] = [
    "then", "else", "fi", "do", "done", "esac", "{", "}", "break", "continue", "shift", "return", "set", ";;",
    "function",
];
/// Words behind which a condition stands.
const CONDITIONS: [&str; 9] = ["if", "elif", "while", "until", "for", "case", "[", "[[", "test"];

impl Beside<'_> {
    /// Finds out what commands that feed each other are for.
    pub(super) fn pipeline(&mut self, line: &[Command]) {
        let whole = line.iter().enumerate();
        let bare: Vec<_> = whole.map(|(i, command)| if i == 0 { command.bare() } else { command.clone() }).collect();
        let fate = match self.written(&bare) {
            Some(fate) => fate,
            None if bare.len() == 1 => {
                let words: Vec<_> = bare[0].words.iter().map(|word| word.text.as_str()).collect();
                self.alone(&words, &bare[0])
            }
            None => self.fed(&bare),
        };
        line.iter().for_each(|command| self.note(command, fate.clone()));
    }

    /// Tells what became of `command`.
    pub(super) fn note(&mut self, command: &Command, fate: Fate) {
        let line = command.words.first().map_or(0, |word| word.line);
        self.report.note(line, command.line(), fate);
    }

    /// What became of settings of the host; `None` when `line` is none, or one that nobody knows.
    fn written(&mut self, line: &[Command]) -> Option<Fate> {
        let writes = setting::writes(line)?;
        let fates = writes.iter().map(|Write { path, value }| setting::apply(path, value, self.before, self.page));
        let fates: Vec<_> = fates.collect::<Option<_>>()?;
        let unsettled = fates.iter().find(|fate| !fate.is_settled()).cloned();
        unsettled.or_else(|| fates.into_iter().next())
    }

    fn alone(&mut self, words: &[&str], command: &Command) -> Fate {
        let own = |why: &str| Fate::Needless(why.into());
        match words {
            [name, ..] if self.functions.contains(*name) => own("what it calls is told where it stands"),
            ["sudo" | "doas", "-u", user, run @ ..] if command.end == End::Background => {
                self.companion(Some(user), run)
            }
            ["sudo" | "doas", rest @ ..] if rest.first().is_some_and(|word| !word.starts_with('-')) => {
                self.alone(rest, command)
            }
            [] | ["echo" | "printf", ..] if command.redirects.iter().any(|to| writes(to)) => {
                self.hook(std::slice::from_ref(command))
            }
            [] | ["sleep" | "wait" | "clear" | "exit" | "true" | ":", ..] => own("vmrun waits, and knows how it ended"),
            ["echo" | "printf", ..] => own("vmrun tells itself"),
            // `free -h` before the guest is there for whoever reads the terminal.
            [
                "free" | "date" | "uname" | "uptime" | "lscpu" | "lspci" | "lsusb" | "lsmod" | "nproc" | "id"
                | "whoami",
                ..,
            ] if !command.redirects.iter().any(|to| writes(to)) => {
                own("it only asks, and vmrun tells itself what it finds")
            }
            [word, ..] if COURSE.contains(word) => own("a part of the script's own course"),
            ["for", _, "in", path] if is_kernels(path) => own("what is written to each of these files is told there"),
            [word, ..] if CONDITIONS.contains(word) => self.condition(&command.line()),
            ["cd", to @ ..] => self.folder(to),
            ["trap", action, ..] => self.at_the_end(action),
            ["pgrep" | "pidof" | "ps", ..] => own("vmrun knows what it started"),
            ["pkill" | "kill" | "killall", names @ ..] => self.end_of(names, command),
            ["ulimit", ..] => own("vmrun raises the limit of locked memory itself"),
            ["modprobe", names @ ..]
                if names.iter().any(|name| name.starts_with("vfio") || name.starts_with("kvm")) =>
            {
                own("vmrun loads vfio-pci itself, and the host KVM")
            }
            ["virsh", "nodedev-detach" | "nodedev-reattach", ..] if self.page.count("pci") > 0 => {
                own("vmrun takes the functions of [[pci]] from their drivers, and gives them back")
            }
            ["systemctl", action, units @ ..] => self.units(action, units, command),
            ["service", unit, action] => self.units(action, &[unit], command),
            [word, ..] if word.starts_with('-') => {
                Fate::Lost("a comment above it ended QEMU's command, and the shell took this for a program".into())
            }
            run if command.end == End::Background && self.shares(run) => {
                Fate::Translated("source of the [[share]], whose virtiofsd vmrun starts itself".into())
            }
            run if command.end == End::Background => self.companion(None, run),
            _ => self.hook(std::slice::from_ref(command)),
        }
    }

    /// Commands that feed each other.
    fn fed(&mut self, line: &[Command]) -> Fate {
        let shown = shown(line);
        let (first, begins) = (line[0].first(), |words: &[&str], command: &Command| words.contains(&command.first()));
        if CONDITIONS.contains(&first) {
            return self.condition(&shown);
        }
        if line.iter().any(|command| begins(&COURSE, command) || begins(&CONDITIONS[..6], command)) {
            self.page.tail(format!(
                "To decide: `{shown}` is a part of the script's course; make a hook of it if it is needed."
            ));
            return Fate::Asked("whether the guest needs it; it is no command by itself".into());
        }
        self.hook(line)
    }

    /// Services that are started before the guest, and stopped after it.
    fn units(&mut self, action: &str, units: &[&str], command: &Command) -> Fate {
        let whole: Option<Vec<String>> = units.iter().map(|unit| whole(unit)).collect();
        match (action, whole) {
            ("start", Some(whole)) if self.before => {
                for unit in whole {
                    self.page.push("service").set("unit", unit);
                }
                Fate::Translated("a [[service]], stopped with the guest".into())
            }
            ("stop", Some(_)) if !self.before && units.iter().all(|unit| self.has_unit(unit)) => {
                Fate::Translated("the [[service]] is stopped with the guest".into())
            }
            ("status" | "is-active", _) => Fate::Needless("it only asks".into()),
            _ => self.hook(std::slice::from_ref(command)),
        }
    }

    fn has_unit(&mut self, unit: &str) -> bool {
        let stem = unit.strip_suffix(".service").unwrap_or(unit);
        let known = |known: &str| known.strip_suffix(".service").unwrap_or(known) == stem;
        self.page.list("service").iter().any(|service| service.text("unit").is_some_and(known))
    }

    /// Whether a companion is the program `name`.
    fn has_companion(&mut self, name: &str) -> bool {
        let name = name.rsplit('/').next().unwrap_or(name);
        let program = |service: &Table| {
            let run = service.get("run")?.as_array()?.first()?.as_str()?;
            Some(run.rsplit('/').next().unwrap_or(run).to_owned())
        };
        self.page.list("service").iter().any(|service| program(service).is_some_and(|program| program == name))
    }

    /// `kill` and its kin: what vmrun started it also ends.
    fn end_of(&mut self, names: &[&str], command: &Command) -> Fate {
        let last = names.last().copied().unwrap_or_default();
        // A number that the script remembered is that of something which it started.
        if last.starts_with("qemu") || last.starts_with('$') || self.has_companion(last) {
            return Fate::Needless("what vmrun started it also ends".into());
        }
        self.hook(std::slice::from_ref(command))
    }

    /// Both branches of a condition are read, so it matters what it asks.
    fn condition(&mut self, line: &str) -> Fate {
        let asked = ["EUID", "UID", "id -u", "pgrep", "pidof", "kill -0", "whoami", " ps "];
        if asked.iter().any(|word| line.contains(word)) {
            return Fate::Needless("vmrun asks itself whether it is root, and what runs".into());
        }
        self.page
            .tail(format!("To decide: `{line}` is not asked; what stands behind it is here as if it always held."));
        Fate::Asked("whether what stands behind it belongs to the guest".into())
    }

    fn folder(&mut self, to: &[&str]) -> Fate {
        let to = to.join(" ");
        if to.contains("dirname") || to.contains("BASH_SOURCE") {
            return Fate::Needless("paths of a profile start at its own folder; put it beside the script".into());
        }
        if !self.before {
            return Fate::Needless("nothing of the guest's depends on it".into());
        }
        self.page
            .tail(format!("To decide: relative paths of the script start in {to}; those here start at this file."));
        Fate::Asked("where relative paths start".into())
    }

    /// `trap`: what the script does however it ends.
    fn at_the_end(&mut self, action: &str) -> Fate {
        if matches!(action, "" | "-" | ":") {
            return Fate::Needless("a hook at post runs however the guest ends".into());
        }
        let functions = self.functions;
        let mut after = Beside { before: false, functions, page: &mut *self.page, report: &mut Report::default() };
        shell::read(action).commands.iter().for_each(|inner| after.pipeline(std::slice::from_ref(inner)));
        Fate::Asked("what of it is needed; a hook at post runs however the guest ends".into())
    }

    /// Whether `run` is the program behind a `[[share]]`, which then knows its folder.
    fn shares(&mut self, run: &[&str]) -> bool {
        let virtiofsd = run.first().is_some_and(|name| name.rsplit('/').next() == Some("virtiofsd"));
        let joined = run.iter().find_map(|word| word.strip_prefix("--shared-dir="));
        let next = run.windows(2).find(|pair| pair[0] == "--shared-dir").map(|pair| pair[1]);
        let waits = |share: &&mut Table| share.text("source") == Some(UNKNOWN_FOLDER);
        let mut waiting = self.page.list("share").iter_mut().filter(waits);
        // Of two, nobody knows which one it is for.
        let (Some(share), None) = (waiting.next(), waiting.next()) else { return false };
        let Some(folder) = joined.or(next).filter(|_| virtiofsd) else { return false };
        share.set("source", folder);
        true
    }

    /// A program that runs beside the guest.
    fn companion(&mut self, user: Option<&str>, run: &[&str]) -> Fate {
        if run.first().is_some_and(|name| self.has_companion(name)) {
            return Fate::Needless("it is a [[service]] already".into());
        }
        let table = self.page.push("service");
        table.set("run", run.iter().map(|word| toml::Value::from(*word)).collect::<Vec<_>>());
        table.maybe("user", user);
        if !self.before {
            table.set("start", "after");
        }
        Fate::Translated("a [[service]] that vmrun watches".into())
    }

    /// Writes `line` as a hook that is commented out.
    fn hook(&mut self, line: &[Command]) -> Fate {
        if line.iter().flat_map(|command| &command.redirects).any(|to| to.contains("<<")) {
            let shown = shown(line);
            self.page
                .tail(format!("To decide: `{shown}` has its text in the script; make a hook of both if it is needed."));
            return Fate::Asked("whether the guest needs it; its text stands in the script".into());
        }
        let shell = line.len() > 1 || line.iter().any(|command| !command.redirects.is_empty() || needs_shell(command));
        let words: Vec<_> = if shell {
            ["sh", "-c", &shown(line)].map(toml::Value::from).into()
        } else {
            line.iter().flat_map(|command| &command.words).map(|word| toml::Value::from(word.text.as_str())).collect()
        };
        let (when, at) = if self.before { ("before", "pre") } else { ("after", "post") };
        self.page.tail(format!("To decide: the script runs this {when} the guest. As a hook:"));
        self.page.tail("[[hook]]");
        self.page.tail(format!("at = \"{at}\""));
        self.page.tail(format!("run = {}", toml::Value::from(words)));
        Fate::Asked("whether the guest needs it; it is written as a hook that is commented out".into())
    }
}

/// Commands that feed each other, as a line for a shell.
fn shown(line: &[Command]) -> String {
    line.iter().map(Command::line).collect::<Vec<_>>().join(" | ")
}

/// Whether a redirection goes into a file.
fn writes(to: &str) -> bool {
    let target = to.trim_start_matches(|c: char| c.is_ascii_digit() || c == '&');
    let into = target.starts_with('>').then(|| target.trim_start_matches(['>', '|']));
    let devices = ["/dev/null", "/dev/stdout", "/dev/stderr", "/dev/tty"];
    into.is_some_and(|into| !into.is_empty() && !into.starts_with('&') && !devices.contains(&into))
}

/// Whether a word has what only a shell puts in.
fn needs_shell(command: &Command) -> bool {
    command.words.iter().any(|word| word.text.contains(['$', '*', '?']))
}

/// The whole name of the unit that systemctl takes `word` for; `None` for what a `[[service]]` cannot name.
fn whole(word: &str) -> Option<String> {
    let whole = if word.contains('.') { word.to_owned() } else { format!("{word}.service") };
    is_unit(&whole).then_some(whole)
}
