//! Hooks and companion services, with real processes.

#![allow(clippy::unwrap_used)] // in a test, a panic is the report

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, UCred, sendmsg};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::PathBuf;
use vmrun::plan::{Change, Command, Hook, OnError, Point, Ready, Restart, Service, Start, UnitState, What};
use vmrun::process::ProcessId;
use vmrun::supervise::{Companions, Notice, RequiredLost, Scene, ServiceFailure, ServiceNews, run_hook, unit_changes};
use vmrun::unit::{GuestName, Period};

/// A run's folder, and everything that was told and noted.
struct Stage {
    folder: tempfile::TempDir,
    told: RefCell<Vec<Notice>>,
    noted: RefCell<Vec<(String, Option<ProcessId>)>>,
}

impl Stage {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), told: RefCell::default(), noted: RefCell::default() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn scene(&self) -> Scene {
        Scene {
            name: GuestName::try_from("win".to_owned()).unwrap(),
            run_dir: self.folder.path().to_owned(),
            folder: None,
            log_dir: Some(self.folder.path().to_owned()),
            reason: None,
            exit: None,
            pid: None,
            qmp: None,
            plan_json: (*br#"{"name":"win"}"#).into(),
        }
    }

    fn tell(&self, notice: &Notice) {
        self.told.borrow_mut().push(notice.clone());
    }

    fn note(&self, name: &str, process: Option<ProcessId>) {
        self.noted.borrow_mut().push((name.to_owned(), process));
    }

    fn lines(&self, name: &str) -> Vec<String> {
        let told = self.told.borrow();
        let lines = told.iter().filter_map(|notice| match notice {
            Notice::Output { from, line, .. } if from == name => Some(line.clone()),
            _ => None,
        });
        lines.collect()
    }

    fn news(&self, name: &str) -> Vec<ServiceNews> {
        let told = self.told.borrow();
        let news = told.iter().filter_map(|notice| match notice {
            Notice::Service { name: of, what } if of == name => Some(what.clone()),
            _ => None,
        });
        news.collect()
    }

    fn starts(&self, name: &str) -> usize {
        self.news(name).iter().filter(|what| matches!(what, ServiceNews::Started { .. })).count()
    }

    fn warnings(&self) -> Vec<String> {
        let told = self.told.borrow();
        let warnings = told.iter().filter_map(|notice| match notice {
            Notice::Warning(text) => Some(text.clone()),
            _ => None,
        });
        warnings.collect()
    }

    /// Processes that were noted and not noted as gone.
    fn alive(&self) -> Vec<ProcessId> {
        let noted: BTreeMap<_, _> = self.noted.borrow().iter().cloned().collect();
        noted.into_values().flatten().collect()
    }
}

fn sh(script: &str) -> Command {
    Command { argv: ["sh", "-c", script].map(str::to_owned).into(), ..Command::default() }
}

fn period(text: &str) -> Period {
    text.parse().unwrap()
}

fn hook(script: &str) -> Hook {
    Hook {
        key: "hook[0]".into(),
        name: "mount-share".into(),
        at: Point::Pre,
        run: sh(script),
        undo: None,
        on_error: OnError::Abort,
    }
}

struct Wish {
    restart: Restart,
    ready: Ready,
    burst: u32,
    required: bool,
    start: Start,
    stop_timeout: &'static str,
}

const WISH: Wish = Wish {
    restart: Restart::No,
    ready: Ready::Exec,
    burst: 5,
    required: true,
    start: Start::Before,
    stop_timeout: "60s",
};

fn service(name: &str, script: &str, wish: Wish) -> Service {
    let Wish { restart, ready, burst, required, start, stop_timeout } = wish;
    let (delay, stop_timeout) = (period("1s"), period(stop_timeout));
    let what = What::Command { run: sh(script), restart, delay, burst, ready, stop_timeout };
    Service { key: format!("service.{name}"), name: name.into(), what, start, required }
}

/// `let` the companions of a stage, which hears of them.
macro_rules! companions {
    ($companions:ident of $stage:ident, $services:expr) => {
        let tell = |notice: &Notice| $stage.tell(notice);
        let note = |name: &str, process| $stage.note(name, process);
        let mut $companions = Companions::new(&$services, $stage.scene(), &tell, &note);
    };
}

