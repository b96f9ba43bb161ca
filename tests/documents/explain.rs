//! `vmrun explain` knows every table and key, in 80 columns.

use std::process::{Command, Output};
use vmrun::profile::reference::{Reference, first_sentence, schema};

fn explain(words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vmrun"));
    command.arg("explain").args(words).env("COLUMNS", "80").output().expect("vmrun runs")
}

/// The page about `words`, in lines of at most 80 columns.
fn page(words: &[&str]) -> String {
    let output = explain(words);
    let page = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success(), "{words:?}");
    assert!(page.lines().all(|line| line.chars().count() <= 80), "{words:?} is too wide\n{page}");
    page
}

/// `text` in one line of single spaces.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn refusal(word: &str) -> String {
    let output = explain(&[word]);
    assert_eq!(output.status.code(), Some(2), "{word}");
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr).expect("text")
}

#[test]
fn without_a_path_every_table_is_named() {
    let page = page(&[]);
    for table in Reference::of(&schema()).tables {
        assert!(page.contains(&table.header()), "{}", table.path);
    }
}

#[test]
fn the_page_of_a_table_names_each_key_and_its_first_sentence() {
    for table in Reference::of(&schema()).tables.iter().filter(|table| !table.path.is_empty()) {
        let page = flat(&page(&[&table.path]));
        for key in &table.keys {
            assert!(page.contains(&format!(" {} ", key.name)), "{}", table.path_of(key));
            assert!(page.contains(&flat(&first_sentence(&key.text))), "{}\n{page}", table.path_of(key));
        }
    }
}

#[test]
fn the_page_of_a_key_has_its_whole_text_and_its_choices() {
    let reference = Reference::of(&schema());
    let keys = reference.tables.iter().flat_map(|table| table.keys.iter().map(move |key| (table.path_of(key), key)));
    for (path, key) in keys {
        let page = flat(&page(&[&path]));
        assert!(page.contains(&flat(&key.text)), "{path}\n{page}");
        for choice in &key.choices {
            assert!(page.contains(&choice.value), "{path} has {}\n{page}", choice.value);
        }
    }
}

#[test]
fn a_path_may_be_copied_from_a_message_or_a_header() {
    assert_eq!(page(&["disk[0].file"]), page(&["disk.file"]));
    assert_eq!(page(&["[[disk]]"]), page(&["disk"]));
}

#[test]
fn a_key_that_only_one_table_has_needs_no_table() {
    assert_eq!(page(&["hide_kvm"]), page(&["cpu.hide_kvm"]));
    assert!(refusal("timeout").contains("it is a key of several tables: hook.timeout, stop.timeout"));
}

#[test]
fn an_unknown_path_is_refused_with_what_was_meant() {
    assert!(refusal("cpu.hide_kwm").contains("fix: vmrun explain cpu.hide_kvm   # did you mean this?"));
    assert!(refusal("dsik").contains("fix: vmrun explain disk   # did you mean this?"));
    assert!(refusal("toaster_oven").contains("fix: vmrun explain   # lists the tables"));
}
