//! `<cachetune>` and `<memorytune>` become a guest's share, where a profile can say it.

use toml::Table;
use vmrun::import::{Entry, Fate, import};

/// `[tune]` of a domain with `tune` in its `<cputune>`, and what was said of it.
fn tuned(tune: &str) -> (Option<Table>, Vec<String>) {
    let xml = format!(
        "<domain type='kvm'><name>a</name><memory>1048576</memory><vcpu>4</vcpu><os><type machine='q35'>hvm</type></os>\
         <cputune>{tune}</cputune></domain>"
    );
    let made = import("a.xml", xml.as_bytes()).unwrap_or_else(|problem| panic!("{}", problem.what));
    let root: Table = made.profile.parse().unwrap_or_else(|error| panic!("{error}\n{}", made.profile));
    let lost = |entry: &Entry| match &entry.fate {
        Fate::Lost(why) => Some(format!("{}: {why}", entry.what)),
        _ => None,
    };
    (root.get("tune").and_then(|tune| tune.as_table().cloned()), made.report.entries.iter().filter_map(lost).collect())
}

fn table(text: &str) -> Table {
    text.parse().expect("it is TOML")
}

#[test]
fn a_share_of_each_cache_and_of_the_bandwidth_is_the_guests() {
    let (tune, lost) = tuned(
        "<cachetune vcpus='0-3'><cache id='0' level='3' type='both' size='6' unit='MiB'/>\
         <cache id='1' level='3' type='both' size='6144' unit='KiB'/></cachetune>\
         <memorytune vcpus='0-3'><node id='0' bandwidth='60'/><node id='1' bandwidth='60'/></memorytune>",
    );
    assert_eq!((tune, lost), (Some(table("l3_cache = \"6M\"\nmemory_bandwidth = 60\n")), Vec::new()));
}

#[test]
fn what_some_vcpus_have_of_one_cache_and_what_others_have_is_added() {
    let (tune, lost) = tuned(
        "<cachetune vcpus='0-1'><cache id='0' level='3' type='both' size='2' unit='MiB'/></cachetune>\
         <cachetune vcpus='2-3'><cache id='0' level='3' type='both' size='4' unit='MiB'/></cachetune>",
    );
    assert_eq!((tune, lost), (Some(table("l3_cache = \"6M\"\n")), Vec::new()));
}

#[test]
fn code_and_data_of_one_size_are_one_share() {
    let pair = |data: u32| {
        tuned(&format!(
            "<cachetune vcpus='0'><cache id='0' level='3' type='code' size='2' unit='MiB'/>\
             <cache id='0' level='3' type='data' size='{data}' unit='MiB'/></cachetune>"
        ))
    };
    assert_eq!(pair(2), (Some(table("l3_cache = \"2M\"\n")), Vec::new()));
    let why =
        "domain/cputune/cachetune: a profile has one l3_cache in [tune], for data and code alike, of each L3 cache";
    assert_eq!(pair(4), (None, vec![why.to_owned()]));
}

#[test]
fn a_share_that_a_profile_cannot_say_is_told() {
    for (tune, whys) in [
        (
            "<cachetune vcpus='0'><cache id='0' level='3' type='both' size='2' unit='MiB'/>\
             <cache id='1' level='3' type='both' size='4' unit='MiB'/></cachetune>",
            &[
                "domain/cputune/cachetune: a profile has one l3_cache in [tune], for data and code alike, of each L3 cache",
            ][..],
        ),
        (
            "<cachetune vcpus='0'><cache id='0' level='2' type='both' size='256' unit='KiB'/>\
             <monitor level='3' vcpus='0'/></cachetune>",
            &[
                "domain/cputune/cachetune/cache: vmrun deals out caches of the third level, by their size",
                "domain/cputune/cachetune/monitor: vmrun does not count who uses caches and bandwidth",
            ],
        ),
        (
            "<memorytune vcpus='0'><node id='0' bandwidth='20'/></memorytune>\
             <memorytune vcpus='1'><node id='0' bandwidth='30'/></memorytune>",
            &["domain/cputune/memorytune: a profile has one memory_bandwidth in [tune], in percent"; 2],
        ),
    ] {
        let (found, mut lost) = tuned(tune);
        lost.sort();
        assert_eq!((found, lost), (None, whys.iter().map(|why| (*why).to_owned()).collect()), "{tune}");
    }
}
