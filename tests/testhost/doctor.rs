//! What `vmrun check` warns of, and that what it says mends it.

use super::scene::{VMRUN, profile, write};
use crate::host::{self, Host, Layout, Lost};
use crate::support::setup;
use serde_json::Value;
use std::collections::BTreeMap;

/// What goes wrong on a host, with the id of the check that sees it, and how to bring it about. A guest's run is cut short
/// first, while the host can run one.
const TROUBLES: [(&str, &str); 10] = [
    ("unfinished-run", "VMRUN_FAULT=kill:1 vmrun run profile.toml >said 2>&1; [ $? = 137 ] || { cat said; exit 1; }"),
    (
        "gpu-held",
        "printf '[Service]\\nExecStart=/bin/sh -c \"exec sleep infinity 9<>/dev/dri/%s\"\\n' \
         $(basename /sys/bus/pci/devices/0000:01:00.0/drm/card*) >/run/systemd/system/desk.service
         systemctl daemon-reload; systemctl start desk.service",
    ),
    ("driver-override", "echo vfio-pci >/sys/bus/pci/devices/0000:01:00.0/driver_override"),
    ("kvm-device", "rmmod kvm_amd"),
    ("ignore-msrs", "echo Y >/sys/module/kvm/parameters/ignore_msrs"),
    ("transparent-huge-pages", "echo never >/sys/kernel/mm/transparent_hugepage/enabled"),
    ("idle-huge-pages", "echo 8 >/proc/sys/vm/nr_hugepages"),
    ("governor", "echo powersave | tee /sys/devices/system/cpu/cpufreq/policy*/scaling_governor"),
    ("vhost-net", "modprobe -r vhost_net; rm -f /dev/vhost-net"),
    ("tun", "modprobe -r tun; rm -f /dev/net/tun"),
];

/// Each finding by its id: the worst verdict and its fix.
fn findings(host: &mut Host) -> Result<BTreeMap<String, (String, String)>, Lost> {
    let reply = host.run(&format!("{VMRUN} check --json"))?;
    let answer: Value = serde_json::from_str(&reply.text()).unwrap_or_else(|error| panic!("{error}\n{reply}"));
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    let mut found = BTreeMap::new();
    for finding in answer["findings"].as_array().expect("there are findings") {
        let (verdict, fix) = (text(finding, "verdict"), text(finding, "fix"));
        let place = found.entry(text(finding, "id")).or_insert((verdict.clone(), fix.clone()));
        if place.0 == "ok" && verdict != "ok" {
            *place = (verdict, fix);
        }
    }
    Ok(found)
}

/// The lines of a fix that are to be given to a shell.
fn commands(fix: &str) -> String {
    let typed = fix.lines().filter(|line| ["sudo ", "echo "].iter().any(|start| line.starts_with(start)));
    typed.map(|line| line.replace("sudo ", "") + "\n").collect()
}

#[test]
#[ignore = "takes long; `cargo test --test testhost -- --ignored` runs all that do"]
fn what_check_warns_of_is_well_once_its_fix_is_applied() {
    let [qemu, _newer] = setup::qemus();
    let profile = profile(&qemu, "report=brief", "[tune]\nhalt_poll_ns = 0\n");
    let (broken, after) = host::on(&Layout::SYSTEMD, |host| {
        host.ask(&format!(
            "modprobe -a vhost_net tun; ln -sf {VMRUN} /usr/local/bin/vmrun
             echo performance | tee /sys/devices/system/cpu/cpufreq/policy*/scaling_governor"
        ))?;
        let troubles: String = TROUBLES.map(|(_, trouble)| format!("{trouble}\n")).concat();
        host.ask(&format!("{}{troubles}", write(&profile)))?;
        let broken = findings(host)?;
        // What a fix writes for KVM is the host's for good, and in force once the module is loaded anew.
        let fixes = broken.iter().filter(|(id, _)| TROUBLES.iter().any(|(broken, _)| broken == id));
        let fixes: String = fixes.map(|(_, (_, fix))| commands(fix)).collect();
        let reload = "modprobe -r kvm_amd kvm; modprobe kvm_amd";
        host.ask(&format!("{fixes}{reload}"))?;
        let after = findings(host)?;
        host.ask(&format!(
            "rm -rf /run/systemd/system/desk.service /etc/modprobe.d/kvm.conf /usr/local/bin/vmrun /run/profile
             systemctl daemon-reload; {reload}"
        ))?;
        Ok((broken, after))
    });
    for (id, _) in TROUBLES {
        let verdict = |findings: &BTreeMap<String, (String, String)>| findings.get(id).cloned().unwrap_or_default().0;
        assert!(["warn", "fail"].contains(&verdict(&broken).as_str()), "{id} broken: {:?}", broken.get(id));
        assert!(!commands(&broken[id].1).is_empty(), "{id}: {}", broken[id].1);
        assert_eq!(verdict(&after), "ok", "{id} after: {:?} then {:?}", broken[id], after.get(id));
    }
}

#[test]
fn the_text_console_that_a_script_left_off_comes_back_by_the_fix() {
    let (broken, after) = host::on(&Layout::SINGLE_GPU, |host| {
        host.ask("echo 0 >/sys/class/vtconsole/vtcon1/bind")?;
        let broken = findings(host)?;
        host.ask(&commands(&broken["console-off"].1))?;
        Ok((broken, findings(host)?))
    });
    assert_eq!((broken["console-off"].0.as_str(), after["console-off"].0.as_str()), ("warn", "ok"));
}
