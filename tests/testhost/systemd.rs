//! A desktop's software: systemd, logind, cgroups, frequencies.

use super::scene::{VMRUN, assert_refused, assert_said, look, profile, run};
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

/// A service that has the card open, and a scope that has it open until a second after the service is gone. Nothing is
/// left of them but what systemd knows.
const HOLDERS: &str = "card=$(basename /sys/bus/pci/devices/0000:01:00.0/drm/card*)
    printf '[Service]\\nExecStart=/bin/sh -c \"exec sleep infinity 9<>/dev/dri/%s\"\\n' $card >/run/systemd/system/desk.service
    systemctl daemon-reload
    systemctl start desk.service
    systemd-run --quiet --scope --unit=session-9.scope sh -c \"exec 9<>/dev/dri/$card; touch /run/held
        while systemctl --quiet is-active desk.service; do sleep 0.2; done; sleep 1\" >/dev/null 2>&1 &
    until [ -e /run/held ]; do sleep 0.1; done; rm /run/held";

/// The service, and the locks that logind has given vmrun.
const LOCKS: &str = "systemctl is-active desk.service
    systemd-inhibit --list --no-legend --no-pager | sed -n 's/^vmrun .* \\(sleep\\|shutdown\\) .*\\(block\\|delay\\)$/\\1 \\2/p' | sort -r";

#[test]
fn the_card_is_taken_when_the_last_who_had_it_open_has_let_go() {
    let [qemu, _newer] = setup::qemus();
    let card = "[gpu]\nmode = \"single\"\nunits = [\"desk.service\"]\n[[pci]]\ndevice = \"01:00\"\naddr = \"09\"\n";
    let profile = profile(&qemu, "", &format!("{card}{}", look(LOCKS)));
    let (ran, after) = host::on(&Layout::SYSTEMD, |host| {
        host.ask(HOLDERS)?;
        let ran = run(host, &profile)?;
        let after = host.run("systemctl is-active desk.service")?.text();
        host.ask("systemctl stop desk.service; rm /run/systemd/system/desk.service; systemctl daemon-reload")?;
        Ok((ran, after))
    });
    assert_said(&ran.reply, &["desk.service", "0000:01:00.0 let go of", "0000:01:00.0 to vfio-pci", "id=1234:1111"]);
    assert_eq!((ran.seen.as_str(), after.as_str()), ("inactive\nsleep block\nshutdown delay", "active"));
}

#[test]
fn a_service_that_holds_the_card_is_stopped_after_a_yes_on_the_terminal() {
    let [qemu, _newer] = setup::qemus();
    let tables = "[[pci]]\ndevice = \"01:00\"\nbusy = \"ask\"\n";
    let profile =
        profile(&qemu, "report=brief", &format!("{tables}{}", look("systemctl is-active desk.service; true")));
    let (without, with, seen) = host::on(&Layout::SYSTEMD, |host| {
        let start = HOLDERS.lines().take(4).collect::<Vec<_>>().join("\n");
        host.ask(&start)?;
        let without = run(host, &profile)?;
        // The terminal's other end types as soon as it is asked.
        let with = host.run(&format!(
            "cd /run/profile; rm -f /run/seen /run/said; touch /run/said
             (for wait in $(seq 200); do grep -q 'y/r/N' /run/said && break; sleep 0.2; done; echo y) |
                 timeout 100 script -qfec '{VMRUN} run profile.toml' /run/said >/dev/null"
        ))?;
        let seen = host.run("cat /run/seen; systemctl is-active desk.service; cat /run/said")?.text();
        host.ask("systemctl stop desk.service; rm /run/systemd/system/desk.service; systemctl daemon-reload")?;
        Ok((without, with, seen))
    });
    assert_refused(&without.reply, 14, &["0000:01:00.0 is in use by sleep", "stop_units = [\"desk.service\"]"]);
    assert_eq!(with.status, 0, "{with}\n{seen}");
    assert!(seen.starts_with("inactive\nactive\n"), "{seen}");
    assert!(seen.contains("stop desk.service for the guest"), "{seen}");
}

#[test]
fn a_program_of_nobodys_unit_is_ended_by_the_person_who_then_has_it_looked_again() {
    let [qemu, _newer] = setup::qemus();
    let profile = profile(&qemu, "report=brief", "[[pci]]\ndevice = \"01:00\"\nbusy = \"ask\"\n");
    let (without, with, said) = host::on(&Layout::SYSTEMD, |host| {
        host.ask(
            "card=$(basename /sys/bus/pci/devices/0000:01:00.0/drm/card*)
             systemd-run --quiet --scope --unit=session-9.scope sh -c \"exec 9<>/dev/dri/$card; echo \\$\\$ >/run/held
                 exec sleep infinity\" >/dev/null 2>&1 &
             until [ -s /run/held ]; do sleep 0.1; done",
        )?;
        let without = run(host, &profile)?;
        // Whoever sits at the terminal ends the program when it is named, and presses r.
        let with = host.run(&format!(
            "cd /run/profile; rm -f /run/said; touch /run/said
             (for wait in $(seq 200); do grep -q 'r/N' /run/said && break; sleep 0.2; done
              kill $(cat /run/held); while [ -e /proc/$(cat /run/held) ]; do sleep 0.1; done; echo r) |
                 timeout 100 script -qfec '{VMRUN} run profile.toml' /run/said >/dev/null"
        ))?;
        let said = host.run("cat /run/said; rm /run/held")?.text();
        Ok((without, with, said))
    });
    assert_refused(&without.reply, 14, &["0000:01:00.0 is in use by sleep", "session-9.scope", "end them"]);
    assert_eq!(with.status, 0, "{with}\n{said}");
    assert!(said.contains("end them yourself, then press r to look again"), "{said}");
}

#[test]
fn an_application_that_holds_the_card_is_ended_where_the_profile_says_so() {
    let [qemu, _newer] = setup::qemus();
    let tables = "[[pci]]\ndevice = \"01:00\"\nbusy = \"stop_units\"\n";
    let profile = profile(&qemu, "report=brief", tables);
    let (ran, left) = host::on(&Layout::SYSTEMD, |host| {
        host.ask(
            "card=$(basename /sys/bus/pci/devices/0000:01:00.0/drm/card*)
             systemd-run --quiet --scope --unit=app-player-9.scope sh -c \"exec 9<>/dev/dri/$card; touch /run/held
                 exec sleep infinity\" >/dev/null 2>&1 &
             until [ -e /run/held ]; do sleep 0.1; done; rm /run/held",
        )?;
        let ran = run(host, &profile)?;
        Ok((ran, host.run("systemctl is-active app-player-9.scope")?.text()))
    });
    assert_said(&ran.reply, &["app-player-9.scope", "0000:01:00.0 to vfio-pci", "vmrun-guest: done"]);
    assert_eq!(left, "inactive");
}
