use super::{Layered, MAX_BYTES, MAX_MISTAKES, Mistake, Sheets, decode, read};
use crate::unit::GuestName;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read only to see what is refused")]
struct Sample {
    name: GuestName,
    schema: u8,
    #[serde(default)]
    cpu: Cpu,
    #[serde(default)]
    pci: Vec<Pci>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Cpu {
    vcpus: Option<u32>,
    pin: Vec<u8>,
    hide_kvm: Option<bool>,
    mode: Option<Mode>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Mode {
    HostPassthrough,
    Named,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read only to see what is refused")]
struct Pci {
    host: String,
    addr: u8,
    rom: Option<String>,
}

const HEAD: &str = "name = \"win\"\nschema = 1\n";

/// What the mistakes of `body` below a good head say: place, what, help.
fn told(body: &str) -> Vec<String> {
    whole(&format!("{HEAD}{body}"))
}

impl Layered for Sample {}

fn sheets(text: &str) -> Sheets {
    Sheets::new("x.toml", "/vm", text)
}

fn whole(text: &str) -> Vec<String> {
    read::<Sample>(&sheets(text))
        .expect_err("it has mistakes")
        .mistakes
        .into_iter()
        .map(|mistake| line(text, &mistake))
        .collect()
}

fn line(text: &str, Mistake { span, what, help }: &Mistake) -> String {
    let place = text[span.clone()].escape_debug();
    help.as_ref().map_or_else(|| format!("{place}: {what}"), |help| format!("{place}: {what} ({help})"))
}

#[test]
fn a_good_file_is_read() {
    let (sample, _) = read::<Sample>(&sheets(&format!("{HEAD}[cpu]\nvcpus = 4\n"))).unwrap();
    assert_eq!(sample.cpu.vcpus, Some(4));
}

#[test]
fn an_unknown_key_comes_with_the_known_one_that_looks_like_it() {
    assert_eq!(told("[cpu]\nvcpu = 4\n"), ["vcpu: unknown key `vcpu` in [cpu] (did you mean `vcpus`?)"]);
    assert_eq!(
        told("[cpu]\nHide-KVM = true\n"),
        ["Hide-KVM: unknown key `Hide-KVM` in [cpu] (did you mean `hide_kvm`?)"]
    );
}

#[test]
fn an_unknown_key_that_looks_like_none_comes_with_the_list() {
    assert_eq!(
        told("[cpu]\nturbo = true\n"),
        ["turbo: unknown key `turbo` in [cpu] (the keys here are vcpus, pin, hide_kvm, mode)"]
    );
}

#[test]
fn a_wrong_type_is_told_in_plain_words() {
    assert_eq!(
        told("[cpu]\nvcpus = \"4\"\n"),
        ["\\\"4\\\": expected a whole number from 0 to 4294967295, found the text \"4\" (write it without quotes: 4)"]
    );
    assert_eq!(told("[cpu]\nhide_kvm = 1\n"), ["1: expected true or false, found the number 1"]);
    assert_eq!(told("cpu = 7\n"), ["7: expected a table, found the number 7"]);
}

#[test]
fn a_number_out_of_range_is_told_with_the_range() {
    assert_eq!(told("[cpu]\nvcpus = -1\n"), ["-1: expected a whole number from 0 to 4294967295, found the number -1"]);
}

#[test]
fn a_word_that_is_no_choice_comes_with_the_choices() {
    assert_eq!(
        told("[cpu]\nmode = \"host-pasthrough\"\n"),
        ["\\\"host-pasthrough\\\": `host-pasthrough` is not one of the choices (did you mean `host-passthrough`?)"]
    );
    assert_eq!(
        told("[cpu]\nmode = \"kvm\"\n"),
        ["\\\"kvm\\\": `kvm` is not one of the choices (the choices are host-passthrough, named)"]
    );
    assert_eq!(
        told("[cpu]\nmode = { host-passthrough = [1] }\n"),
        ["[1]: `host-passthrough` takes no value (write mode = \"host-passthrough\")"]
    );
}

#[test]
fn a_value_that_its_type_refuses_says_why() {
    let told = whole("name = \"a b\"\nschema = 1\n");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("\\\"a b\\\": `a b` "), "{told:?}");
}

#[test]
fn every_missing_key_of_a_table_is_told() {
    let mut keys = told("[[pci]]\nrom = \"x\"\n");
    keys.sort();
    assert_eq!(
        keys,
        [
            "[[pci]]: [[pci]] has no `addr` (add `addr = …` below [[pci]])",
            "[[pci]]: [[pci]] has no `host` (add `host = …` below [[pci]])",
        ]
    );
    assert_eq!(
        whole(""),
        [
            ": the file has no `name` (add `name = …` above the first table)",
            ": the file has no `schema` (add `schema = …` above the first table)",
        ]
    );
}

#[test]
fn all_mistakes_of_a_file_are_told_at_once_in_their_order() {
    let body =
        "[[pci]]\nhots = \"a\"\naddr = \"b\"\n[[pci]]\nhost = 1\naddr = 1\n[cpu]\npin = [1, \"x\", 2, 300]\nmode = 8\n";
    let places: Vec<_> = told(body).into_iter().map(|line| line.split_once(": ").unwrap().0.to_owned()).collect();
    assert_eq!(places, ["hots", "\\\"b\\\"", "1", "\\\"x\\\"", "300", "8"]);
}

#[test]
fn a_key_that_was_wrong_is_not_missing_as_well() {
    assert_eq!(
        told("[[pci]]\nhost = 1\naddr = 1\n"),
        ["1: expected a text in quotes, found the number 1 (put it in quotes, with its unit if it has one: \"1\")"]
    );
}

#[test]
fn one_table_where_a_list_of_tables_belongs_is_told_as_such() {
    assert_eq!(
        told("[pci]\nhost = \"a\"\naddr = 1\n"),
        ["[pci]: [pci] makes one table, and `pci` is a list of tables (write [[pci]])"]
    );
    assert_eq!(
        told("[[cpu]]\nvcpus = 1\n"),
        ["[[cpu]]: [[cpu]] makes a list of tables, and there is one `cpu` only (write [cpu] once)"]
    );
}

#[test]
fn text_without_quotes_is_told_beside_other_mistakes() {
    assert_eq!(
        whole("name = windows\nschema = 1\n[cpu]\nvcpu = 4\n"),
        [
            "windows: the text `windows` is not in quotes (put it in quotes: \"windows\")",
            "vcpu: unknown key `vcpu` in [cpu] (did you mean `vcpus`?)",
        ]
    );
}

#[test]
fn a_key_given_twice_names_the_first_line() {
    assert_eq!(
        told("[cpu]\nvcpus = 1\nvcpus = 2\n"),
        ["vcpus: `vcpus` is given a second time (it is given first on line 4)"]
    );
}

#[test]
fn several_mistakes_of_syntax_are_told_one_a_line() {
    let told = told("[cpu\nvcpus = 1\nfoo\n= 3\n");
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].contains("the header of the table is not closed"), "{told:?}");
}

