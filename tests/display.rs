//! Viewers connect to a running guest: the first words of VNC and of SPICE, spoken by hand. Real QEMU, both versions.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;
use support::setup::qemus;
use support::vmrun::Bench;

/// Runs a guest with the table `[display]` of `keys` on each QEMU, and `talk`s to its socket `view.sock`.
fn with_viewer(keys: &str, talk: impl Fn(UnixStream)) {
    for qemu in qemus() {
        let bench = Bench::new(&qemu.binary);
        let socket = bench.path("view.sock");
        let display = format!("[display]\n{keys}\npath = \"{}\"\n", socket.display());
        let profile = bench.profile("then=wait", &display);
        let mut run = bench.start(&[profile.to_str().unwrap()]);
        run.until("running");
        let stream = UnixStream::connect(&socket).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        talk(stream);
        // Pressed earlier, the button is not noticed, and pressed again only at half its time.
        bench.wait_for_serial("waiting");
        run.signal("TERM");
        let ended = run.end();
        assert_eq!(ended.code, Some(0), "QEMU {}: {}", qemu.version, ended.text());
    }
}

fn take<const N: usize>(stream: &mut UnixStream) -> [u8; N] {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

/// RFC 6143, section 7: version, security type 1 (none), initialisation.
#[test]
fn a_vnc_viewer_is_shown_the_guests_screen() {
    with_viewer("kind = \"vnc\"", |mut stream| {
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
    });
}

/// The SPICE protocol, "Link stage": `REDQ`, version 2.2, the main channel; the answer has the same head and no error.
#[test]
fn a_spice_viewer_is_linked_to_the_main_channel() {
    with_viewer("kind = \"spice\"\nagent = true\nvideo = \"qxl\"", |mut stream| {
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
    });
}
