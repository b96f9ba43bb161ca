//! The direction of dependencies in `src/`, held against a table.
//!
//! A floor may name itself and what its row allows. The pure floors do no input or output, and only `cli` prints. Source
//! is read as words, without comments, literals and the tests at its end; names brought in under another name
//! (`use std::io as x`) are not followed.

use std::fs;
use std::io;
use std::path::Path;

/// Each floor and the floors it may name, from the door down.
const FLOORS: [(&str, &[&str]); 16] = [
    (
        "cli",
        &[
            "supervise",
            "demo",
            "doctor",
            "apply",
            "qemu",
            "import",
            "export",
            "isolate",
            "profile",
            "process",
            "plan",
            "host",
            "unit",
            "demo_image",
        ],
    ),
    ("supervise", &["apply", "qemu", "import", "profile", "process", "plan", "host", "unit", "demo_image"]),
    ("doctor", &["isolate", "plan", "host", "unit"]),
    ("demo", &["profile", "plan", "unit", "demo_image"]),
    ("apply", &["profile", "process", "plan", "host", "unit", "demo_image"]),
    ("qemu", &["profile", "process", "plan", "host", "unit", "demo_image"]),
    ("import", &["profile", "plan", "host", "unit"]),
    ("export", &["plan", "unit"]),
    ("isolate", &["plan", "host", "unit"]),
    ("profile", &["plan", "host", "unit"]),
    ("process", &["plan", "host", "unit"]),
    ("plan", &["unit"]),
    ("host", &["unit"]),
    ("unit", &[]),
    ("demo_image", &[]),
    ("lib", &[]),
];

/// Floors that are functions of their input.
const PURE: [&str; 7] = ["unit", "plan", "profile", "import", "export", "isolate", "doctor"];

/// What the pure floors leave alone.
const EFFECTS: [&[&str]; 4] = [&["std", "fs"], &["std", "process"], &["tokio"], &["nix"]];

/// Where printing is allowed.
const DOOR: &str = "cli";

/// Macros that print.
const PRINTERS: [&str; 5] = ["print", "println", "eprint", "eprintln", "dbg"];

/// Modules of any crate whose `stdout` and `stderr` are the process's own.
const STREAMS: [&str; 3] = ["io", "stdio", "anstream"];

#[test]
fn dependencies_point_down() {
    let sources = sources(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))).unwrap();
    for floor in ["cli", "supervise", "apply", "qemu", "profile", "process", "plan", "host", "unit", "lib"] {
        assert!(sources.iter().any(|source| source.floor() == floor), "no file of `{floor}` was read");
    }
    let found: Vec<String> = sources.iter().flat_map(complaints).collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// A file below `src/`, and its text.
struct Source {
    file: String,
    text: String,
}

impl Source {
    /// First part of its path: `host` for `host/cpu.rs` and for `host.rs`.
    fn floor(&self) -> &str {
        self.file.split(['/', '.']).next().unwrap_or_default()
    }

    /// How many `super` lead from its module to the crate: 1 for `host/mod.rs`, 2 for `host/cpu.rs`.
    fn depth(&self) -> usize {
        let parts = self.file.split('/').count();
        if self.file.ends_with("/mod.rs") { parts - 1 } else { parts }
    }
}

/// All files below `src` but the door itself, which calls `cli` and nothing else, the guest, a program for a machine
/// without an operating system that is not part of this crate, and files of tests.
fn sources(src: &Path) -> io::Result<Vec<Source>> {
    let mut found = Vec::new();
    let mut folders = vec![src.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let file = path.strip_prefix(src).unwrap_or(&path).to_string_lossy().into_owned();
            if path.is_dir() && file != "guest" {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") && file != "main.rs" && !file.ends_with("/test.rs")
            {
                found.push(Source { text: fs::read_to_string(&path)?, file });
            }
        }
    }
    found.sort_by(|a, b| a.file.cmp(&b.file));
    Ok(found)
}

