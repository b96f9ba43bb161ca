//! A host of files, a kernel that is a socket, and a QEMU that says what it is told to.

use super::EvdevWatch;
use crate::host::Root;
use crate::plan::EvdevWanted;
use crate::qemu::Qmp;
use crate::supervise::Notice;
use crate::supervise::uevent::Uevents;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

const NODE: &str = "/dev/input/by-id/usb-Keyboard-event-kbd";
const ADDED: &[u8] = b"add@/devices/x\0ACTION=add\0SUBSYSTEM=input\0DEVNAME=input/event5\0";
const QEMU: u32 = 7;

struct Host(TempDir);

impl Host {
    fn new() -> Self {
        let host = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(host.at(NODE).parent().unwrap()).unwrap();
        fs::create_dir_all(host.at("/proc/7/fd")).unwrap();
        host
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(&path[1..])
    }

    /// Plugs the keyboard in; QEMU has it open as descriptor `number`, if any.
    fn plug(&self, number: Option<u32>) {
        // Two nodes at once, or the second might get the inode of the first.
        let fresh = self.at("/dev/input/fresh");
        fs::write(&fresh, "").unwrap();
        fs::rename(fresh, self.at(NODE)).unwrap();
        if let Some(number) = number {
            self.open(number, NODE);
        }
    }

    fn open(&self, number: u32, path: &str) {
        let link = self.at(&format!("/proc/7/fd/{number}"));
        let _ = fs::remove_file(&link);
        symlink(self.at(path), link).unwrap();
    }

    /// Pulls it out, and QEMU closes descriptor `number`.
    fn unplug(&self, number: u32) {
        fs::remove_file(self.at(NODE)).unwrap();
        fs::remove_file(self.at(&format!("/proc/7/fd/{number}"))).unwrap();
    }
}

struct Peer(BufReader<UnixStream>);

impl Peer {
    async fn answers(&mut self, answer: Value) -> (String, Value) {
        let mut line = String::new();
        self.0.read_line(&mut line).await.unwrap();
        let command: Value = serde_json::from_str(&line).unwrap();
        let reply = json!({"return": answer, "id": command["id"]}).to_string();
        self.0.write_all(format!("{reply}\n").as_bytes()).await.unwrap();
        (command["execute"].as_str().unwrap().to_owned(), command["arguments"].clone())
    }

    /// Tells which of its objects QEMU has.
    async fn has(&mut self, ids: &[&str]) {
        let list: Vec<_> = ids.iter().map(|id| json!({"name": id, "type": "child<input-linux>"})).collect();
        assert_eq!(self.answers(json!(list)).await.0, "qom-list");
    }

    /// Hears of an object, and agrees.
    async fn hears(&mut self, command: &str, id: &str) {
        let heard = self.answers(json!({})).await;
        assert_eq!((heard.0.as_str(), &heard.1["id"]), (command, &json!(id)));
    }
}

/// Watches over the keyboard on `host` while `script` plays; returns what was told.
async fn watched<F: Future>(host: &Host, script: impl FnOnce(UnixDatagram, Peer) -> F) -> Vec<String> {
    let (kernel, ours) = UnixDatagram::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let (near, far) = UnixStream::pair().unwrap();
    let (qmp, _events) = Qmp::over(near);
    let told = RefCell::new(Vec::new());
    let tell = |notice: &Notice| told.borrow_mut().push(format!("{notice:?}"));
    let object = json!({"qom-type": "input-linux", "evdev": NODE, "grab_all": true});
    let (at, id) = ("input[0]".to_owned(), "input0".to_owned());
    let wanted = EvdevWanted { at, id, path: NODE.into(), object, found: true };
    let uevents = Some(Uevents::over(ours.into()));
    let watch = EvdevWatch::over(&[wanted], uevents, (qmp, QEMU), Root::at(host.0.path()), &tell);
    tokio::select! {
        biased;
        never = watch.run() => match never {},
        _ = script(kernel, Peer(BufReader::new(far))) => {}
    }
    told.into_inner()
}

#[tokio::test]
async fn a_keyboard_that_is_pulled_out_is_forgotten_and_comes_again() {
    let host = Host::new();
    host.plug(Some(21));
    let told = watched(&host, async |kernel, mut peer| {
        peer.has(&["ram0", "input0"]).await;
        // What nothing has to do with it is passed over.
        kernel.send(b"add@/devices/x\0SUBSYSTEM=usb\0DEVNAME=bus/usb/001/002\0").unwrap();
        tokio::time::sleep(super::QUIET * 2).await;
        host.unplug(21);
        kernel.send(ADDED).unwrap();
        peer.hears("object-del", "input0").await;
        tokio::time::sleep(super::QUIET).await;
        host.plug(None);
        kernel.send(ADDED).unwrap();
        host.open(21, NODE);
        peer.hears("object-add", "input0").await;
        tokio::time::sleep(super::QUIET).await;
        // It has it now, and nothing happens when something else comes.
        kernel.send(ADDED).unwrap();
        tokio::time::sleep(super::QUIET * 2).await;
    })
    .await;
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("was pulled out") && told[1].contains("is the guest's"), "{told:?}");
}

#[tokio::test]
async fn an_object_whose_number_somebody_has_by_then_is_left_behind() {
    let host = Host::new();
    fs::write(host.at("/dev/disk"), "").unwrap();
    host.plug(Some(21));
    watched(&host, async |kernel, mut peer| {
        peer.has(&["input0"]).await;
        tokio::time::sleep(super::QUIET).await;
        host.unplug(21);
        host.open(21, "/dev/disk");
        host.plug(None);
        kernel.send(ADDED).unwrap();
        host.open(22, NODE);
        peer.hears("object-add", "input0-1").await;
    })
    .await;
}

#[tokio::test]
async fn a_keyboard_that_was_not_there_comes_when_it_is() {
    let host = Host::new();
    watched(&host, async |kernel, mut peer| {
        peer.has(&["ram0"]).await;
        host.plug(None);
        kernel.send(ADDED).unwrap();
        peer.hears("object-add", "input0").await;
    })
    .await;
}
