//! Viewers connect to a running guest: the first words of VNC and of SPICE, spoken by hand, and viewers of others' making.
//! Real QEMU, both versions.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;
use support::setup::{qemus, run};
use support::vmrun::Bench;

/// Runs a guest with the table `[display]` of `keys` on each QEMU, `talk`s to its socket, and lets a `viewer` of others'
/// making take a picture through it.
fn with_viewer(keys: &str, talk: impl Fn(UnixStream), viewer: impl Fn(&Bench, &Path)) {
    for qemu in qemus() {
        let bench = Bench::new(&qemu.binary);
        let socket = bench.path("view.sock");
        let display = format!("[display]\n{keys}\npath = \"{}\"\n", socket.display());
        let profile = bench.profile("then=wait", &display);
        let mut guest = bench.start(&[profile.to_str().unwrap()]);
        guest.until("running");
        let stream = UnixStream::connect(&socket).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        talk(stream);
        // Pressed earlier, the button is not noticed, and pressed again only at half its time. The screen stays by now.
        bench.wait_for_serial("waiting");
        viewer(&bench, &socket);
        guest.signal("TERM");
        let ended = guest.end();
        assert_eq!(ended.code, Some(0), "QEMU {}: {}", qemu.version, ended.text());
    }
}

/// Width and height of the screen, as `vmrun screenshot` finds it.
fn screen(bench: &Bench) -> (u32, u32) {
    let picture = bench.path("ours.png");
    assert!(bench.output(&["screenshot", "guest", picture.to_str().unwrap()]).status.success());
    size_of_png(&picture)
}

/// A PNG begins with its signature, and the head of the first chunk, of 16 bytes together; then come both sides.
fn size_of_png(picture: &Path) -> (u32, u32) {
    let bytes = fs::read(picture).unwrap();
    assert!(bytes.starts_with(b"\x89PNG\r\n\x1a\n"), "no PNG");
    let side = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    (side(16), side(20))
}

/// gvnccapture of gtk-vnc, which connects by TCP only.
fn look_by_vnc(bench: &Bench, socket: &Path) {
    let door = TcpListener::bind("127.0.0.1:0").unwrap();
    let display = door.local_addr().unwrap().port() - 5900;
    let inside = UnixStream::connect(socket).unwrap();
    let relay = thread::spawn(move || {
        let (outside, _) = door.accept().unwrap();
        let (mut to, mut from) = (inside.try_clone().unwrap(), outside.try_clone().unwrap());
        let upwards = thread::spawn(move || {
            // A viewer that has its picture leaves; then QEMU need not wait for more of it.
            _ = io::copy(&mut from, &mut to);
            _ = to.shutdown(Shutdown::Both);
        });
        _ = io::copy(&mut &inside, &mut &outside);
        upwards.join().unwrap();
    });
    let picture = bench.path("vnc.png");
    run(Command::new("gvnccapture").arg("--quiet").arg(format!("127.0.0.1:{display}")).arg(&picture));
    relay.join().unwrap();
    assert_eq!(size_of_png(&picture), screen(bench));
}

/// spicy-screenshot of spice-gtk.
fn look_by_spice(bench: &Bench, socket: &Path) {
    let picture = bench.path("spice.ppm");
    run(Command::new("spicy-screenshot")
        .arg(format!("--uri=spice+unix://{}", socket.display()))
        .arg("-o")
        .arg(&picture));
    let (width, height) = screen(bench);
    let head = format!("P6\n{width} {height}\n255\n");
    assert!(fs::read(&picture).unwrap().starts_with(head.as_bytes()), "{width} x {height}");
}

fn take<const N: usize>(stream: &mut UnixStream) -> [u8; N] {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

/// RFC 6143, section 7: version, security type 1 (none), initialisation.
#[test]
fn a_vnc_viewer_is_shown_the_guests_screen() {
    let talk = |mut stream: UnixStream| {
        assert_eq!(&take::<12>(&mut stream), b"RFB 003.008\n");
        stream.write_all(b"RFB 003.008\n").unwrap();
        let [count] = take(&mut stream);
        let mut types = vec![0; count.into()];
        stream.read_exact(&mut types).unwrap();
        assert_eq!(types, [1]);
        stream.write_all(&[1]).unwrap();
        assert_eq!(take::<4>(&mut stream), [0; 4]);
        stream.write_all(&[1]).unwrap();
        let screen = take::<24>(&mut stream);
        let side = |at: usize| u16::from_be_bytes([screen[at], screen[at + 1]]);
        assert!(side(0) >= 640 && side(2) >= 400, "{} x {}", side(0), side(2));
        let length = u32::from_be_bytes(screen[20..].try_into().unwrap());
        let mut name = vec![0; length as usize];
        stream.read_exact(&mut name).unwrap();
        assert_eq!(String::from_utf8(name).unwrap(), "QEMU (guest)");
    };
    with_viewer("kind = \"vnc\"", talk, look_by_vnc);
}

/// The SPICE protocol, "Link stage": `REDQ`, version 2.2, the main channel; the answer has the same head and no error.
#[test]
fn a_spice_viewer_is_linked_to_the_main_channel() {
    let talk = |mut stream: UnixStream| {
        let mut hello = b"REDQ".to_vec();
        // Version 2.2 and 18 bytes of message: no connection yet, channel 1 (main) 0, no capabilities behind the 18 bytes.
        for number in [2_u32, 2, 18, 0] {
            hello.extend(number.to_le_bytes());
        }
        hello.extend([1, 0]);
        for number in [0_u32, 0, 18] {
            hello.extend(number.to_le_bytes());
        }
        stream.write_all(&hello).unwrap();
        let head = take::<16>(&mut stream);
        assert_eq!(&head[..4], b"REDQ");
        assert_eq!(u32::from_le_bytes(head[4..8].try_into().unwrap()), 2);
        assert_eq!(u32::from_le_bytes(take::<4>(&mut stream)), 0, "SPICE refuses the link");
    };
    with_viewer("kind = \"spice\"\nagent = true\nvideo = \"qxl\"", talk, look_by_spice);
}
