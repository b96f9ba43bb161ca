//! A scripted peer says what no healthy QEMU says, or a newer one may.

use super::reader::{GARBAGE_LINES, LONGEST_LINE};
use super::{Events, Qmp, QmpError, QueryCpus, QueryStatus, QueryVersion, RunState};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

/// The other end of a conversation.
struct Peer(BufReader<UnixStream>);

impl Peer {
    async fn hears(&mut self) -> Value {
        let mut line = String::new();
        self.0.read_line(&mut line).await.unwrap();
        serde_json::from_str(&line).unwrap()
    }

    async fn says(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
        self.0.write_all(b"\n").await.unwrap();
    }

    async fn answers(&mut self, reply: Value) {
        let id = self.hears().await["id"].clone();
        self.says(&json!({ "return": reply, "id": id }).to_string()).await;
    }
}

fn talk() -> (Qmp, Events, Peer) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let (qmp, events) = Qmp::over(ours);
    (qmp, events, Peer(BufReader::new(theirs)))
}

/// Runs `command` while the peer answers it.
async fn answered(qmp: &Qmp, peer: &mut Peer, reply: Value) -> Value {
    let args = json!({});
    let (answer, ()) = tokio::join!(qmp.raw("any", &args), peer.answers(reply));
    answer.unwrap()
}

#[tokio::test]
async fn a_command_gets_the_reply_with_its_id() {
    let (qmp, _events, mut peer) = talk();
    let (first, second) = (qmp.call("first", &json!({})), qmp.call("second", &json!({"a": 1})));
    let (one, two) = (peer.hears().await, peer.hears().await);
    assert_eq!(
        (&one["execute"], &two["execute"], &two["arguments"]),
        (&json!("first"), &json!("second"), &json!({"a": 1}))
    );
    peer.says(&json!({ "return": 2, "id": two["id"] }).to_string()).await;
    peer.says(&json!({ "return": 1, "id": one["id"] }).to_string()).await;
    assert_eq!((first.await.unwrap().get(), second.await.unwrap().get()), ("1", "2"));
}

#[tokio::test]
async fn a_reply_of_null_is_a_reply() {
    let (qmp, _events, mut peer) = talk();
    assert_eq!(answered(&qmp, &mut peer, Value::Null).await, Value::Null);
}

