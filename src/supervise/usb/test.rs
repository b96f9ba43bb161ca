//! A host of files, a kernel that is a socket, and a QEMU that says what it is told to.

use super::{Said, Say, UsbWatch};
use crate::host::Root;
use crate::plan::{UsbFound, UsbWanted, UsbWhich};
use crate::qemu::Qmp;
use crate::supervise::Notice;
use crate::supervise::uevent::Uevents;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::fs;
use std::os::unix::net::UnixDatagram;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

const ADDED: &[u8] = b"add@/devices/x\0ACTION=add\0SUBSYSTEM=usb\0DEVTYPE=usb_device\0";

struct Host(TempDir);

impl Host {
    fn new() -> Self {
        let host = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(host.0.path().join("sys/bus/usb/devices")).unwrap();
        host
    }

    fn plug(&self, port: &str, number: u8) {
        let folder = self.0.path().join("sys/bus/usb/devices").join(port);
        fs::create_dir_all(&folder).unwrap();
        let number = number.to_string();
        let files = [("bDeviceClass", "00"), ("idVendor", "046d"), ("idProduct", "c29b"), ("devnum", &number)];
        files.iter().for_each(|(file, text)| fs::write(folder.join(file), text).unwrap());
    }

    /// Makes the node by which device `number` of the first bus is opened, and returns its path on that host.
    fn node(&self, number: u8) -> String {
        let node = format!("/dev/bus/usb/001/{number:03}");
        let file = self.0.path().join(&node[1..]);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "").unwrap();
        node
    }

    fn unplug(&self, port: &str) {
        fs::remove_dir_all(self.0.path().join("sys/bus/usb/devices").join(port)).unwrap();
    }
}

/// QEMU's end.
struct Peer {
    stream: BufReader<UnixStream>,
    say: Say,
}

impl Peer {
    /// Hears a command and agrees; lets go of the device that it is about.
    async fn hears(&mut self) -> (String, Value) {
        self.answers(json!({})).await
    }

    /// The same with an answer.
    async fn answers(&mut self, answer: Value) -> (String, Value) {
        let mut line = String::new();
        self.stream.read_line(&mut line).await.unwrap();
        let command: Value = serde_json::from_str(&line).unwrap();
        let reply = json!({"return": answer, "id": command["id"]}).to_string();
        self.stream.write_all(format!("{reply}\n").as_bytes()).await.unwrap();
        let (name, arguments) = (command["execute"].as_str().unwrap().to_owned(), command["arguments"].clone());
        if name == "device_del" {
            self.say.send(Said::Deleted(arguments["id"].as_str().unwrap().to_owned())).unwrap();
        }
        (name, arguments)
    }
}

fn wheel(found: Option<&str>) -> UsbWanted {
    let id = "046d:c29b".parse().unwrap();
    UsbWanted {
        at: "usb[0]".into(),
        id: "usb0".into(),
        which: UsbWhich { id: Some(id), ..UsbWhich::default() },
        device: json!({"driver": "usb-host", "id": "usb0", "bus": "usb.0"}),
        found: found.map(|port| UsbFound { port: port.parse().unwrap(), id }),
        last_keyboard: false,
    }
}

/// Watches over `wanted` on `host` while `script` plays; returns what was told.
async fn watched<F: Future>(
    host: &Host,
    wanted: UsbWanted,
    script: impl FnOnce(UnixDatagram, Peer) -> F,
) -> Vec<Notice> {
    watched_as(host, wanted, |watch| watch, script).await
}

/// The same with a watch that `turned` has changed.
async fn watched_as<F: Future>(
    host: &Host,
    wanted: UsbWanted,
    turned: impl FnOnce(UsbWatch<'_>) -> UsbWatch<'_>,
    script: impl FnOnce(UnixDatagram, Peer) -> F,
) -> Vec<Notice> {
    let (kernel, ours) = UnixDatagram::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let (near, far) = UnixStream::pair().unwrap();
    let (qmp, _events) = Qmp::over(near);
    let told = RefCell::new(Vec::new());
    let tell = |notice: &Notice| told.borrow_mut().push(notice.clone());
    let uevents = Some(Uevents::over(ours.into()));
    let (watch, say) = UsbWatch::over(&[wanted], uevents, qmp, Root::at(host.0.path()), &tell);
    let peer = Peer { stream: BufReader::new(far), say };
    tokio::select! {
        // What the guest has is seen before the script begins.
        biased;
        never = turned(watch).run() => match never {},
        _ = script(kernel, peer) => {}
    }
    told.into_inner()
}

fn texts(notices: &[Notice]) -> Vec<String> {
    let text = |notice: &Notice| match notice {
        Notice::Note(text) => text.clone(),
        other => format!("{other:?}"),
    };
    notices.iter().map(text).collect()
}

#[tokio::test]
async fn a_device_that_is_plugged_in_later_comes_with_its_socket() {
    let host = Host::new();
    let told = watched(&host, wheel(None), async |kernel, mut peer| {
        host.plug("1-4.2", 7);
        kernel.send(ADDED).unwrap();
        let (command, arguments) = peer.hears().await;
        assert_eq!(command, "device_add");
        let place = json!({"vendorid": 0x046d, "productid": 0xc29b, "hostbus": 1, "hostport": "4.2"});
        for (key, value) in place.as_object().unwrap() {
            assert_eq!(&arguments[key], value, "{arguments}");
        }
        tokio::task::yield_now().await;
    })
    .await;
    assert_eq!(texts(&told)[0], "usb[0] (046d:c29b) is not plugged in; it comes when it is");
}

#[tokio::test]
async fn qemu_is_told_the_node_to_open() {
    let host = Host::new();
    watched(&host, wheel(None), async |kernel, mut peer| {
        host.plug("1-4.2", 7);
        let node = host.node(7);
        kernel.send(ADDED).unwrap();
        assert_eq!(peer.hears().await.1["hostdevice"], json!(node));
    })
    .await;
}

#[tokio::test]
async fn one_that_was_plugged_in_anew_is_let_go_of_before_it_comes_again() {
    let host = Host::new();
    host.plug("1-2", 7);
    watched(&host, wheel(Some("1-2")), async |kernel, mut peer| {
        kernel.send(b"add@/devices/x\0SUBSYSTEM=block\0").unwrap();
        host.unplug("1-2");
        host.plug("1-2", 8);
        kernel.send(ADDED).unwrap();
        let (first, second) = (peer.hears().await, peer.hears().await);
        assert_eq!((first.0.as_str(), &first.1["id"]), ("device_del", &json!("usb0")));
        assert_eq!(second.0, "device_add");
    })
    .await;
}

#[tokio::test]
async fn one_that_is_pulled_out_while_qemu_starts_is_let_go_of() {
    let host = Host::new();
    watched(&host, wheel(Some("1-2")), async |_kernel, mut peer| {
        assert_eq!(peer.hears().await.0, "device_del");
    })
    .await;
}

fn after_another(watch: UsbWatch<'_>) -> UsbWatch<'_> {
    watch.taken_over()
}

#[tokio::test]
async fn what_a_vmrun_before_gave_is_known_to_the_one_that_takes_over() {
    let host = Host::new();
    host.plug("1-4.2", 7);
    let node = host.node(7);
    watched_as(&host, wheel(None), after_another, async |kernel, mut peer| {
        assert_eq!(peer.answers(json!(node)).await.0, "qom-get");
        host.unplug("1-4.2");
        kernel.send(ADDED).unwrap();
        // It was not given a second time.
        assert_eq!(peer.hears().await.0, "device_del");
    })
    .await;
}
