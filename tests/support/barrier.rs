//! A real Barrier server, which shares keyboard and mouse as Synergy does, on an X server of its own.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::support::companion::{Running, free_port};

/// The line on standard output that says it listens.
pub(crate) const LISTENING: &str = "started server";

/// Configuration and display for one `barriers`; start it by [`Barrier::argv`].
///
/// The X server and the folder go with this value.
pub(crate) struct Barrier {
    dir: TempDir,
    port: u16,
    display: String,
    _xvfb: Running,
}

impl Barrier {
    /// Writes the configuration and starts Xvfb; returns when the display can be used.
    pub(crate) fn prepare() -> Self {
        let dir = tempfile::tempdir().expect("a folder for Barrier");
        let screens = "section: screens\n\thost:\n\tguest:\nend\n";
        let links = "section: links\n\thost:\n\t\tright = guest\n\tguest:\n\t\tleft = host\nend\n";
        fs::write(dir.path().join("barrier.conf"), [screens, links].concat()).expect("barrier.conf");
        let (xvfb, display) = start_xvfb();
        Self { dir, port: free_port(), display, _xvfb: xvfb }
    }

    /// Arguments of the server, program first. It stays in the foreground, never restarts by itself and prints a
    /// line with [`LISTENING`]. On SIGTERM it ends with status 0.
    pub(crate) fn argv(&self) -> Vec<String> {
        let path = |name: &str| self.dir.path().join(name).display().to_string();
        let fixed = ["barriers", "--no-daemon", "--no-restart", "--no-tray", "--disable-crypto", "--name", "host"];
        let own = [
            ("--display", self.display.clone()),
            ("--address", format!("127.0.0.1:{}", self.port)),
            ("--config", path("barrier.conf")),
            ("--profile-dir", path("profile")),
        ];
        let own = own.into_iter().flat_map(|(option, value)| [option.to_owned(), value]);
        fixed.map(str::to_owned).into_iter().chain(own).collect()
    }

    /// TCP port on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Whether a server takes a client and greets it in Barrier's protocol: a length of four bytes, then its name.
    pub(crate) fn greets(&self) -> bool {
        let mut greeting = [0; 11];
        TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))
            .and_then(|mut client| client.read_exact(&mut greeting))
            .is_ok_and(|()| &greeting[4..] == b"Barrier")
    }
}

/// An X server on the first free display, by name (`:1`). It writes the number once clients may connect.
fn start_xvfb() -> (Running, String) {
    let mut xvfb = Running::start(
        Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", "640x480x8", "-nolisten", "tcp", "-noreset"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null()),
    );
    let mut number = String::new();
    let mut said = BufReader::new(xvfb.0.stdout.take().expect("a pipe"));
    said.read_line(&mut number).expect("the display's number");
    assert!(!number.is_empty(), "Xvfb ended without a display");
    (xvfb, format!(":{}", number.trim()))
}
