//! Every command of vmrun in a document is one: its words are taken, and those that only look are run.

use crate::materials;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use vmrun::cli::args;

/// Commands that change nothing and need no guest.
const LOOKS: [&str; 9] = ["check", "plan", "explain", "why", "host", "list", "schema", "unit", "desktop-entry"];

/// A command line in a document.
struct Line {
    at: String,
    words: Vec<String>,
}

/// Lines of blocks that a shell is shown in: `$ vmrun …`, `# vmrun …`, and in blocks of `sh` what a person types.
fn lines() -> Vec<Line> {
    let mut found = Vec::new();
    for (name, text) in materials::documents() {
        let mut shell = "";
        for line in text.lines() {
            if let Some(language) = line.strip_prefix("```") {
                shell = if shell.is_empty() && matches!(language, "console" | "sh") { language } else { "" };
                continue;
            }
            let typed = match shell {
                "console" => line.strip_prefix("$ ").or_else(|| line.strip_prefix("# ")),
                "sh" => Some(line),
                _ => line.strip_prefix("    $ "),
            };
            let typed = typed.map(|line| line.trim_start_matches("sudo "));
            if let Some(typed) = typed.filter(|line| line.starts_with("vmrun ")) {
                let end = typed.find(" #").into_iter().chain(typed.find(['>', '|', '<', ';'])).min();
                let words = shlex::split(&typed[..end.unwrap_or(typed.len())]).expect("words of a shell");
                found.push(Line { at: format!("{name}: {typed}"), words });
            }
        }
    }
    assert!(found.len() > 20, "only {} commands", found.len());
    found
}

#[test]
fn every_command_in_a_document_is_one() {
    for Line { at, words } in lines() {
        let profile_alone = words.get(1).is_some_and(|word| Path::new(word).extension().is_some_and(|it| it == "toml"));
        let words: Vec<_> = match profile_alone {
            true => [&words[..1], &["run".to_owned()], &words[1..]].concat(),
            false => words,
        };
        if let Err(error) = args::command().try_get_matches_from(&words) {
            assert!(!error.use_stderr(), "{at}\n{error}");
        }
    }
}

#[test]
fn commands_in_documents_that_only_look_work() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("config/vmrun");
    fs::create_dir_all(&config).expect("a folder");
    for name in ["windows", "games", "win10"] {
        for place in [folder.path(), &config] {
            fs::copy(root.join("profiles/windows.toml"), place.join(format!("{name}.toml"))).expect("a copy");
        }
    }
    let mut ran = 0;
    for Line { at, words } in lines() {
        if !words.get(1).is_some_and(|word| LOOKS.contains(&word.as_str())) || words.iter().any(|it| it == "--install")
        {
            continue;
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_vmrun"));
        command.args(&words[1..]).current_dir(folder.path()).env("XDG_CONFIG_HOME", folder.path().join("config"));
        let output = command.stdin(Stdio::null()).output().expect("vmrun runs");
        let said = String::from_utf8_lossy(&output.stderr);
        let code = output.status.code().expect("it ends by itself");
        // What a host of tests lacks is told by these; a host that was described to nobody cannot be read.
        let known = matches!(code, 0 | 1 | 10..=14) && !said.contains("panicked");
        assert!(known && (code != 10 || said.contains("my-host.json")), "{at}\nexit {code}\n{said}");
        ran += 1;
    }
    assert!(ran > 5, "only {ran} were run");
}

#[test]
fn every_command_is_told_of_in_a_document() {
    let text: String = materials::documents().into_iter().map(|(_, text)| text).collect();
    let mut untold = Vec::new();
    for command in args::command().get_subcommands().filter(|it| it.get_name() != "help") {
        let name = command.get_name();
        let own = [format!("vmrun {name}"), format!("`{name}")];
        untold.extend((!own.iter().any(|words| told(&text, words))).then(|| name.to_owned()));
        let below = command.get_subcommands().filter(|it| it.get_name() != "help");
        let below = below.map(|it| format!("{name} {}", it.get_name()));
        untold.extend(below.filter(|words| !told(&text, words)));
    }
    assert_eq!(untold, Vec::<String>::new(), "contrib/doc/every-day.md has a table of commands");
}

/// Whether `words` stand in `text`, and not as the start of longer ones.
fn told(text: &str, words: &str) -> bool {
    let goes_on = |c: char| c.is_alphanumeric() || c == '-';
    text.match_indices(words).any(|(at, _)| !text[at + words.len()..].starts_with(goes_on))
}

#[test]
fn every_trouble_that_why_explains_is_found_by_its_symptom() {
    let chapter = materials::text("contrib/doc/troubleshooting.md");
    let output = Command::new(env!("CARGO_BIN_EXE_vmrun")).arg("why").output().expect("vmrun runs");
    let listed = String::from_utf8(output.stdout).expect("text");
    let ids = listed.lines().filter(|line| line.starts_with("  ")).filter_map(|line| line.split_whitespace().next());
    let ids: Vec<_> = ids.collect();
    assert!(ids.len() > 40, "only {} ids", ids.len());
    let missing: Vec<_> = ids.iter().filter(|id| !chapter.contains(&format!("`{id}`"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_exit_code_stands_in_its_chapter() {
    let chapter = materials::text("contrib/doc/exit-codes.md");
    let source = materials::text("src/cli/mod.rs");
    let (_, codes) = source.split_once("pub enum Exit {").expect("the codes");
    let (codes, _) = codes.split_once("\n}").expect("their end");
    let codes: Vec<&str> =
        codes.lines().filter_map(|line| line.strip_suffix(',')?.rsplit_once(" = ")).map(|it| it.1).collect();
    assert!(codes.len() > 20, "only {} codes", codes.len());
    let numbers: Vec<&str> = chapter.split(|c: char| !c.is_ascii_digit()).collect();
    let missing: Vec<_> = codes.iter().filter(|code| !numbers.contains(code)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
