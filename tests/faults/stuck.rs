//! A QEMU that SIGKILL does not end: a thread of it writes to a file system that is frozen, and waits in the kernel.

use crate::support::setup::{Qemu, qemus};
use crate::support::vmrun::Bench;
use std::process::Command;

/// In the test's folder, as `$1` vmrun, as `$2` the profile: whatever happens, the file system is thawed, also when the
/// test is killed, and goes with the script's mounts.
const SCRIPT: &str = r#"set -eu
cd "$0"
mkdir mnt; truncate -s 16M fs.img; mkfs.ext4 -q -F fs.img; mount -o loop fs.img mnt; truncate -s 1M mnt/disk.raw
"$1" run "$2" 2>told & v=$!
until grep -q waiting serial.log 2>/dev/null; do sleep 0.1; kill -0 $v; done
setsid sh -c 'for wait in $(seq 300); do sleep 1; [ -e thawed ] && exit; done; fsfreeze -u mnt' </dev/null >/dev/null 2>&1 &
fsfreeze -f mnt
trap 'fsfreeze -u mnt; touch thawed' EXIT
"$1" hmp guest 'qemu-io -d /machine/peripheral/drive0/virtio-backend "aio_write 0 512"'
"$1" stop --force guest 2>/dev/null & s=$!
until grep -q 'stuck in the kernel' told; do sleep 0.1; kill -0 $v; done
"$1" recover guest && exit 1 || echo "recover $?"
test -e runtime/guest/journal && echo 'the journal is there'
trap - EXIT
fsfreeze -u mnt
touch thawed
wait $s || :
wait $v || echo "vmrun $?"
"#;

/// Half a minute in which next to nothing happens: both at once.
#[test]
fn row_021_a_qemu_that_sigkill_does_not_end_keeps_its_devices_until_the_kernel_lets_go_of_it() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("not run: only root freezes a file system");
        return;
    }
    std::thread::scope(|scope| {
        let runs = qemus().map(|qemu| scope.spawn(move || stuck(&qemu)));
        runs.into_iter().for_each(|run| run.join().unwrap());
    });
}

fn stuck(qemu: &Qemu) {
    let bench = Bench::new(&qemu.binary);
    let profile = bench.profile("then=wait", "[[disk]]\nfile = \"mnt/disk.raw\"\nformat = \"raw\"\n");
    let mut script = Command::new("unshare");
    script.args(["--mount", "bash", "-c", SCRIPT]).arg(bench.path("")).arg(env!("CARGO_BIN_EXE_vmrun")).arg(profile);
    script.env("VMRUN_RUNTIME_DIR", bench.path("runtime")).env("VMRUN_STATE_DIR", bench.path("state"));
    let output = script.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let told = std::fs::read_to_string(bench.path("told")).unwrap_or_default();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said, "recover 14\nthe journal is there\nvmrun 35\n", "{told}{errors}");
    assert!(told.contains("does not end after SIGKILL: a thread of it is stuck in the kernel"), "{told}");
    assert_eq!(bench.leftovers(), Vec::<String>::new());
}