#[test]
fn an_array_left_open_is_told_where_it_opens() {
    let told = told("[cpu]\npin = [1, 2\n");
    assert_eq!(told, ["[: the array that opens here is not closed (close it with `]`)"]);
}

#[test]
fn what_follows_an_array_left_open_is_not_told_as_a_mistake_of_its_own() {
    let told = told("[cpu]\npin = [1, 2\nmode = \"named\"\n[[pci]]\nhost = \"a\"\naddr = 1\n");
    assert_eq!(told, ["[: the array that opens here is not closed (close it with `]`)"]);
}

#[test]
fn a_nul_in_a_text_is_refused() {
    assert_eq!(
        told("[cpu]\nmode = \"a\\u0000\"\n")[0],
        "\\\"a\\\\u0000\\\": the text has a NUL, which no program can be given"
    );
}

#[test]
fn nesting_without_end_is_refused() {
    assert!(told(&format!("x = {}", "[".repeat(50_000)))[0].contains("nested more than 80 deep"));
    assert!(!told(&vec!["a"; 20_000].join(".")).is_empty());
}

#[test]
fn a_file_full_of_mistakes_is_told_up_to_a_bound() {
    let body: String = (0..200).fold(String::new(), |text, n| text + &format!("key{n} = 1\n"));
    assert_eq!(told(&body).len(), MAX_MISTAKES);
}

#[test]
fn a_file_that_is_not_text_is_refused_with_the_byte() {
    assert_eq!(decode(b"a = \"\xff\"").unwrap_err().what, "byte 5 of the file, 0xff, is not UTF-8");
    assert_eq!(decode(b"a\0").unwrap_err().what, "byte 1 of the file is a NUL, so this is no text file");
}

#[test]
fn a_file_of_more_than_a_mebibyte_is_refused() {
    assert_eq!(decode(&vec![b'#'; MAX_BYTES]).unwrap().len(), MAX_BYTES);
    assert!(decode(&vec![b'#'; MAX_BYTES + 1]).unwrap_err().what.contains("1048577 bytes"));
}

#[test]
fn a_key_path_leads_to_its_value_or_to_the_table_around_it() {
    let text = format!("{HEAD}[cpu]\npin = [1, 2]\n[[pci]]\nhost = \"a\"\naddr = 1\n");
    let (_, keys) = read::<Sample>(&sheets(&text)).unwrap();
    let at = |path| keys.span_of(path).map(|span| &text[span]);
    assert_eq!(at("cpu.pin[1]"), Some("2"));
    assert_eq!(at("cpu.pin[7]"), Some("[1, 2]"));
    assert_eq!(at("pci[0].host"), Some("\"a\""));
    assert_eq!(at("pci[0].rom"), Some("[[pci]]"));
    assert_eq!(at("cpu.mode"), Some("[cpu]"));
    assert_eq!(at("memory.size"), None);
    assert!(keys.has("pci[0].host") && !keys.has("pci[0].rom"));
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic_or_point_outside(text in "[a-z\\[\\]{}=.,\"' \n0-9#é\\\\-]{0,80}") {
        for mistake in read::<Sample>(&sheets(&text)).err().map_or_else(Vec::new, |rejection| rejection.mistakes) {
            proptest::prop_assert!(text.get(mistake.span).is_some());
        }
    }
}
