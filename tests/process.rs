//! Commands of the user, with real processes: `sh`, `sleep`, `yes`.

#![allow(clippy::unwrap_used)] // in a test, a panic is the report

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::collections::BTreeMap;
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use vmrun::process::{End, Launch, ProcessError, ProcessId, Ran, Stdin, run, start};

fn sh(script: &str) -> Launch {
    command(&["sh", "-c", script])
}

fn command(argv: &[&str]) -> Launch {
    Launch { argv: argv.iter().map(|&argument| argument.to_owned()).collect(), ..Launch::default() }
}

async fn lines_of(launch: &Launch) -> (Vec<String>, Ran) {
    let mut lines = Vec::new();
    let ran = run(launch, &mut |line| lines.push(line.to_owned())).await.unwrap();
    (lines, ran)
}

async fn refusal(launch: &Launch) -> ProcessError {
    run(launch, &mut |_| {}).await.unwrap_err()
}

/// Returns when the process has ended, at once when it is gone.
fn until_gone(pid: u32) {
    let pid = Pid::from_raw(pid.cast_signed()).unwrap();
    let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) else { return };
    let mut polled = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
    // The signal that a child has ended may interrupt it.
    while poll(&mut polled, PollTimeout::NONE) == Err(nix::errno::Errno::EINTR) {}
}

fn script(folder: &Path, name: &str, text: &str, mode: u32) -> String {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    path.to_str().unwrap().to_owned()
}

fn is_root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        eprintln!("not shown: only root may become another user");
    }
    root
}

#[tokio::test]
async fn both_outputs_and_the_status_are_handed_out() {
    let (lines, ran) = lines_of(&sh("echo out; echo err >&2; printf 'no line feed'; exit 3")).await;
    assert_eq!(lines, ["out", "err", "no line feed"]);
    assert_eq!(ran.end, End::Exited(3));
    assert_eq!(ran.output.last_lines(1), ["no line feed"]);
}

#[tokio::test]
async fn arguments_reach_the_program_as_they_are() {
    let (lines, _) = lines_of(&command(&["printf", "%s\\n", "$HOME; rm x", "a  b"])).await;
    assert_eq!(lines, ["$HOME; rm x", "a  b"]);
}

#[tokio::test]
async fn nothing_is_inherited_but_what_is_allowed() {
    let launch = Launch { env: BTreeMap::from([("VMRUN_NAME".into(), "win".into())]), ..command(&["env"]) };
    let (lines, _) = lines_of(&launch).await;
    let allowed = [
        "HOME",
        "USER",
        "LOGNAME",
        "SHELL",
        "PATH",
        "LANG",
        "LC_ALL",
        "XDG_RUNTIME_DIR",
        "DBUS_SESSION_BUS_ADDRESS",
        "DISPLAY",
        "WAYLAND_DISPLAY",
        "XAUTHORITY",
        "VMRUN_NAME",
    ];
    // Cargo gives this test dozens of variables, among them LD_LIBRARY_PATH.
    assert!(lines.iter().all(|line| allowed.contains(&line.split('=').next().unwrap())), "{lines:?}");
    assert!(lines.contains(&"VMRUN_NAME=win".to_owned()), "{lines:?}");
}

#[tokio::test]
async fn it_leads_a_session_with_an_ordinary_umask() {
    let fields = "umask; read pid name state parent group session rest < /proc/$$/stat";
    let (lines, _) = lines_of(&sh(&format!("{fields}; echo $((group - $$)) $((session - $$))"))).await;
    assert_eq!(lines, ["0022", "0 0"]);
}

#[tokio::test]
async fn descriptors_of_ours_do_not_reach_it() {
    let inheritable = rustix::io::dup(std::io::stdin()).unwrap();
    let (lines, _) = lines_of(&sh("ls /proc/$$/fd")).await;
    assert_eq!(lines, ["0", "1", "2"]);
    drop(inheritable);
}

#[tokio::test]
async fn a_megabyte_can_be_read_from_standard_input() {
    let bytes: std::sync::Arc<[u8]> = vec![b'x'; 1 << 20].into();
    let (lines, _) = lines_of(&Launch { stdin: Stdin::Bytes(bytes.clone()), ..command(&["wc", "-c"]) }).await;
    assert_eq!(lines, ["1048576"]);
    let (_, ran) = lines_of(&Launch { stdin: Stdin::Bytes(bytes), ..command(&["true"]) }).await;
    assert_eq!(ran.end, End::Exited(0));
}

#[tokio::test]
async fn standard_input_is_empty_unless_given() {
    let (lines, ran) = lines_of(&command(&["cat"])).await;
    assert_eq!((lines, ran.end), (vec![], End::Exited(0)));
}

#[tokio::test]
async fn another_user_runs_with_its_ids_and_groups_and_outside_our_folder() {
    if !is_root() {
        return;
    }
    let launch = Launch { user: Some("nobody".into()), ..sh("id -un; id -u; id -Gn; pwd; echo $LOGNAME; cat") };
    let (lines, _) = lines_of(&Launch { stdin: Stdin::Bytes((*b"plan\n").into()), ..launch }).await;
    let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
    let group = nix::unistd::Group::from_gid(nobody.gid).unwrap().unwrap();
    assert_eq!(lines, ["nobody", &nobody.uid.to_string(), &group.name, "/", "nobody", "plan"]);
}

