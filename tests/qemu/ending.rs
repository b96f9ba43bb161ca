//! How a guest ends, and what is heard of it.

use super::harness::{Run, for_each_qemu, to_the_end};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::net::{Shutdown, shutdown};
use rustix::process::{PidfdGetfdFlags, pidfd_getfd};
use serde_json::json;
use std::fs::{File, read_dir, read_link};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use vmrun::qemu::{Guest, News, Qmp, QmpError, qmp_socket};

fn running(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

for_each_qemu! {
    quit_ends_with_the_reason_before_the_status
    row_030_a_monitor_that_is_reset_by_a_qemu_that_quits_is_the_end_like_any_other
    the_power_button_is_heard
    kill_ends_by_signal
    a_guest_goes_on_when_its_value_is_dropped
    a_paused_one_ends_when_its_value_is_dropped
    a_monitor_can_go_while_the_process_stays
    a_command_that_was_given_up_leaves_the_next_one_unharmed
    a_killed_boot_is_waited_for
}

async fn quit_ends_with_the_reason_before_the_status(qemu: (&str, &str)) {
    let mut guest = Run::new(qemu).tcg().guest().await;
    guest.quit().await.unwrap();
    let (events, disconnected, status) = to_the_end(&mut guest).await;
    let shutdown = events.iter().find(|event| event.name == "SHUTDOWN").unwrap();
    assert_eq!(shutdown.text("reason"), Some("host-qmp-quit"));
    assert!(matches!(shutdown.known(), Some(qapi::qmp::Event::SHUTDOWN { .. })) && shutdown.at.is_some());
    assert!(disconnected && status.success(), "{status}");
    assert_eq!(guest.next().await.unwrap(), News::Exited(Some(status)));
    assert!(matches!(guest.status().await, Err(QmpError::Closed)));
}

/// A QEMU that quits with commands unread resets the connection; with all of them read, it closes it.
async fn row_030_a_monitor_that_is_reset_by_a_qemu_that_quits_is_the_end_like_any_other(qemu: (&str, &str)) {
    let run = Run::new(qemu).tcg();
    let mut guest = run.guest().await;
    let said = run.folder.path().join("said");
    let witness = tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).with_ansi(false);
    let witness = witness.with_writer(Arc::new(File::create(&said).unwrap())).finish();
    let witness = tracing::subscriber::set_default(witness);
    let signal = |signal| kill(Pid::from_raw(i32::try_from(guest.pid()).unwrap()), signal).unwrap();
    signal(Signal::SIGSTOP);
    let quit = guest.qmp().call("quit", &json!({}));
    // More than QEMU takes ahead of what it does, and less than a socket holds.
    let unread = (0..200).map(|_| guest.qmp().call("query-status", &json!({}))).collect::<Vec<_>>();
    // All are written before this future has its turn again.
    tokio::task::yield_now().await;
    signal(Signal::SIGCONT);
    let (_, disconnected, status) = to_the_end(&mut guest).await;
    drop((quit, unread, witness));
    let said = std::fs::read_to_string(said).unwrap();
    assert!(said.contains("monitor connection ended") && said.contains("Connection reset by peer"), "{said}");
    assert!(disconnected && status.success(), "{status}");
    assert!(matches!(guest.status().await, Err(QmpError::Closed)));
}

async fn the_power_button_is_heard(qemu: (&str, &str)) {
    let mut guest = Run::new(qemu).tcg().guest().await;
    guest.powerdown().await.unwrap();
    while guest.next_event().await.unwrap().name != "POWERDOWN" {}
    guest.kill().unwrap();
}

async fn kill_ends_by_signal(qemu: (&str, &str)) {
    let mut guest = Run::new(qemu).tcg().guest().await;
    guest.kill().unwrap();
    assert_eq!(guest.wait().await.unwrap().unwrap().signal(), Some(9));
    guest.kill().unwrap();
}

async fn a_guest_goes_on_when_its_value_is_dropped(qemu: (&str, &str)) {
    let run = Run::new(qemu).tcg();
    let guest = run.guest().await;
    let pid = guest.pid();
    drop(guest);
    let (qmp, _events) = Qmp::connect(&qmp_socket(run.folder.path())).await.unwrap();
    qmp.raw("qmp_capabilities", &json!({})).await.unwrap();
    assert!(running(pid));
    let _ = qmp.raw("quit", &json!({})).await;
}

async fn a_paused_one_ends_when_its_value_is_dropped(qemu: (&str, &str)) {
    let paused = Run::new(qemu).tcg().paused().await.unwrap();
    let pidfd = paused.pidfd().try_clone_to_owned().unwrap();
    drop(paused);
    let mut end = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
    assert_eq!(poll(&mut end, PollTimeout::NONE), Ok(1));
}

async fn a_monitor_can_go_while_the_process_stays(qemu: (&str, &str)) {
    let run = Run::new(qemu).tcg();
    let mut guest = run.guest().await;
    hang_up(&guest);
    while guest.next().await.unwrap() != News::Disconnected {}
    assert!(matches!(guest.status().await, Err(QmpError::Closed)));

    let (qmp, _events) = Qmp::connect(&qmp_socket(run.folder.path())).await.unwrap();
    qmp.raw("qmp_capabilities", &json!({})).await.unwrap();
    let _ = qmp.raw("quit", &json!({})).await;
    assert!(matches!(guest.next().await.unwrap(), News::Exited(Some(status)) if status.success()));
}

/// Shuts down QEMU's end of the monitor's connection, the one socket besides the listening one.
fn hang_up(guest: &Guest) {
    let folder = format!("/proc/{}/fd", guest.pid());
    let is_socket =
        |fd: &i32| read_link(format!("{folder}/{fd}")).is_ok_and(|to| to.to_string_lossy().starts_with("socket:"));
    let numbers = read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().to_str().unwrap().parse().unwrap());
    for number in numbers.filter(|&fd| fd != 3).filter(is_socket) {
        let socket = pidfd_getfd(guest.pidfd(), number, PidfdGetfdFlags::empty()).unwrap();
        shutdown(&socket, Shutdown::Both).unwrap();
    }
}

async fn a_command_that_was_given_up_leaves_the_next_one_unharmed(qemu: (&str, &str)) {
    let guest = Run::new(qemu).tcg().guest().await;
    let signal = |signal| kill(Pid::from_raw(i32::try_from(guest.pid()).unwrap()), signal).unwrap();
    signal(Signal::SIGSTOP);
    assert!(timeout(Duration::from_millis(50), guest.status()).await.is_err());
    signal(Signal::SIGCONT);
    assert!(guest.status().await.unwrap().running);
    guest.kill().unwrap();
}

async fn a_killed_boot_is_waited_for(qemu: (&str, &str)) {
    let booting = Run::new(qemu).tcg().spawn().unwrap();
    let pid = booting.pid();
    assert_eq!(booting.kill().await.unwrap().unwrap().signal(), Some(9));
    assert!(!running(pid));
}
