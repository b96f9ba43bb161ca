//! A tap on a bridge, in a network namespace of the test's thread.

use super::harness::{QEMU_7_2, QEMU_10_0, Run};
use nix::sched::{CloneFlags, unshare};
use std::process::Command;
use vmrun::plan::{Descriptor, Tap};

#[tokio::test]
async fn a_tap_joins_its_bridge_on_7_2() {
    a_tap_joins_its_bridge(QEMU_7_2).await;
}

#[tokio::test]
async fn a_tap_joins_its_bridge_on_10_0() {
    a_tap_joins_its_bridge(QEMU_10_0).await;
}

fn ip(arguments: &str) -> String {
    let output = Command::new("ip").args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

async fn a_tap_joins_its_bridge(qemu: (&str, &str)) {
    // The runtime of a test has one thread, so what it starts is in the namespace too.
    unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace needs root");
    ip("link add br0 type bridge");
    ip("link set br0 mtu 1400 up");

    let mut run = Run::new(qemu).tcg();
    let fd = run.draft.pass(Descriptor::Tap(Tap::on_bridge("br0")));
    let run = run.with("-netdev", &format!("tap,id=net0,fd={fd}")).with("-device", "virtio-net-pci,netdev=net0");
    let paused = run.paused().await.unwrap();

    let ports = ip("-o link show master br0");
    assert_eq!(ports.lines().count(), 1, "{ports}");
    let facts = ["vmrun0:", "mtu 1400", ",UP", "link/ether fe:"];
    assert!(facts.iter().all(|fact| ports.contains(fact)), "{ports}");
    assert_eq!(paused.abandon().await.unwrap().unwrap().code(), None);
    assert_eq!(ip("-o link show master br0"), "");
}