/// Everything in `source` that its floor may not do.
fn complaints(source: &Source) -> Vec<String> {
    let Some((floor, allowed)) = FLOORS.iter().find(|(floor, _)| *floor == source.floor()) else {
        return vec![format!("src/{}: `{}` is no floor of the table in tests/floors.rs", source.file, source.floor())];
    };
    let mut found = Vec::new();
    for path in paths(&words(without_tests(&source.text))) {
        let path = from_the_crate(path, source.depth());
        let segments: Vec<&str> = path.iter().map(String::as_str).collect();
        let what = upward(floor, allowed, &segments)
            .or_else(|| effect(floor, &segments))
            .or_else(|| printing(floor, &segments));
        found.extend(what.map(|what| format!("src/{}: {what}", source.file)));
    }
    found
}

/// The same path beginning with `crate`, when as many `super` as lead there are at its start.
fn from_the_crate(mut path: Vec<String>, depth: usize) -> Vec<String> {
    let up = path.iter().take_while(|segment| *segment == "super").count();
    if up > 0 && up >= depth {
        path.splice(..up, ["crate".to_owned()]);
    }
    path
}

fn upward(floor: &str, allowed: &[&str], path: &[&str]) -> Option<String> {
    let ["crate" | "vmrun", target, ..] = path else { return None };
    let down = *target == floor || allowed.contains(target);
    (!down).then(|| format!("`{floor}` names `{}`", path.join("::")))
}

fn effect(floor: &str, path: &[&str]) -> Option<String> {
    let reached = EFFECTS.iter().any(|effect| path.starts_with(effect));
    (reached && PURE.contains(&floor)).then(|| format!("`{floor}` is pure and names `{}`", path.join("::")))
}

fn printing(floor: &str, path: &[&str]) -> Option<String> {
    let prints = match path {
        [.., name, "!"] => PRINTERS.contains(name),
        [.., module, "stdout" | "stderr"] => STREAMS.contains(module),
        _ => false,
    };
    (prints && floor != DOOR).then(|| format!("`{floor}` prints with `{}`", path.join("::").replace("::!", "!")))
}

/// The text before the tests, which stand last in a file.
fn without_tests(text: &str) -> &str {
    let end = text.find("#[cfg(test)]\nmod test {").unwrap_or(text.len());
    &text[..end]
}

/// The words of Rust source: names, `::` and single signs; comments and literals are left out.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let skip = skipped(rest).unwrap_or(0);
        rest = &rest[skip..];
        let length = if skip > 0 { 0 } else { word(rest) };
        words.extend((length > 0).then(|| &rest[..length]));
        rest = &rest[length..];
    }
    words
}

/// Length of the word that `text` begins with.
fn word(text: &str) -> usize {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    if text.starts_with(is_name) {
        return text.find(|c| !is_name(c)).unwrap_or(text.len());
    }
    if text.starts_with("::") { 2 } else { text.chars().next().map_or(0, char::len_utf8) }
}

/// Length of the white space, comment or literal that `text` begins with.
fn skipped(text: &str) -> Option<usize> {
    let blank = text.len() - text.trim_start().len();
    if blank > 0 {
        return Some(blank);
    }
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if text.starts_with("/*") {
        return Some(text.find("*/").map_or(text.len(), |end| end + 2));
    }
    raw_string(text).or_else(|| quoted(text)).or_else(|| character(text))
}

/// `r"…"`, `r#"…"#`, `br"…"`.
fn raw_string(text: &str) -> Option<usize> {
    let after = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    let body = after[hashes..].strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let end = body.find(&close).map_or(body.len(), |end| end + close.len());
    Some(text.len() - body.len() + end)
}

