//! What a script says in the shell's own language: values, branches, quotes, and programs before QEMU.

use super::fate;
use crate::strangers::{has, made};
use vmrun::import::Import;

/// Why the piece that begins with `what` became what it became.
fn why<'m>(made: &'m Import, what: &str) -> &'m str {
    let found = made.report.entries.iter().find(|entry| entry.what.starts_with(what));
    found.unwrap_or_else(|| panic!("{what}: {:#?}", made.report.entries)).fate.why()
}

#[test]
fn each_program_before_qemu_is_told_with_its_words() {
    let script = "LC_ALL=C FOO=1 systemd-run --scope --slice=vm.slice -p AllowedCPUs=2-7 cgexec -g cpuset:vm \
                  numactl --cpunodebind=1 --membind=0 runuser -u bob -- env BAR=2 mystery --x=y nice -n -10 qemu-system-x86_64 -m 1G\n";
    let guest = made("a.sh", script);
    for (what, word) in [
        ("LC_ALL=C", "not needed"),
        ("systemd-run --scope --slice=vm.slice -p AllowedCPUs=2-7", "dropped"),
        ("cgexec -g cpuset:vm", "dropped"),
        ("runuser -u bob --", "translated"),
        ("mystery --x=y", "dropped"),
        ("nice -n -10", "dropped"),
    ] {
        assert_eq!(fate(&guest.report, what), word, "{what}");
    }
    assert_eq!(why(&guest, "runuser"), "start vmrun as bob");
    let nodes = guest.report.entries.iter().filter(|entry| entry.what.starts_with("numactl")).map(|it| it.fate.word());
    assert_eq!(nodes.collect::<Vec<_>>(), ["translated", "dropped"]);
    has(&guest, &["host_nodes = [0]"]);
    let profile: toml::Table = guest.profile.parse().expect("it is TOML");
    let env = profile["qemu"]["env"].as_table().expect("it has variables");
    assert_eq!(env.keys().collect::<Vec<_>>(), ["BAR", "FOO"]);
}
