use super::{Ask, Client, Control, Desk, Pins, Status, Wish, ask, control_socket};
use crate::qemu::Event;
use crate::supervise::chronicle::Chronicle;
use crate::supervise::interrupts::Interrupts;
use serde_json::{Value, json};
use std::future::Future;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep};

fn status(dir: &Path) -> Status {
    Status {
        name: "Windows".into(),
        state: "running".into(),
        guest: None,
        supervisor: 1,
        qemu: None,
        since: 0,
        vcpus: 1,
        memory: "1G".into(),
        devices: Vec::new(),
        pins: Pins::default(),
        services: Vec::new(),
        logs: dir.to_owned(),
        events: Vec::new(),
    }
}

fn desk(dir: &Path) -> Rc<Desk> {
    Rc::new(Desk::new(status(dir), dir.to_owned(), Chronicle::open(dir).unwrap(), Interrupts::default()))
}

/// Serves the control socket in `dir` while `clients` talk; returns the wishes of all.
async fn served(dir: &Path, clients: impl Future<Output = ()>) -> Vec<Wish> {
    let desk = desk(dir);
    let mut control = Control::listen(dir, desk).unwrap();
    let mut wishes = Vec::new();
    let serve = async {
        tokio::pin!(clients);
        loop {
            tokio::select! { wish = control.next() => wishes.push(wish), () = &mut clients => return }
        }
    };
    LocalSet::new().run_until(serve).await;
    wishes
}

#[tokio::test]
async fn several_clients_are_answered_while_the_loop_waits() {
    let dir = tempfile::tempdir().unwrap();
    let talk = async {
        let mut one = Client::connect(dir.path()).await.unwrap();
        let mut two = Client::connect(dir.path()).await.unwrap();
        assert_eq!(two.ask(&Ask::Status {}).await.unwrap()["name"], "Windows");
        assert_eq!(one.ask(&Ask::Stop { force: true }).await.unwrap()["state"], "running");
        assert_eq!(one.ask(&Ask::Status {}).await.unwrap()["vcpus"], 1);
    };
    let wishes = served(dir.path(), talk).await;
    assert!(matches!(wishes[..], [Wish::Stop { force: true }]), "{wishes:?}");
}

#[tokio::test(start_paused = true)]
async fn the_end_waits_for_answers_that_are_owed_but_not_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let (dir, chronicle) = (dir.path(), Chronicle::open(dir.path()).unwrap());
    let desk = Desk::new(status(dir), dir.to_owned(), chronicle, Interrupts::default());
    let began = Instant::now();
    desk.all_answered().await;
    assert_eq!(began.elapsed(), Duration::ZERO, "nothing was asked");

    let first = desk.open();
    let answer = async {
        sleep(Duration::from_millis(20)).await;
        drop(first);
    };
    tokio::join!(desk.all_answered(), answer);
    assert_eq!(began.elapsed(), Duration::from_millis(20));

    let _never_read = desk.open();
    desk.all_answered().await;
    assert!(began.elapsed() > Duration::from_millis(900));
}

#[tokio::test(start_paused = true)]
async fn it_is_quiet_again_some_time_after_the_last_answer_or_event() {
    let dir = tempfile::tempdir().unwrap();
    let desk = desk(dir.path());
    let began = Instant::now();
    let stir = async {
        sleep(Duration::from_secs(60)).await;
        drop(desk.open());
        sleep(Duration::from_secs(8)).await;
        desk.heard(&Event { name: "RESET".into(), data: json!({}), at: None });
    };
    tokio::join!(desk.quiet_again(), stir);
    assert_eq!(began.elapsed(), Duration::from_secs(60 + 8 + 10));
}

async fn raw(dir: &Path, request: &str) -> Value {
    let mut client = BufReader::new(UnixStream::connect(control_socket(dir)).await.unwrap());
    client.write_all(request.as_bytes()).await.unwrap();
    let mut line = String::new();
    client.read_line(&mut line).await.unwrap();
    serde_json::from_str(&line).unwrap()
}

#[tokio::test]
async fn what_is_not_understood_is_refused_and_the_connection_kept() {
    let dir = tempfile::tempdir().unwrap();
    let talk = async {
        for request in ["nonsense\n", "{\"ask\":\"fly\"}\n", "{\"ask\":\"status\",\"x\":1}\n", "[]\n"] {
            let answer = raw(dir.path(), request).await;
            assert!(answer["error"]["desc"].as_str().unwrap().starts_with("not understood"), "{answer}");
        }
        let answer = raw(dir.path(), "{\"v\":2,\"ask\":\"status\"}\n").await;
        assert_eq!(answer["error"]["desc"], "version 2 is asked for, and this vmrun speaks 1");
        let answer = raw(dir.path(), "{\"ask\":\"qmp\",\"execute\":\"quit\"}\n").await;
        assert_eq!(answer, json!({"v": 1, "error": {"class": "vmrun", "desc": "QEMU does not run"}}));
        assert_eq!(raw(dir.path(), "{\"ask\":\"status\"}\n").await["return"]["name"], "Windows");
    };
    served(dir.path(), talk).await;
}

#[tokio::test]
async fn a_guest_without_a_port_of_ours_has_no_console() {
    let dir = tempfile::tempdir().unwrap();
    let talk = async {
        let refused = ask(dir.path(), &Ask::Console {}).await.unwrap_err();
        assert!(refused.to_string().contains("[[serial]]"), "{refused}");
    };
    served(dir.path(), talk).await;
}

#[tokio::test]
async fn a_guest_that_is_not_there_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    assert!(ask(dir.path(), &Ask::Status {}).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn it_is_quiet_again_a_while_after_the_last_answer() {
    let dir = tempfile::tempdir().unwrap();
    let desk = desk(dir.path());
    let began = Instant::now();
    let answers = async {
        for pause in [60, 4, 4] {
            sleep(Duration::from_secs(pause)).await;
            drop(desk.open());
        }
    };
    tokio::join!(desk.quiet_again(), answers);
    assert_eq!(began.elapsed().as_secs(), 60 + 4 + 4 + 10);
}
