//! A switch or a number of a domain that is another makes another profile, or another report.

use crate::silence::{domain, planned};
use std::collections::{BTreeMap, BTreeSet};
use vmrun::import::{Import, import};

/// Attributes, by the path of their element, that may be what they like, and why.
const FREE: [(&str, &str); 23] = [
    ("domain/cpu/numa/cell/distances/sibling@id", "distances stand in their order"),
    ("domain/cpu/numa/cell@id", "cells stand in their order"),
    ("domain/cputune/iothreadsched@iothreads", "as many iothreads have the class"),
    ("domain/cputune/memorytune/node@id", "each node has the same share"),
    ("domain/devices/audio@id", "there is one card and one back end"),
    ("domain/devices/controller/address@multifunction", "it follows from who else is in the slot"),
    ("domain/devices/controller@index", "it names the controller, and there is one"),
    ("domain/devices/graphics@autoport", "a port is given beside it"),
    ("domain/devices/hostdev/address@multifunction", "it follows from who else is in the slot"),
    ("domain/devices/interface/address@multifunction", "it follows from who else is in the slot"),
    ("domain/devices/interface/driver/guest@csum", "others are off beside it, and all of them are told to be"),
    ("domain/devices/interface/driver/guest@tso4", "as above"),
    ("domain/devices/interface/driver/guest@tso6", "as above"),
    ("domain/devices/interface/driver/host@csum", "as above"),
    ("domain/devices/interface/driver/host@gso", "as above"),
    ("domain/devices/interface/driver/host@tso4", "as above"),
    ("domain/devices/interface/driver/host@tso6", "as above"),
    ("domain/devices/interface/target@managed", "a tap device is the one of that name in any case"),
    ("domain/devices/rng/address@multifunction", "it follows from who else is in the slot"),
    ("domain/devices/serial/target@port", "ports stand in their order"),
    ("domain/devices/vsock/cid@auto", "a number is given beside it"),
    ("domain/iothreadids/iothread@id", "an iothread is there for the disk that names it"),
    ("domain/qemu:commandline/qemu:env@value", "the variable is told as one that nothing reads"),
];

/// How many domains are tried for each attribute: in some, another one decides.
const TRIES: usize = 4;

/// What is made of `text`, and told of it, without the places; `None` when it is refused.
fn outcome(text: &str) -> Option<String> {
    let Import { profile, report, .. } = import("guest.xml", text.as_bytes()).ok()?;
    let told = report.entries.iter().map(|entry| format!("{} {}\n", entry.fate.word(), entry.fate.why()));
    Some(told.fold(profile, |all, line| all + &line))
}

/// The other value of a switch, or another number.
fn other(value: &str) -> Option<String> {
    Some(match value {
        "on" => "off".to_owned(),
        "off" => "on".to_owned(),
        "yes" => "no".to_owned(),
        "no" => "yes".to_owned(),
        number => (number.parse::<u64>().ok()? + 1).to_string(),
    })
}

/// Attributes of the start of an element, `<name a='1' b='2'>`.
fn attributes(line: &str) -> impl Iterator<Item = (&str, &str)> {
    let pairs = line.split_once('>').map_or(line, |(start, _)| start).split("' ");
    pairs.filter_map(|pair| {
        let (name, value) = pair.rsplit_once("='")?;
        Some((name.rsplit(' ').next()?, value.trim_end_matches(['/', '\''])))
    })
}

/// Each attribute with another value: its path, and the whole text.
fn changed(text: &str) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let mut path: Vec<&str> = Vec::new();
    let mut at = 0;
    for line in text.lines() {
        let element = line.trim();
        let name = element.trim_start_matches('<').split([' ', '>', '/']).next().unwrap_or_default();
        if element.starts_with("</") {
            path.pop();
        } else {
            path.push(name);
            for (attribute, value) in attributes(element) {
                let Some(new) = other(value) else { continue };
                let new = line.replacen(&format!(" {attribute}='{value}'"), &format!(" {attribute}='{new}'"), 1);
                let text = format!("{}{new}{}", &text[..at], &text[at + line.len()..]);
                all.push((format!("{}@{attribute}", path.join("/")), text));
            }
            if element.ends_with("/>") || element.contains("</") {
                path.pop();
            }
        }
        at += line.len() + 1;
    }
    all
}

#[test]
fn a_switch_or_a_number_of_a_domain_is_read_or_told() {
    let mut tried: BTreeMap<String, usize> = BTreeMap::new();
    let mut read = BTreeSet::new();
    for planned in planned() {
        let text = domain(&planned);
        let was = outcome(&text);
        for (path, text) in changed(&text) {
            let tries = tried.entry(path.clone()).or_default();
            if *tries < TRIES && !read.contains(&path) {
                *tries += 1;
                if outcome(&text) != was {
                    read.insert(path);
                }
            }
        }
    }
    assert!(tried.len() > 100, "only {} attributes", tried.len());
    let unread: Vec<&str> = tried.keys().filter(|path| !read.contains(*path)).map(String::as_str).collect();
    let free: Vec<&str> = FREE.iter().map(|(path, _)| *path).collect();
    assert_eq!(unread, free, "read them, or tell them");
}