#[tokio::test]
async fn an_event_before_the_greeting_is_kept() {
    let (qmp, mut events, mut peer) = talk();
    peer.says(
        r#"{"event": "RESET", "timestamp": {"seconds": 1, "microseconds": 5}, "data": {"guest": true, "reason": "x"}}"#,
    )
    .await;
    peer.says(r#"{"QMP": {"version": {}, "capabilities": ["oob", {"new": 1}]}}"#).await;
    answered(&qmp, &mut peer, json!({})).await;
    let event = events.next().await.unwrap();
    assert_eq!((event.name.as_str(), event.text("reason")), ("RESET", Some("x")));
    assert_eq!(event.at, Some(std::time::UNIX_EPOCH + Duration::from_micros(1_000_005)));
}

#[tokio::test]
async fn an_unknown_event_is_kept_raw_and_the_talk_goes_on() {
    let (qmp, mut events, mut peer) = talk();
    peer.says(r#"{"event": "BRAND_NEW", "timestamp": {"seconds": 1, "microseconds": 2}, "data": {"x": [1]}}"#).await;
    answered(&qmp, &mut peer, json!({})).await;
    let event = events.next().await.unwrap();
    assert_eq!((event.name.as_str(), &event.data), ("BRAND_NEW", &json!({"x": [1]})));
    assert!(event.known().is_none());
}

#[tokio::test]
async fn an_unknown_reason_of_a_known_event_is_kept_raw() {
    let (_qmp, mut events, mut peer) = talk();
    peer.says(r#"{"event": "SHUTDOWN", "timestamp": {"seconds": 1, "microseconds": 2}, "data": {"guest": true, "reason": "quantum"}}"#).await;
    let event = events.next().await.unwrap();
    assert_eq!(event.text("reason"), Some("quantum"));
    assert!(event.known().is_none());
}

#[tokio::test]
async fn a_known_event_has_its_types_and_needs_no_data() {
    let (_qmp, mut events, mut peer) = talk();
    peer.says(r#"{"event": "STOP", "timestamp": {"seconds": 1, "microseconds": 2}}"#).await;
    assert!(matches!(events.next().await.unwrap().known(), Some(qapi::qmp::Event::STOP { .. })));
}

#[tokio::test]
async fn a_negative_timestamp_is_no_time() {
    let (_qmp, mut events, mut peer) = talk();
    peer.says(r#"{"event": "STOP", "timestamp": {"seconds": -1, "microseconds": -1}}"#).await;
    assert_eq!(events.next().await.unwrap().at, None);
}

#[tokio::test]
async fn an_unknown_run_state_is_kept_as_text() {
    let (qmp, _events, mut peer) = talk();
    let reply = json!({"running": false, "status": "quantum", "singlestep": false});
    let (status, ()) = tokio::join!(qmp.execute(&QueryStatus {}), peer.answers(reply));
    assert_eq!(status.unwrap().status, RunState::Other("quantum".into()));
}

#[tokio::test]
async fn an_unknown_value_in_a_reply_fails_that_command_only_and_is_shown() {
    let (qmp, _events, mut peer) = talk();
    let (answer, ()) = tokio::join!(qmp.execute(&QueryVersion {}), peer.answers(json!({"qemu": "eleven"})));
    let Err(QmpError::Unreadable { command, reply, .. }) = answer else { panic!("{answer:?}") };
    assert_eq!((command.as_str(), reply.as_str()), ("query-version", r#"{"qemu":"eleven"}"#));
    answered(&qmp, &mut peer, json!({})).await;
}

#[tokio::test]
async fn the_thread_of_a_vcpu_is_not_its_place_in_the_topology() {
    let (qmp, _events, mut peer) = talk();
    let reply =
        json!([{"props": {"thread-id": 1, "core-id": 0}, "thread-id": 4711, "cpu-index": 3, "target": "x86_64"}]);
    let (vcpus, ()) = tokio::join!(qmp.execute(&QueryCpus {}), peer.answers(reply));
    let vcpus = vcpus.unwrap();
    assert_eq!((vcpus[0].cpu_index, vcpus[0].thread_id), (3, 4711));
}

#[tokio::test]
async fn an_error_of_a_new_class_is_a_refusal() {
    let (qmp, _events, mut peer) = talk();
    let call = qmp.call("cont", &json!({}));
    let id = peer.hears().await["id"].clone();
    peer.says(&json!({"error": {"class": "Flabbergasted", "desc": "no"}, "id": id}).to_string()).await;
    let Err(QmpError::Refused { command, class, desc }) = call.await else { panic!("refused") };
    assert_eq!((command.as_str(), class.as_str(), desc.as_str()), ("cont", "Flabbergasted", "no"));
}

#[tokio::test]
async fn an_error_without_an_id_fails_the_oldest_command() {
    let (qmp, _events, mut peer) = talk();
    let (oldest, newer) = (qmp.call("oldest", &json!({})), qmp.call("newer", &json!({})));
    let _ = peer.hears().await;
    peer.says(r#"{"error": {"class": "GenericError", "desc": "JSON parse error"}}"#).await;
    assert!(matches!(oldest.await, Err(QmpError::Refused { command, .. }) if command == "oldest"));
    peer.answers(json!(7)).await;
    assert_eq!(newer.await.unwrap().get(), "7");
}

#[tokio::test]
async fn a_late_reply_is_dropped_and_the_next_command_works() {
    let (qmp, _events, mut peer) = talk();
    let args = json!({});
    assert!(tokio::time::timeout(Duration::from_millis(1), qmp.raw("slow", &args)).await.is_err());
    peer.answers(json!("late")).await;
    assert_eq!(answered(&qmp, &mut peer, json!("fresh")).await, json!("fresh"));
}

#[tokio::test]
async fn garbage_lines_are_skipped() {
    let (qmp, _events, mut peer) = talk();
    for garbage in ["garbage", "[1, 2]", "{\"neither\": 1}", "{\"event\": 5}", "\u{0}\u{7f}", ""] {
        peer.says(garbage).await;
    }
    peer.0.write_all(&[0xff, 0xfe, b'\n']).await.unwrap();
    assert_eq!(answered(&qmp, &mut peer, json!(1)).await, json!(1));
}

#[tokio::test]
async fn nothing_but_garbage_is_given_up() {
    let (qmp, mut events, mut peer) = talk();
    let call = qmp.call("any", &json!({}));
    peer.0.write_all("garbage\n".repeat(GARBAGE_LINES as usize).as_bytes()).await.unwrap();
    assert!(matches!(call.await, Err(QmpError::Closed)));
    assert!(events.next().await.is_none());
    assert!(qmp.is_closed());
}

#[tokio::test]
async fn the_end_within_a_line_fails_what_waits_and_what_comes() {
    let (qmp, mut events, mut peer) = talk();
    let call = qmp.call("any", &json!({}));
    let id = peer.hears().await["id"].clone();
    let half = json!({ "return": {}, "id": id }).to_string();
    peer.0.write_all(&half.as_bytes()[..half.len() - 1]).await.unwrap();
    drop(peer);
    assert!(matches!(call.await, Err(QmpError::Closed)));
    assert!(matches!(qmp.raw("later", &json!({})).await, Err(QmpError::Closed)));
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn a_reset_is_the_same_as_the_end() {
    let (qmp, mut events, peer) = talk();
    let call = qmp.call("unread", &json!({}));
    // A socket that is closed with something unread resets the connection.
    peer.0.get_ref().readable().await.unwrap();
    drop(peer);
    assert!(matches!(call.await, Err(QmpError::Closed)));
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn an_endless_line_is_given_up() {
    let (qmp, _events, mut peer) = talk();
    let call = qmp.call("any", &json!({}));
    let chunk = vec![b'x'; 1 << 20];
    let endless = async { while peer.0.write_all(&chunk).await.is_ok() {} };
    let (answer, ()) = tokio::join!(call, endless);
    assert!(matches!(answer, Err(QmpError::Closed)));
}

#[tokio::test]
async fn a_reply_that_is_too_long_fails_its_command_alone() {
    let (qmp, mut events, mut peer) = talk();
    let (long, short) = (qmp.call("long", &json!({})), qmp.call("short", &json!({})));
    let (id, other) = (peer.hears().await["id"].clone(), peer.hears().await["id"].clone());
    let half = "x".repeat(usize::try_from(LONGEST_LINE).unwrap() / 2 + 1);
    peer.says(&format!("{{\"return\": \"{half}\\r\\n{half}\\r\\n\", \"id\": {id}}}\r")).await;
    peer.says(r#"{"event": "STOP", "timestamp": {"seconds": 1, "microseconds": 2}}"#).await;
    peer.says(&json!({ "return": 7, "id": other }).to_string()).await;
    assert!(matches!(long.await, Err(QmpError::TooLong { command }) if command == "long"));
    assert_eq!(short.await.unwrap().get(), "7");
    assert_eq!(events.next().await.unwrap().name, "STOP");
}

#[tokio::test]
async fn a_long_line_below_the_limit_is_read() {
    let (qmp, _events, mut peer) = talk();
    let long = "x".repeat(usize::try_from(LONGEST_LINE).unwrap() - 100);
    assert_eq!(answered(&qmp, &mut peer, json!(long.clone())).await, json!(long));
}

#[tokio::test]
async fn events_that_nobody_takes_hold_up_no_reply() {
    let (qmp, mut events, mut peer) = talk();
    let event = r#"{"event": "STOP", "timestamp": {"seconds": 1, "microseconds": 2}}"#;
    for _ in 0..10_000 {
        peer.says(event).await;
    }
    answered(&qmp, &mut peer, json!({})).await;
    drop(peer);
    let mut taken = 0;
    while events.next().await.is_some() {
        taken += 1;
    }
    assert_eq!(taken, 10_000);
}