#[tokio::test]
async fn a_hook_is_told_about_the_run_and_reads_the_plan() {
    let stage = Stage::new();
    let scene = Scene { reason: Some("powered_off".into()), exit: Some(0), pid: Some(77), ..stage.scene() };
    let scene = Scene { qmp: Some("/run/qmp.sock".into()), ..scene };
    let script =
        r#"echo "$VMRUN_NAME $VMRUN_PHASE $VMRUN_REASON $VMRUN_EXIT $VMRUN_PID $VMRUN_QMP $VMRUN_RUN_DIR"; cat"#;
    run_hook(&hook(script), &scene, &|_| {}, &|notice| stage.tell(notice)).await.unwrap();
    let told = format!("win pre powered_off 0 77 /run/qmp.sock {}", stage.folder.path().display());
    assert_eq!(stage.lines("mount-share"), [told.as_str(), r#"{"name":"win"}"#]);
    let log = fs::read_to_string(stage.path("hook-mount-share.log")).unwrap();
    assert_eq!(log, format!("{told}\n{}\n", r#"{"name":"win"}"#));
}

#[tokio::test]
async fn what_is_not_known_yet_is_not_in_the_environment() {
    let stage = Stage::new();
    run_hook(&hook("env | grep -c VMRUN_"), &stage.scene(), &|_| {}, &|notice| stage.tell(notice)).await.unwrap();
    assert_eq!(stage.lines("mount-share"), ["3"]);
}

#[tokio::test]
async fn a_failing_hook_is_named_with_its_status_and_last_lines() {
    let stage = Stage::new();
    let failing = hook("seq 30; exit 3");
    let failure = run_hook(&failing, &stage.scene(), &|_| {}, &|notice| stage.tell(notice)).await.unwrap_err();
    assert_eq!(failure.to_string(), "hook `mount-share` (pre) failed: exit 3");
    assert_eq!(failure.tail, (11..=30).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_hook_that_hangs_is_named_with_its_timeout() {
    let stage = Stage::new();
    let mut hanging = hook("sleep 600");
    hanging.run.timeout = Some(period("200ms"));
    let failure = run_hook(&hanging, &stage.scene(), &|_| {}, &|_| {}).await.unwrap_err();
    assert_eq!(failure.what, "not done after 200ms");
}

#[tokio::test(start_paused = true)]
async fn a_hook_without_timeout_has_half_a_minute() {
    let stage = Stage::new();
    let began = tokio::time::Instant::now();
    run_hook(&hook("sleep 600"), &stage.scene(), &|_| {}, &|_| {}).await.unwrap_err();
    // Then it is ended. The clock of this test runs ahead of the kernel, so how it ended is not to be told.
    let took = began.elapsed().as_secs();
    assert!((30..60).contains(&took), "{took} s");
}

#[tokio::test]
async fn a_hook_that_cannot_be_executed_is_named_with_path_and_reason() {
    let stage = Stage::new();
    let path = stage.path("hook.sh");
    fs::write(&path, "#!/bin/sh\n").unwrap();
    let mut plain = hook("");
    plain.run.argv = vec![path.to_str().unwrap().to_owned()];
    let failure = run_hook(&plain, &stage.scene(), &|_| {}, &|_| {}).await.unwrap_err();
    let path = path.display();
    assert!(failure.what.starts_with(&format!("{path} may not be executed by ")), "{failure}");
    assert!(failure.what.ends_with("mode is 0644: Permission denied (os error 13)"), "{failure}");
}

#[tokio::test]
async fn a_companion_is_started_when_the_one_before_is_ready() {
    let stage = Stage::new();
    let file = stage.path("ready");
    let first = format!("sleep 0.3; : > {}; exec sleep 600", file.display());
    let second = format!("test -e {}; echo $?; exec sleep 600", file.display());
    let services = [
        service("first", &first, Wish { ready: Ready::File(file), ..WISH }),
        service("second", &second, Wish { start: Start::After, ..WISH }),
        service("third", &second, WISH),
    ];
    companions!(companions of stage, services);
    companions.start(Start::Before).await.unwrap();
    until(&stage, &mut companions, |stage| !stage.lines("third").is_empty()).await;
    assert_eq!(stage.lines("third"), ["0"]);
    assert_eq!((stage.starts("second"), stage.alive().len()), (0, 2));
    companions.stop(Start::Before).await;
    assert_eq!(stage.alive(), []);
}

#[tokio::test]
async fn a_companion_says_itself_that_it_is_ready() {
    let stage = Stage::new();
    let mut says = service("says", "", Wish { ready: Ready::Notify, ..WISH });
    let What::Command { run, .. } = &mut says.what else { panic!("a command") };
    let me = std::env::current_exe().unwrap().to_str().unwrap().to_owned();
    run.argv = [me.as_str(), "--ignored", "--exact", "the_companion_that_says_it_is_ready"]
        .map(|text: &str| text.to_owned())
        .into();
    companions!(companions of stage, [says]);
    companions.start(Start::Before).await.unwrap();
    assert_eq!(stage.news("says")[1], ServiceNews::Ready);
    companions.stop(Start::Before).await;
    assert_eq!(stage.alive(), []);
}

#[test]
#[ignore = "not a test: it is what the test above starts"]
fn the_companion_that_says_it_is_ready() {
    assert!(std::env::var_os("NOTIFY_SOCKET").is_some());
    sd_notify::notify(&[sd_notify::NotifyState::Status("soon")]).unwrap();
    sd_notify::notify(&[sd_notify::NotifyState::Ready]).unwrap();
    loop {
        std::thread::park();
    }
}

#[tokio::test]
async fn somebody_else_cannot_say_that_a_companion_is_ready() {
    let stage = Stage::new();
    let lie = |notice: &Notice| {
        stage.tell(notice);
        if let Notice::Output { line, .. } = notice {
            UnixDatagram::unbound().unwrap().send_to(b"READY=1", line).unwrap();
        }
    };
    let wish = Wish { ready: Ready::Notify, ..WISH };
    let services = [service("silent", "echo $NOTIFY_SOCKET; sleep 0.3; exit 7", wish)];
    let mut companions = Companions::new(&services, stage.scene(), &lie, &|_, _| {});
    let failure = companions.start(Start::Before).await.unwrap_err();
    assert_eq!(failure.what, "exit 7 before it was ready");
    assert_eq!(fs::read_dir(stage.folder.path()).unwrap().count(), 1, "only the log is left");
}

#[tokio::test]
async fn a_companion_of_another_user_gets_a_socket_that_it_can_reach() {
    if !nix::unistd::geteuid().is_root() {
        return eprintln!("not shown: only root may become another user");
    }
    let stage = Stage::new();
    let said = |notice: &Notice| {
        stage.tell(notice);
        let Notice::Output { line, .. } = notice else { return };
        let (name, pid) = line.split_once(' ').unwrap();
        let address = SocketAddr::from_abstract_name(name.strip_prefix('@').unwrap()).unwrap();
        send_as(pid.parse().unwrap(), &address);
    };
    let mut service = service("other", "echo $NOTIFY_SOCKET $$; exec sleep 600", Wish { ready: Ready::Notify, ..WISH });
    let What::Command { run, .. } = &mut service.what else { panic!("a command") };
    run.user = Some("nobody".into());
    let mut companions = Companions::new(&[service], stage.scene(), &said, &|_, _| {});
    companions.start(Start::Before).await.unwrap();
    companions.stop(Start::Before).await;
}

/// Says `READY=1` as process `pid`; root may name another one than itself, `unix(7)`.
fn send_as(pid: i32, address: &SocketAddr) {
    let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    let (uid, gid) =
        (rustix::process::Uid::from_raw(nobody.uid.as_raw()), rustix::process::Gid::from_raw(nobody.gid.as_raw()));
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmCredentials(UCred { pid, uid, gid })));
    let socket = UnixDatagram::unbound().unwrap();
    socket.connect_addr(address).unwrap();
    sendmsg(&socket, &[std::io::IoSlice::new(b"STATUS=up\nREADY=1\n")], &mut control, SendFlags::empty()).unwrap();
}

#[tokio::test]
async fn a_required_companion_that_dies_before_it_is_ready_is_a_failure() {
    let stage = Stage::new();
    let wish = Wish { ready: Ready::Notify, restart: Restart::Always, ..WISH };
    companions!(companions of stage, [service("swtpm", "echo no state; exit 1", wish)]);
    let failure = companions.start(Start::Before).await.unwrap_err();
    let (name, what) = ("swtpm".to_owned(), "exit 1 before it was ready".to_owned());
    assert_eq!(failure, ServiceFailure { name, what, tail: vec!["no state".into()] });
    assert_eq!(stage.alive(), []);
}

#[tokio::test]
async fn one_that_is_not_required_costs_a_warning() {
    let stage = Stage::new();
    let wish = || Wish { ready: Ready::Notify, required: false, ..WISH };
    let mut missing = service("missing", "", wish());
    let What::Command { run, .. } = &mut missing.what else { panic!("a command") };
    run.argv = vec!["/no/such/program".into()];
    companions!(companions of stage, [service("dies", "exit 1", wish()), missing]);
    companions.start(Start::Before).await.unwrap();
    let warnings = stage.warnings();
    assert_eq!(warnings[0], "service `dies` did not start: exit 1 before it was ready");
    assert!(warnings[1].starts_with("service `missing` did not start: /no/such/program is not there"), "{warnings:?}");
}

#[tokio::test(start_paused = true)]
async fn a_companion_that_is_never_ready_is_ended_after_half_a_minute() {
    let stage = Stage::new();
    let services = [service("never", "exec sleep 600", Wish { ready: Ready::Notify, ..WISH })];
    companions!(companions of stage, services);
    let failure = companions.start(Start::Before).await.unwrap_err();
    assert_eq!(failure.what, "not ready after 30s");
    assert_eq!(stage.alive(), []);
}

#[tokio::test(start_paused = true)]
async fn one_that_dies_again_and_again_is_given_up_once() {
    let stage = Stage::new();
    let wish = Wish { restart: Restart::Always, burst: 3, ..WISH };
    companions!(companions of stage, [service("synergys", "echo up; exit 3", wish)]);
    companions.start(Start::Before).await.unwrap();
    let RequiredLost { name, how } = companions.next().await;
    assert_eq!(
        (name.as_str(), how.as_str()),
        ("synergys", "given up after 3 deaths within a minute, the last one exit 3")
    );
    assert_eq!((stage.starts("synergys"), stage.lines("synergys").len()), (3, 3));
    let given_up = |what: &ServiceNews| *what == ServiceNews::GivenUp { deaths: 3, how: "exit 3".into() };
    assert_eq!(stage.news("synergys").iter().filter(|what| given_up(what)).count(), 1);
    assert_eq!(stage.alive(), []);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_killed_comes_back_as_another_process() {
    let stage = Stage::new();
    let wish = Wish { restart: Restart::Always, ..WISH };
    companions!(companions of stage, [service("synergys", "exec sleep 600", wish)]);
    companions.start(Start::Before).await.unwrap();
    let first = stage.alive()[0];
    assert!(first.kill_recorded().unwrap());
    until(&stage, &mut companions, |stage| stage.starts("synergys") == 2).await;
    let second = stage.alive()[0];
    assert!(second != first && second.is_alive() && !first.is_alive());
    let how = "killed by SIGKILL".to_owned();
    let again_in = Some(period("1s").get());
    assert!(stage.news("synergys").contains(&ServiceNews::Ended { how, again_in }));
    companions.stop(Start::Before).await;
    assert_eq!(stage.alive(), []);
}

#[tokio::test(start_paused = true)]
async fn one_that_ended_well_is_left_alone_when_only_failures_count() {
    let stage = Stage::new();
    let wish = || Wish { restart: Restart::OnFailure, required: false, ..WISH };
    let services = [service("well", "exit 0", wish()), service("badly", "exit 1", Wish { burst: 2, ..wish() })];
    companions!(companions of stage, services);
    companions.start(Start::Before).await.unwrap();
    let ended = |stage: &Stage| stage.news("badly").len() >= 5 && stage.news("well").len() >= 3;
    until(&stage, &mut companions, ended).await;
    assert_eq!((stage.starts("well"), stage.starts("badly")), (1, 2));
}

#[tokio::test]
async fn what_a_dead_companion_left_in_its_group_is_gone_before_the_next_one() {
    let stage = Stage::new();
    let services = [service("leaves", "sleep 600 & echo $!; exit 1", WISH)];
    companions!(companions of stage, services);
    companions.start(Start::Before).await.unwrap();
    let lost = companions.next().await;
    assert_eq!(lost.how, "exit 1");
    until_gone(stage.lines("leaves")[0].parse().unwrap());
}

#[tokio::test]
async fn the_last_one_started_is_stopped_first() {
    let stage = Stage::new();
    let order = stage.path("order");
    let script = |name: &str| {
        let order = order.display();
        format!("trap 'echo {name} >> {order}; exit' TERM; echo ready; while :; do sleep 0.05; done")
    };
    let services = ["one", "two", "three"].map(|name| service(name, &script(name), WISH));
    companions!(companions of stage, services);
    companions.start(Start::Before).await.unwrap();
    let ready = |stage: &Stage| ["one", "two", "three"].iter().all(|name| !stage.lines(name).is_empty());
    until(&stage, &mut companions, ready).await;
    companions.stop(Start::Before).await;
    assert_eq!(fs::read_to_string(&order).unwrap(), "three\ntwo\none\n");
    assert_eq!(stage.alive(), []);
}

#[tokio::test]
async fn one_that_ignores_sigterm_is_killed_with_its_children() {
    let stage = Stage::new();
    let script = "trap '' TERM; sleep 600 & echo $!; while :; do wait; done";
    companions!(companions of stage, [service("deaf", script, Wish { stop_timeout: "100ms", ..WISH })]);
    companions.start(Start::Before).await.unwrap();
    until(&stage, &mut companions, |stage| !stage.lines("deaf").is_empty()).await;
    companions.stop(Start::Before).await;
    assert_eq!(stage.news("deaf").last(), Some(&ServiceNews::Stopped { how: "killed by SIGKILL".into() }));
    until_gone(stage.lines("deaf")[0].parse().unwrap());
}

#[tokio::test]
async fn a_flood_from_one_does_not_hide_the_loss_of_another() {
    let stage = Stage::new();
    let flood = service("flood", "exec yes \"$(printf %04000d 0)\"", Wish { required: false, ..WISH });
    let file = stage.path("go");
    let wait = format!("while ! test -e {}; do sleep 0.05; done; exit 9", file.display());
    let services = [flood, service("dies", &wait, WISH)];
    let count = RefCell::new(0_u64);
    let tell = |notice: &Notice| {
        let mut count = count.borrow_mut();
        *count += u64::from(matches!(notice, Notice::Output { .. }));
        // The flood runs, and only then the other one dies.
        if *count == 1000 {
            fs::write(&file, "").unwrap();
        }
    };
    let mut companions = Companions::new(&services, stage.scene(), &tell, &|_, _| {});
    companions.start(Start::Before).await.unwrap();
    assert_eq!(companions.next().await.to_string(), "service `dies`, which the guest requires, is lost: exit 9");
    companions.stop(Start::Before).await;
}

#[tokio::test]
async fn companions_that_are_dropped_are_killed() {
    let stage = Stage::new();
    companions!(companions of stage, [service("one", "exec sleep 600", WISH)]);
    companions.start(Start::Before).await.unwrap();
    let one = stage.alive()[0];
    drop(companions);
    until_gone(one.pid);
}

#[tokio::test(start_paused = true)]
async fn without_companions_nothing_happens() {
    let stage = Stage::new();
    companions!(companions of stage, []);
    companions.start(Start::After).await.unwrap();
    let waited = tokio::time::timeout(std::time::Duration::from_secs(3600), companions.next()).await;
    assert!(waited.is_err());
    companions.stop(Start::After).await;
}

#[test]
fn units_are_changes_of_the_host() {
    let what = What::Unit { unit: "smbd.service".into(), user: None };
    let unit = Service { key: "service[0]".into(), name: "smbd".into(), what, start: Start::Before, required: true };
    let services = [unit, service("synergys", "", WISH)];
    let (from, to) = (UnitState::Inactive, UnitState::Active);
    let smbd = Change::Unit { unit: "smbd.service".into(), user: None, from, to };
    assert_eq!(unit_changes(&services, Start::Before), [smbd]);
    assert_eq!(unit_changes(&services, Start::After), []);
}

/// Watches the companions until `enough` was told.
async fn until(stage: &Stage, companions: &mut Companions<'_>, enough: impl Fn(&Stage) -> bool) {
    let mut watch = std::pin::pin!(companions.next());
    std::future::poll_fn(|context| {
        let watched = watch.as_mut().poll(context);
        assert!(watched.is_pending(), "{watched:?}");
        if enough(stage) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}

/// Returns when the process has ended, at once when it is gone.
fn until_gone(pid: u32) {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use rustix::process::{Pid, PidfdFlags, pidfd_open};
    use std::os::fd::AsFd;
    let Ok(pidfd) = pidfd_open(Pid::from_raw(pid.cast_signed()).unwrap(), PidfdFlags::empty()) else { return };
    let mut polled = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
    // The signal that a child has ended may interrupt it.
    while poll(&mut polled, PollTimeout::NONE) == Err(nix::errno::Errno::EINTR) {}
}