/// `"…"`, with or without the `b` or `c` before it.
fn quoted(text: &str) -> Option<usize> {
    let body = text.strip_prefix(['b', 'c']).unwrap_or(text).strip_prefix('"')?;
    let mut escaped = false;
    let end = body.find(|c| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    Some(text.len() - body.len() + end.map_or(body.len(), |end| end + 1))
}

/// `'x'`, `'\n'`, `b'x'`; not a lifetime, which has no second quote.
fn character(text: &str) -> Option<usize> {
    let body = text.strip_prefix('b').unwrap_or(text).strip_prefix('\'')?;
    let length = match body.strip_prefix('\\') {
        Some(escape) => 1 + escape.char_indices().skip(1).find(|(_, c)| *c == '\'')?.0,
        None => body.chars().next()?.len_utf8(),
    };
    body[length..].starts_with('\'').then(|| text.len() - body.len() + length + 1)
}

/// All paths, the trees of `use` spread out: `std::{fs, io::Read}` is `std::fs` and `std::io::Read`. A macro ends in `!`.
fn paths(words: &[&str]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < words.len() {
        at = path(words, at, &[], &mut found).max(at + 1);
    }
    found
}

/// Reads the path at `at` below `parent`, and returns where it ends.
fn path(words: &[&str], at: usize, parent: &[String], found: &mut Vec<Vec<String>>) -> usize {
    let sign = |at: usize| words.get(at).copied().unwrap_or_default();
    let mut segments = parent.to_vec();
    // `::std::fs` is `std::fs`.
    let mut at = if sign(at) == "::" { at + 1 } else { at };
    while sign(at).starts_with(|c: char| c.is_alphabetic() || c == '_') {
        segments.push(sign(at).to_owned());
        at += 1;
        match (sign(at), sign(at + 1)) {
            ("::", "{") => return group(words, at + 2, &segments, found),
            ("::", _) => at += 1,
            ("!", _) => segments.push("!".to_owned()),
            _ => break,
        }
    }
    if segments.len() > parent.len() {
        found.push(segments);
    }
    at
}

/// Reads the members of a group up to its closing brace, and returns where it ends.
fn group(words: &[&str], mut at: usize, parent: &[String], found: &mut Vec<Vec<String>>) -> usize {
    while at < words.len() && words[at] != "}" {
        at = path(words, at, parent, found).max(at + 1);
    }
    at + 1
}

mod test {
    use super::{Source, complaints, sources};

    fn of(floor: &str, text: &str) -> Vec<String> {
        complaints(&Source { file: format!("{floor}/x.rs"), text: text.to_owned() })
    }

    #[test]
    fn down_is_allowed_and_floors_may_be_skipped() {
        assert_eq!(of("profile", "use crate::plan::Draft;\nuse crate::unit::{Bdf, Size};"), [""; 0]);
        assert_eq!(of("cli", "use crate::unit::Bdf;\nuse crate::demo;\nfn f() { crate::cli::g() }"), [""; 0]);
    }

    #[test]
    fn up_and_sideways_are_refused() {
        let cases = [
            ("unit", "use crate::plan::Draft;"),
            ("plan", "use crate::host::Host;"),
            ("host", "use crate::plan::Plan;"),
            ("qemu", "use crate::apply::Lease;"),
            ("apply", "use crate::import::xml;"),
            ("process", "use crate::profile::Profile;"),
            ("profile", "use crate::process::Child;"),
            ("demo", "use crate::qemu::spawn;"),
            ("supervise", "use crate::cli::render;"),
        ];
        for (floor, text) in cases {
            assert_eq!(of(floor, text).len(), 1, "{floor}: {text}");
        }
    }

    #[test]
    fn every_way_to_write_a_path_is_seen() {
        let cases = [
            "fn f(host: &crate::host::Host) {}",
            "pub(crate) use crate::{unit::Bdf, host::Host};",
            "use crate::{unit::{Bdf, Size}, host};",
            "use crate::{\n    host::{self},\n};",
            "use crate :: host;",
            "use super::super::host::Host;",
            "use vmrun::host::Host;",
            "crate::host::warn!(1);",
            "const C: char = '\"'; use crate::host; const D: &str = \"\";",
            "const C: char = '\\''; use crate::host; const D: char = '\\u{27}';",
            "const R: &str = r#\"a \" b\"#; use crate::host;",
            "fn f<'a>(x: &'a str) -> crate::host::Host { 'a: loop {} }",
            "/* a */ use crate::host; // b",
        ];
        for text in cases {
            assert_eq!(of("plan", text).len(), 1, "{text}");
        }
    }

    #[test]
    fn a_file_of_the_floor_with_the_name_of_another_floor_is_its_own() {
        assert_eq!(of("plan", "use super::host::X;\nuse super::{host, qemu::Y};"), [""; 0]);
        let deep = |text: &str| complaints(&Source { file: "plan/argv/x.rs".to_owned(), text: text.to_owned() });
        assert_eq!(deep("use super::super::host::X;"), [""; 0]);
        assert_eq!(deep("use super::super::super::host::X;").len(), 1);
        let module = |text: &str| complaints(&Source { file: "plan/mod.rs".to_owned(), text: text.to_owned() });
        assert_eq!(module("use super::host::X;").len(), 1);
    }

    #[test]
    fn what_is_only_said_is_no_dependency() {
        let cases = [
            "//! As [`crate::host::Host`].\n/* crate::host */",
            "const T: &str = \"use crate::host; \\\" println!()\";",
            "const T: &str = r#\"crate::host \" std::fs\"#;",
            "const T: &[u8] = b\"crate::host\";",
        ];
        for text in cases {
            assert_eq!(of("plan", text), [""; 0], "{text}");
        }
    }

    #[test]
    fn effects_are_refused_on_pure_floors_only() {
        let cases = [
            "use std::fs;",
            "use std::{fmt, fs::File};",
            "use std::process::Command;",
            "fn f() { std::fs::read(p); }",
            "fn f() { ::std::fs::read(p); }",
            "use tokio::net::UnixStream;",
            "use nix::unistd::Pid;",
        ];
        for text in cases {
            for floor in ["unit", "plan", "profile", "import"] {
                assert_eq!(of(floor, text).len(), 1, "{floor}: {text}");
            }
            assert_eq!(of("apply", text), [""; 0], "{text}");
        }
        assert_eq!(of("plan", "use std::path::PathBuf; use std::collections::BTreeMap; let tokio_like = 1;"), [""; 0]);
    }

    #[test]
    fn only_the_door_prints() {
        let cases = [
            "fn f() { println!(\"x\") }",
            "fn f() { eprintln!(\"x\") }",
            "fn f() { print!(\"x\") }",
            "fn f() { eprint!(\"x\") }",
            "fn f() { dbg!(x); }",
            "fn f() { std::println!(\"x\") }",
            "fn f() { std::io::stdout() }",
            "use std::io::{Write, stderr};",
            "fn f() { io::stderr().lock() }",
            "fn f() { anstream::stdout() }",
        ];
        for text in cases {
            assert_eq!(of("supervise", text).len(), 1, "{text}");
            assert_eq!(of("cli", text), [""; 0], "{text}");
        }
        assert_eq!(of("host", "fn f() { command.stdout(Stdio::null()); child.stderr.take(); writeln!(f) }"), [""; 0]);
    }

    #[test]
    fn tests_at_the_end_of_a_file_may_do_as_they_like() {
        let tests = "#[cfg(test)]\nmod test {\n    use std::fs;\n    fn f() { println!(\"x\") }\n}\n";
        assert_eq!(of("plan", tests), [""; 0]);
        assert_eq!(of("plan", &format!("use std::fs;\n{tests}")).len(), 1);
    }

    #[test]
    fn a_folder_that_is_no_floor_is_refused() {
        assert_eq!(of("utils", "").len(), 1);
        assert_eq!(of("cli", "use crate::utils;").len(), 1);
    }

    #[test]
    fn the_door_the_guest_and_tests_are_not_read() {
        let folder = tempfile::tempdir().unwrap();
        for file in
            ["main.rs", "lib.rs", "guest/main.rs", "guest/deep/y.rs", "host/mod.rs", "host/guest/x.rs", "host/test.rs"]
        {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let files: Vec<_> = sources(folder.path()).unwrap().into_iter().map(|source| source.file).collect();
        assert_eq!(files, ["host/guest/x.rs", "host/mod.rs", "lib.rs"]);
    }
}
