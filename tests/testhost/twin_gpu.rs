//! Two cards that only their addresses tell apart.

use super::scene::{VMRUN, assert_refused, assert_said, look, profile, run, trace, write};
use super::script::{drivers, group};
use crate::host::{self, Host, Layout, Lost};
use crate::support::setup::{self, Qemu};

#[test]
fn two_cards_of_one_id_sit_in_groups_of_their_own() {
    let (ids, first, second, drivers) = host::on(&Layout::TWIN_GPU, |host| {
        let ids = host.ask("cd /sys/bus/pci/devices; cat 0000:0[12]:00.0/vendor 0000:0[12]:00.0/device")?;
        let (first, second) = (host.ask(&group("0000:01:00.0"))?, host.ask(&group("0000:02:00.0"))?);
        Ok((ids, first, second, host.ask(&drivers("0000:01:00.0 0000:01:00.1 0000:02:00.0 0000:02:00.1"))?))
    });
    assert_eq!(ids, "0x1234\n0x1234\n0x1111\n0x1111");
    assert_eq!(first, "0000:01:00.0\n0000:01:00.1");
    assert_eq!(second, "0000:02:00.0\n0000:02:00.1");
    assert_eq!(drivers, "bochs-drm\nsnd_hda_intel\nbochs-drm\nsnd_hda_intel");
}

#[test]
fn only_the_named_card_of_two_alike_is_taken() {
    let [qemu, _newer] = setup::qemus();
    let look = look("cd /sys/bus/pci/devices; readlink 0000:0[12]:00.[01]/driver | sed s,.*/,,");
    let profile = profile(&qemu, "", &format!("[[pci]]\ndevice = \"02:00\"\naddr = \"09\"\n{look}"));
    let (ran, trace) = host::on(&Layout::TWIN_GPU, |host| trace(host, |host| run(host, &profile)));
    assert_said(
        &ran.reply,
        &[
            "pci address=00:09.0 id=1b36:000c class=0604 header=1 secondary=01",
            "pci address=01:00.0 id=1234:1111",
            "pci address=01:00.1 id=8086:293e",
        ],
    );
    assert_eq!(ran.seen, "bochs-drm\nsnd_hda_intel\nvfio-pci\nvfio-pci");
    assert_eq!(trace, "");
}

#[test]
fn ids_that_two_cards_have_are_refused_with_both_addresses() {
    let [qemu, _newer] = setup::qemus();
    let profile = profile(&qemu, "", "[[pci]]\ndevice = \"1234:1111\"\n");
    let (ran, trace) = host::on(&Layout::TWIN_GPU, |host| trace(host, |host| run(host, &profile)));
    assert_refused(&ran.reply, 11, &["0000:01:00.0", "0000:02:00.0"]);
    assert_eq!(trace, "");
}

/// Starts two guests at once, each of a profile that names the card `first` and `second`; what each said and its status,
/// with the driver of both cards while one of them runs.
fn at_once(host: &mut Host, qemu: &Qemu, [first, second]: [&str; 2]) -> Result<[String; 3], Lost> {
    for (name, device) in [("one", first), ("two", second)] {
        let profile = profile(qemu, "then=wait report=brief", &format!("[[pci]]\ndevice = \"{device}\"\n"));
        host.ask(&format!(
            "{}mv profile.toml {name}.toml",
            write(&profile.replace("\"windows\"", &format!("\"{name}\"")))
        ))?;
    }
    let drivers = host.ask(&format!(
        "cd /run/profile
         for name in one two; do
             ({VMRUN} run $name.toml >$name.log 2>&1; echo $? >>$name.log; touch $name.end) &
         done
         settled() {{ grep -q 'guest running' $1.log || [ -e $1.end ]; }}
         until settled one && settled two; do sleep 0.2; done
         for card in 1 2; do basename $(readlink /sys/bus/pci/devices/0000:0$card:00.0/driver); done
         for name in one two; do [ -e $name.end ] || {VMRUN} stop --force $name >/dev/null 2>&1; done
         wait"
    ))?;
    let said = host.ask("cd /run/profile; cat one.log; echo; echo ===; cat two.log; cd /; rm -r /run/profile")?;
    let (one, two) = said.split_once("===").expect("what both said");
    Ok([drivers, one.trim().to_owned(), two.trim().to_owned()])
}

#[test]
fn row_060_one_card_in_two_guests_that_start_at_once_is_the_firsts_and_the_other_is_told_whose() {
    let [qemu, _newer] = setup::qemus();
    let (([drivers, one, two], apart), trace) = host::on(&Layout::TWIN_GPU, |host| {
        trace(host, |host| {
            let same = at_once(host, &qemu, ["01:00", "01:00"])?;
            Ok((same, at_once(host, &qemu, ["01:00", "02:00"])?))
        })
    });
    assert_eq!(drivers, "vfio-pci\nbochs-drm");
    let ran = |said: &String| said.contains("guest running");
    let (winner, loser, name) = if ran(&one) { (&one, &two, "one") } else { (&two, &one, "two") };
    assert!(ran(winner) && !ran(loser), "{one}\n===\n{two}");
    assert!(loser.ends_with("\n14") && loser.contains(name), "{loser}");
    let [drivers, one, two] = apart;
    assert_eq!(drivers, "vfio-pci\nvfio-pci", "{one}\n===\n{two}");
    assert!(ran(&one) && ran(&two), "{one}\n===\n{two}");
    assert_eq!(trace, "");
}
