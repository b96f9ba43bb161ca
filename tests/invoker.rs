//! A guest that an ordinary user starts by sudo or pkexec: vmrun is root then, and what it starts finds the screen, the
//! sound server and the session of who asked for it. Real sudo, polkit and QEMU, in mounts of their own.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::fs;
use std::process::Command;
use support::program;
use support::setup::{Qemu, qemus};
use support::vmrun::Bench;

/// In the test's folder, `$0`, as `$1` vmrun and as `$2` the profile: alice, who sits at a Wayland session with a sound
/// server, runs the words behind it with vmrun's. Nothing of it is seen outside of its mounts.
const SCRIPT: &str = r#"set -eu
cd "$0"
vmrun=$1 profile=$2; shift 2
own() { cp -p "/etc/$1" "$1"; printf '%s\n' "$2" >>"$1"; mount --bind "$1" "/etc/$1"; }
own passwd 'alice:x:4242:4242::/run/home:/bin/sh'
own group 'alice:x:4242:'
own shadow 'alice:*:19000::::::'
for folder in /run /var/lib /etc/sudoers.d /etc/polkit-1/rules.d; do
    mount -t tmpfs -o mode=755 none $folder
done
echo 'alice ALL=(root) NOPASSWD: ALL' >/etc/sudoers.d/alice
chmod 440 /etc/sudoers.d/alice
echo 'polkit.addRule(function(action, subject) { if (subject.user == "alice") return polkit.Result.YES; });' \
    >/etc/polkit-1/rules.d/alice.rules
mkdir -p /run/home /run/dbus /run/user/4242/pulse
touch /run/user/4242/wayland-0
listen='import socket, time; s = socket.socket(socket.AF_UNIX); s.bind("/run/user/4242/pulse/native"); s.listen(); time.sleep(1000)'
python3 -c "$listen" & beside=$!
trap 'kill $beside' EXIT
dbus-daemon --system --nofork --nopidfile 2>bus.log & beside="$beside $!"
until [ -S /run/user/4242/pulse/native ] && [ -S /run/dbus/system_bus_socket ]; do sleep 0.05; done
/usr/lib/polkit-1/polkitd --no-debug >polkit.log 2>&1 & beside="$beside $!"
until gdbus call --system --dest org.freedesktop.DBus --object-path / --method org.freedesktop.DBus.GetNameOwner \
    org.freedesktop.PolicyKit1 >/dev/null 2>&1; do sleep 0.05; done