#[tokio::test]
async fn standard_input_can_be_opened_anew_by_another_user() {
    if !is_root() {
        return;
    }
    let stdin = Stdin::Bytes((*b"plan\n").into());
    let launch = Launch { user: Some("nobody".into()), stdin, ..command(&["cat", "/dev/stdin"]) };
    assert_eq!(lines_of(&launch).await.0, ["plan"]);
}

#[tokio::test]
async fn an_unknown_user_is_refused_by_name() {
    let error = refusal(&Launch { user: Some("no-such-user".into()), ..command(&["true"]) }).await;
    assert_eq!(error.whole(), "there is no user `no-such-user`");
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_named() {
    let error = refusal(&Launch { folder: Some("/no/such/folder".into()), ..command(&["true"]) }).await;
    assert!(error.whole().contains(" cannot be run in /no/such/folder as "), "{}", error.whole());
    let (lines, _) = lines_of(&Launch { folder: Some(PathBuf::from("/usr")), ..sh("pwd") }).await;
    assert_eq!(lines, ["/usr"]);
}

#[tokio::test]
async fn a_program_that_cannot_be_executed_is_named_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name, text, mode| script(folder.path(), name, text, mode);
    let cases = [
        (file("absent", "", 0o644) + "-", "is not there: No such file or directory (os error 2)"),
        (file("plain", "#!/bin/sh\n", 0o644), "its mode is 0644: Permission denied (os error 13)"),
        (file("text", "echo hello\n", 0o755), "nor as an ELF file: Exec format error (os error 8)"),
        (file("lost", "#!/no/such/sh -e\n", 0o755), "names the interpreter `/no/such/sh`, which is not there"),
        (file("dos", "#!/bin/sh\r\necho hello\r\n", 0o755), "names the interpreter `/bin/sh\\r`, which is not there"),
    ];
    for (program, reason) in cases {
        let error = refusal(&command(&[&program])).await.whole();
        assert!(error.starts_with(&program) && error.contains(reason), "{error}");
    }
}

#[tokio::test]
async fn death_by_a_signal_is_named() {
    let (_, ran) = lines_of(&sh("kill -SEGV $$")).await;
    assert_eq!(ran.end.to_string(), "killed by SIGSEGV");
}

#[tokio::test]
async fn a_command_that_hangs_is_ended_with_its_children() {
    let launch = Launch { timeout: Some(Duration::from_millis(300)), ..sh("sleep 600 & echo $!; wait") };
    let (lines, ran) = lines_of(&launch).await;
    assert_eq!(ran.end.to_string(), "not done after 300ms");
    // On a machine under load the time may be over before the child was made.
    for child in lines {
        until_gone(child.parse().unwrap());
    }
}

#[tokio::test]
async fn one_that_ignores_sigterm_is_killed_with_its_children() {
    let mut running = start(&sh("trap '' TERM; sleep 600 & echo $!; while :; do wait; done")).unwrap();
    let child = first_line(&mut running).await;
    let end = running.stop(Duration::from_millis(50), &mut |_| {}).await;
    assert_eq!(end.to_string(), "killed by SIGKILL");
    until_gone(child.parse().unwrap());
}

#[tokio::test]
async fn the_stop_waits_for_grandchildren_that_take_their_time() {
    let folder = tempfile::tempdir().unwrap();
    let child = "trap 'sleep 0.3; : > saved; exit' TERM; echo ready; while :; do sleep 0.05; done";
    let child = script(folder.path(), "child", child, 0o644);
    let launch = Launch { folder: Some(folder.path().into()), ..sh(&format!("sh {child} & wait")) };
    let mut running = start(&launch).unwrap();
    assert_eq!(first_line(&mut running).await, "ready");
    running.stop(Duration::from_secs(60), &mut |_| {}).await;
    assert!(folder.path().join("saved").exists());
}

#[tokio::test]
async fn a_stopped_process_can_be_ended() {
    let mut running = start(&sh("echo ready; kill -STOP $$")).unwrap();
    assert_eq!(first_line(&mut running).await, "ready");
    let end = running.stop(Duration::from_secs(60), &mut |_| {}).await;
    assert_eq!(end.to_string(), "killed by SIGTERM");
}

#[tokio::test]
async fn a_daemon_that_keeps_the_pipe_is_not_waited_for_nor_ended() {
    let (lines, ran) = lines_of(&sh("sleep 600 & echo $!")).await;
    let daemon = ProcessId::of(lines[0].parse().unwrap()).unwrap();
    assert_eq!(ran.end, End::Exited(0));
    assert!(daemon.is_alive());
    assert!(daemon.kill_recorded().unwrap());
    until_gone(daemon.pid);
}

