//! What a script says in the shell's own language: values, branches, quotes, and programs before QEMU.

use super::fate;
use crate::strangers::{has, made};
use std::process::Command;
use vmrun::import::Import;

/// Why the piece that begins with `what` became what it became.
fn why<'m>(made: &'m Import, what: &str) -> &'m str {
    let found = made.report.entries.iter().find(|entry| entry.what.starts_with(what));
    found.unwrap_or_else(|| panic!("{what}: {:#?}", made.report.entries)).fate.why()
}

/// The commands of the hooks that `made` offers, commented out.
fn offered(made: &Import) -> Vec<Vec<String>> {
    let lines = made.profile.lines().filter_map(|line| line.strip_prefix("# run = "));
    let words = |line: &str| {
        let table: toml::Table = format!("run = {line}").parse().expect("it is TOML");
        let all = table["run"].as_array().cloned().unwrap_or_default();
        all.iter().map(|word| word.as_str().unwrap_or_default().to_owned()).collect()
    };
    lines.map(words).collect()
}

#[test]
fn a_value_that_another_branch_gave_is_asked_about() {
    let script = "if [ \"$1\" = gpu ]; then\n  VGA=\"-device vfio-pci,host=01:00.0\"\n  DISK=/dev/nvme0n1\nelse\n\
                  VGA=\"-vga qxl\"; DISK=/vm/test.img\nfi\n\
                  case $2 in\n  a) EXTRA=\"-m 1G\" ;;\n  *) EXTRA=\"-m 2G\" ;;\nesac\n\
                  qemu-system-x86_64 $VGA $EXTRA -drive file=$DISK,format=raw\n";
    let guest = made("a.sh", script);
    has(&guest, &["# To decide: in another branch VGA is `-device vfio-pci,host=01:00.0`."]);
    has(&guest, &["# To decide: in another branch DISK is `/dev/nvme0n1`.", "size = \"2G\""]);
    has(&guest, &["# To decide: in another branch EXTRA is `-m 1G`."]);
    assert_eq!(why(&guest, "DISK=/dev/nvme0n1"), "line 5 gives DISK another value, which the profile has");
    assert_eq!(fate(&guest.report, "DISK=/vm/test.img"), "translated");
    assert!(!guest.profile.contains("[[hook]]"), "{}", guest.profile);
    let grown =
        "OPTS=\nOPTS=\"$OPTS -m 1G\"\nOPTS=\"$OPTS -smp 2\"\nN=1\necho $N\nqemu-system-x86_64 $OPTS -k $N\nN=2\n";
    assert!(made("a.sh", grown).report.is_complete());
}

#[test]
fn values_are_put_in_however_they_are_set() {
    let script = "export MEM=16G CORES=4\nreadonly DISK=/vm/a.img\ndeclare -r NAME=\"win11\"\nCPU=host NET=br0\n\
                  start() { local size=8; qemu-system-x86_64 -name $NAME -m $MEM -smp $CORES -cpu $CPU,-invtsc \
                  -drive file=$DISK,format=raw -nic bridge,br=$NET -smbios type=1,serial=$size; }\nstart \"$@\"\n";
    let guest = made("a.sh", script);
    has(&guest, &["size = \"16G\"", "cores = 4", "file = \"/vm/a.img\"", "name = \"win11\"", "bridge = \"br0\""]);
    has(&guest, &["serial = \"8\"", "model = \"host\""]);
    assert!(guest.report.is_complete(), "{:#?}", guest.report);
    let asked =
        made("a.sh", "while getopts m: o; do case $o in m) mem=$OPTARG;; esac; done\nqemu-system-x86_64 -m ${mem}G\n");
    assert!(asked.profile.contains("`${OPTARG}G`"), "{}", asked.profile);
}

#[test]
fn a_hook_that_is_offered_does_what_the_script_did() {
    let script = "HOST=games\nlspci -n | awk '{print $1 \" x\"}' > /tmp/pci.txt\necho 'a$HOST' | sudo tee /tmp/x\n\
                  sed -i 's/\\(a\\)/$b/' \"/tmp/$HOST x\"\nif ps -A | grep -q win10; then exit 1; fi\n\
                  for tid in $(ls /proc); do taskset -pc 1 $tid; done\nids=\"$(lspci | awk '{print $1}')\"\n\
                  notify-send \"ids $(lspci | awk '{print $1}')\" \\$5\nwhile read x; do echo $x; done | logger\n\
                  prepare() { xset -dpms; }\nprepare\nqemu-system-x86_64 -m 1G\n";
    let guest = made("a.sh", script);
    let offered = offered(&guest);
    let lines: Vec<_> = offered.iter().map(|words| words.last().map_or("", String::as_str)).collect();
    assert_eq!(
        lines,
        [
            "lspci -n | awk '{print $1 \" x\"}' >/tmp/pci.txt",
            "echo 'a$HOST' | sudo tee /tmp/x",
            "sed -i 's/\\(a\\)/$b/' '/tmp/games x'",
            "taskset -pc 1 $tid",
            "notify-send \"ids $(lspci | awk '{print $1}')\" '$5'",
            "-dpms",
        ]
    );
    for words in offered.iter().filter(|words| words[0] == "sh") {
        let parsed = Command::new("sh").args(["-n", "-c", &words[2]]).output().expect("sh runs");
        assert!(parsed.status.success() && parsed.stderr.is_empty(), "{words:?}: {parsed:?}");
    }
    assert_eq!(fate(&guest.report, "if ps -A"), "not needed");
    assert_eq!(fate(&guest.report, "prepare"), "not needed");
    has(&guest, &["# To decide: `done | logger` is a part of the script's course; make a hook of it if it is needed."]);
}

#[test]
fn what_is_written_into_a_file_is_no_message() {
    let script = "for g in /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor; do echo performance > $g; done\n\
                  echo $$ > vm.pid\necho hello >&2\nprintf done 2>/dev/null\n> log\nqemu-system-x86_64 -m 1G\n";
    let guest = made("a.sh", script);
    has(&guest, &["# governor = \"performance\""]);
    for (what, word) in [
        ("for g in", "not needed"),
        ("do echo performance", "to decide"),
        ("echo $$", "to decide"),
        ("echo hello", "not needed"),
        ("printf done", "not needed"),
        (">log", "to decide"),
    ] {
        assert_eq!(fate(&guest.report, what), word, "{what}");
    }
}

#[test]
fn a_virtiofsd_that_the_script_starts_tells_the_folder_of_the_share() {
    let script = "/usr/libexec/virtiofsd --socket-path=/tmp/v.sock --shared-dir /srv/share --cache auto &\n\
                  qemu-system-x86_64 -m 1G -chardev socket,id=c,path=/tmp/v.sock -device vhost-user-fs-pci,chardev=c,tag=s\n";
    let guest = made("a.sh", script);
    has(&guest, &["# source = \"/srv/share\""]);
    assert!(!guest.profile.contains("[[service]]"), "{}", guest.profile);
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

#[test]
fn a_command_that_is_given_to_a_shell_is_read() {
    for script in ["sudo bash -c \"qemu-system-x86_64 -m 3G\"\n", "su - bob -c 'exec qemu-system-x86_64 -m 3G'\n"] {
        let guest = made("a.sh", script);
        has(&guest, &["size = \"3G\""]);
        assert!(guest.report.is_complete(), "{:#?}", guest.report);
    }
}