chown -R 4242:4242 /run/home /run/user/4242
chmod 700 /run/user/4242
alice='setpriv --reuid 4242 --regid 4242 --init-groups env -i'
$alice WAYLAND_DISPLAY=wayland-0 sleep 1000 & beside="$beside $!"
$alice PATH="$PATH" SHELL=/bin/sh SECRET=alices "$@" "$vmrun" run "$profile" 2>told & run=$!
until grep -qs waiting serial.log && [ -e looked ]; do sleep 0.05; kill -0 $run; done
cat /var/lib/vmrun/guest/runs/*/*companion* >companion
"$vmrun" stop --force guest 2>/dev/null || :
wait $run || echo "vmrun $?"
"#;

/// A program that is `qemu` with a window and `PulseAudio`, which Debian has in a package with a desktop's libraries: it
/// takes the words, keeps them, and starts QEMU without.
fn with_window_and_sound(bench: &Bench, qemu: &Qemu) -> String {
    let script = format!(
        r#"#!/bin/bash
case " $* " in
*' -display help '*) echo 'Available display backend types:'; echo gtk; exit;;
*' -audiodev help '*) echo 'Available audio drivers:'; echo pa; exit;;
*' -S '*' -chardev '*) printf '%s\n' "$@" >'{words}';;
esac
words=()
while (($#)); do
    words+=("$1")
    case $1 in
    -display) words+=(none); shift;;
    -audiodev) words+=(none,id=audio0); shift;;
    esac
    shift
done
exec {qemu} "${{words[@]}}"
"#,
        words = bench.path("words").display(),
        qemu = qemu.binary.display()
    );
    program::write(&bench.path("emulator"), &script);
    bench.path("emulator").display().to_string()
}

/// What the programs found that alice started by `means`.
struct Found {
    /// QEMU's command line.
    words: String,
    /// QEMU's environment and its credentials, as `/proc` has them.
    qemu: String,
    /// Those of a service of alice's.
    companion: String,
}

fn started_by(means: &[&str], qemu: &Qemu) -> Found {
    let bench = Bench::new(&qemu.binary);
    let look = |process: &str| {
        format!("tr '\\\\0' '\\\\n' </proc/{process}/environ; grep -E '^(Uid|Gid|Groups)' /proc/{process}/status")
    };
    let looked = bench.path("looked");
    let tables = format!(
        "[display]\nkind = \"gtk\"\n[audio]\ndriver = \"pa\"\n\
         [[service]]\nname = \"companion\"\nuser = \"alice\"\nrun = [\"sh\", \"-c\", \"{}; exec sleep 1000\"]\n\
         [[hook]]\nat = \"running\"\nrun = [\"sh\", \"-c\", \"({}) >{looked}.new; mv {looked}.new {looked}\"]\n",
        look("self"),
        look("$VMRUN_PID"),
        looked = looked.display(),
    );
    let profile = fs::read_to_string(bench.profile("then=wait", &tables)).unwrap();
    let emulator = with_window_and_sound(&bench, qemu);
    let profile = bench.write("guest.toml", &profile.replace(&qemu.binary.display().to_string(), &emulator));
    let mut script = Command::new("unshare");
    script.args(["--mount", "bash", "-c", SCRIPT]).arg(bench.path("")).arg(env!("CARGO_BIN_EXE_vmrun")).arg(&profile);
    let output = script.args(means).output().unwrap();
    let read = |name: &str| fs::read_to_string(bench.path(name)).unwrap_or_default();
    let said = format!("{}{}{}", read("told"), read("polkit.log"), String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "vmrun 35\n", "{said}");
    Found { words: read("words"), qemu: read("looked"), companion: read("companion") }
}

fn assert_has(found: &str, lines: &[&str]) {
    for line in lines {
        assert!(found.lines().any(|found| found.trim_end() == *line), "no {line:?} in:\n{found}");
    }
}

fn assert_alices_session_is_found(means: &[&str]) {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("not run: only root makes a user who may become root");
        return;
    }
    for qemu in qemus() {
        let Found { words, qemu, companion } = started_by(means, &qemu);
        assert!(
            words.contains(r#""driver":"pa","id":"audio0","server":"unix:/run/user/4242/pulse/native""#),
            "{words}"
        );
        // By its whole path, as root has no folder of its own in which a name would be looked for.
        let window = "WAYLAND_DISPLAY=/run/user/4242/wayland-0";
        assert_has(&qemu, &[window, "PULSE_COOKIE=/run/home/.config/pulse/cookie", "HOME=/root", "Uid:\t0\t0\t0\t0"]);
        assert!(!qemu.contains("SECRET") && !qemu.contains("XDG_RUNTIME_DIR"), "{qemu}");
        let theirs = ["HOME=/run/home", "USER=alice", "XDG_RUNTIME_DIR=/run/user/4242", "WAYLAND_DISPLAY=wayland-0"];
        assert_has(&companion, &theirs);
        assert_has(&companion, &["Uid:\t4242\t4242\t4242\t4242", "Gid:\t4242\t4242\t4242\t4242", "Groups:\t4242"]);
        assert!(!companion.contains("SECRET") && !companion.contains("SUDO_"), "{companion}");
    }
}

#[test]
fn a_guest_that_is_started_by_sudo_has_its_window_its_sound_and_its_services_in_the_session_of_who_asked() {
    assert_alices_session_is_found(&["sudo", "-n"]);
}

#[test]
fn a_guest_that_is_started_by_pkexec_has_its_window_its_sound_and_its_services_in_the_session_of_who_asked() {
    assert_alices_session_is_found(&["pkexec"]);
}

#[test]
fn a_screen_that_sudo_hands_on_is_opened_with_the_secret_of_who_asked() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("not run: only root makes a user who may become root");
        return;
    }
    let [qemu, _] = qemus();
    let Found { qemu, .. } = started_by(&["env", "DISPLAY=:7", "sudo", "-n"], &qemu);
    assert_has(&qemu, &["DISPLAY=:7", "XAUTHORITY=/run/home/.Xauthority"]);
    assert!(!qemu.contains("WAYLAND_DISPLAY"), "{qemu}");
}