#[tokio::test]
async fn a_daemon_that_floods_the_pipe_is_let_go_of() {
    let dir = tempfile::tempdir().unwrap();
    let end = dir.path().join("end");
    // Who reads its flood to the end sees it end by itself, with status 124.
    let daemon = format!("timeout 30 yes; echo $? >{0}.new; mv {0}.new {0}", end.display());
    run(&sh(&format!("setsid sh -c '{daemon}' & exit 0")), &mut |_| {}).await.unwrap();
    while !end.exists() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(fs::read_to_string(&end).unwrap(), "141\n", "not ended by SIGPIPE");
}

#[tokio::test]
async fn fifty_megabytes_are_survived_in_bounded_memory() {
    let mut count = 0_u64;
    let launch = sh("yes \"$(printf %079d 0)\" | head -c 50M; echo last");
    let ran = run(&launch, &mut |_| count += 1).await.unwrap();
    assert_eq!(count, (50 << 20) / 80 + 1);
    assert_eq!(ran.output.last_lines(1), ["last"]);
    assert!(ran.output.to_string().len() < 256 << 10);
}

#[tokio::test]
async fn a_command_runs_also_where_its_log_cannot_be() {
    let launch = Launch { log: Some("/nonexistent/hook.log".into()), ..sh("echo put back") };
    assert_eq!(lines_of(&launch).await.0, ["put back"]);
}

#[tokio::test]
async fn what_a_terminal_would_obey_is_written_out_and_the_log_has_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("hook.log");
    let launch = Launch { log: Some(log.clone()), ..command(&["printf", "\\033]0;title\\007\\n\\377\\n"]) };
    let (lines, _) = lines_of(&launch).await;
    assert_eq!(lines, ["\\x1b]0;title\\x07", "\\xff"]);
    assert_eq!(fs::read_to_string(log).unwrap(), "\\x1b]0;title\\x07\n\\xff\n");
}

#[tokio::test]
async fn a_future_that_is_dropped_kills_the_group() {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let launch = sh("trap '' TERM; sleep 600 & echo $! $$; while :; do wait; done");
    let mut each = |line: &str| tell.send(line.to_owned()).unwrap();
    let line = tokio::select! {
        _ = run(&launch, &mut each) => panic!("it ended by itself"),
        line = told.recv() => line.unwrap(),
    };
    for pid in line.split(' ') {
        until_gone(pid.parse().unwrap());
    }
}

#[tokio::test]
async fn a_recorded_leader_is_ended_with_its_group() {
    let mut running = start(&sh("trap '' TERM; sleep 600 & echo $!; while :; do wait; done")).unwrap();
    let child = first_line(&mut running).await;
    let recorded = running.id();
    assert!(recorded.stop_recorded(Duration::from_millis(50)).await);
    until_gone(child.parse().unwrap());
    running.ended(&mut |_| {}).await;
    assert_eq!(running.reap().to_string(), "killed by SIGKILL");
    assert!(!recorded.is_alive());
    assert!(!recorded.stop_recorded(Duration::ZERO).await);
}

#[tokio::test]
async fn a_process_that_leads_no_group_is_not_taken_for_a_group() {
    let mut running = start(&sh("sleep 600 & echo $!; wait")).unwrap();
    let child = ProcessId::of(first_line(&mut running).await.parse().unwrap()).unwrap();
    assert!(!child.stop_recorded(Duration::ZERO).await);
    assert!(child.is_alive());
}

async fn first_line(running: &mut vmrun::process::Running) -> String {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let mut each = |line: &str| tell.send(line.to_owned()).unwrap();
    tokio::select! {
        biased;
        line = told.recv() => line.unwrap(),
        () = running.ended(&mut each) => told.try_recv().unwrap(),
    }
}

#[tokio::test]
async fn a_command_finds_signals_as_a_program_expects_them() {
    // Rust's library has SIGPIPE ignored, and a handler of ours is nothing that a command could have.
    let _heard = signal_hook::flag::register(signal_hook::consts::SIGUSR1, std::sync::Arc::default()).unwrap();
    let (lines, _) = lines_of(&command(&["cat", "/proc/self/status"])).await;
    let own = fs::read_to_string("/proc/thread-self/status").unwrap();
    let set = |text: &str, key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        u64::from_str_radix(line.trim(), 16).unwrap()
    };
    let (text, pipe) = (lines.join("\n"), 1 << (signal_hook::consts::SIGPIPE - 1));
    assert_eq!((set(&text, "SigBlk:"), set(&text, "SigCgt:")), (0, 0));
    assert_eq!(set(&text, "SigIgn:"), set(&own, "SigIgn:") & !pipe);
    // Ours are as they were.
    assert_ne!(set(&own, "SigIgn:") & pipe, 0);
    assert_eq!(set(&own, "SigBlk:"), 0);
}

#[tokio::test]
async fn a_command_that_was_let_go_of_leaves_no_zombie() {
    let running = start(&command(&["sleep", "600"])).unwrap();
    let id = running.id();
    drop(running);
    // What it became is waited for in the background, while the runtime has something else to do.
    let gone = async {
        while Path::new(&format!("/proc/{}", id.pid)).exists() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone).await.unwrap();
}
