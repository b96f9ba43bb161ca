//! A desktop's software: systemd, logind, cgroups, frequencies.

use super::scene::{assert_said, look, profile, run};
use crate::host::{self, Layout};
use crate::support::setup;

#[test]
fn systemd_runs_the_machine_with_logind_and_the_unified_cgroup_tree() {
    let (first, units, controllers) = host::on(&Layout::SYSTEMD, |host| {
        let units = host.ask("systemctl is-active dbus.service systemd-logind.service vmrun-test.service")?;
        Ok((host.ask("cat /proc/1/comm")?, units, host.ask("cat /sys/fs/cgroup/cgroup.controllers")?))
    });
    assert_eq!(first, "systemd");
    assert_eq!(units, "active\nactive\nactive");
    assert!(controllers.contains("cpuset"), "{controllers}");
}

#[test]
fn work_of_the_host_is_kept_off_a_cpu_and_let_back() {
    let (narrow, wide) = host::on(&Layout::SYSTEMD, |host| {
        let shape = |cpus: &str| {
            format!(
                "systemctl set-property --runtime system.slice AllowedCPUs={cpus}
                 sed -n 's/^Cpus_allowed_list:\t//p' /proc/self/status"
            )
        };
        Ok((host.ask(&shape("0-1"))?, host.ask(&shape(""))?))
    });
    assert_eq!(narrow, "0-1");
    assert_eq!(wide, "0-3");
}

#[test]
fn each_cpu_has_frequencies_and_a_governor_to_choose() {
    let (states, chosen) = host::on(&Layout::SYSTEMD, |host| {
        let states = host.ask(
            "cd /sys/devices/system/cpu
             cat cpu0/cpufreq/scaling_driver cpu3/cpufreq/scaling_available_frequencies",
        )?;
        let choose = |governor: &str| {
            format!(
                "cd /sys/devices/system/cpu/cpu2/cpufreq; echo {governor} >scaling_governor; cat scaling_governor scaling_cur_freq"
            )
        };
        Ok((states, [host.ask(&choose("powersave"))?, host.ask(&choose("performance"))?]))
    });
    assert_eq!(states, "acpi-cpufreq\n3000000 2200000 1400000");
    assert_eq!(chosen, ["powersave\n1400000", "performance\n3000000"]);
}

#[test]
fn a_companion_unit_is_stopped_afterwards_only_if_it_was_started() {
    const STATE: &str = "systemctl is-active companion.service";
    let [qemu, _newer] = setup::qemus();
    let companion = format!("[[service]]\nunit = \"companion.service\"\n{}", look(STATE));
    let profile = profile(&qemu, "report=brief", &companion);
    let (started, ran_before) = host::on(&Layout::SYSTEMD, |host| {
        host.ask(
            "printf '[Service]\\nExecStart=/bin/sleep infinity\\n' >/run/systemd/system/companion.service
             systemctl daemon-reload",
        )?;
        let started = (run(host, &profile)?, host.run(STATE)?.text());
        host.ask("systemctl start companion.service")?;
        let ran_before = (run(host, &profile)?, host.run(STATE)?.text());
        host.ask(
            "systemctl stop companion.service
             rm /run/systemd/system/companion.service
             systemctl daemon-reload",
        )?;
        Ok((started, ran_before))
    });
    assert_said(&started.0.reply, &["companion.service started", "vmrun-guest: done"]);
    assert_eq!((started.0.seen.as_str(), started.1.as_str()), ("active", "inactive"));
    assert_said(&ran_before.0.reply, &["companion.service ran already and will be left running", "vmrun-guest: done"]);
    assert_eq!((ran_before.0.seen.as_str(), ran_before.1.as_str()), ("active", "active"));
}
