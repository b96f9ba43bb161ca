//! The first instruction of a guest, by the real QEMU: bare, by the least supervisor, by vmrun, by libvirt where it is.

use super::figures::{Series, short, table};
use super::ground::{Ground, real_qemu};
use super::libvirt::Libvirt;
use super::marker;
use super::monitor::supervised;
use std::io::Read;
use std::os::unix::net::UnixListener;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// What is seen of one guest.
#[derive(Default)]
pub(crate) struct Life {
    /// Command to first instruction.
    pub(crate) first: Series,
    /// The guest's power-off to the end of the one who started it.
    pub(crate) off: Series,
}

impl Life {
    /// Starts something and waits for what its guest says on the debug port that `listener` is the other end of, and
    /// for the end of what was started.
    pub(crate) fn add(&mut self, listener: &UnixListener, start: impl FnOnce() -> Box<dyn FnOnce()>) {
        let began = Instant::now();
        let end = start();
        let (mut port, _) = listener.accept().expect("the guest's debug port");
        let mut next = |what: u8| {
            let mut said = [0];
            port.read_exact(&mut said).expect("the guest says that it runs");
            assert_eq!(said[0], what, "the guest says something else");
            Instant::now()
        };
        let (first, off) = (next(marker::FIRST), next(marker::OFF));
        end();
        self.first.push(first - began);
        self.off.push(off.elapsed());
    }

    pub(crate) fn row(&self, who: &str, bare: &Self) -> Vec<String> {
        let over = self.first.median() - bare.first.median();
        let ratio = |own: &Series, other: &Series| format!("×{}", short(own.ratio(other)));
        vec![
            who.into(),
            self.first.spread(),
            ratio(&self.first, &bare.first),
            format!("{over:+.1}"),
            self.off.spread_p90(),
            ratio(&self.off, &bare.off),
        ]
    }
}

/// Waits for a child's end.
pub(crate) fn ending(mut child: Child) -> Box<dyn FnOnce()> {
    Box::new(move || drop(child.wait()))
}

pub(crate) const HEAD: [&str; 6] = ["", "command → first", "to bare", "over bare", "guest's off → gone", "to bare"];

pub(crate) fn run(rounds: usize) {
    for version in ["7.2", "10.0"] {
        let ground = Ground::new(version);
        let profile = ground.profile(&real_qemu(version), 8, "");
        let argv = ground.argv(&profile);
        let listener = UnixListener::bind(ground.first()).expect("a socket");
        let mut libvirt = Libvirt::with(&ground, version);
        let (mut bare, mut least, mut vmrun, mut by_libvirt) = <(Life, Life, Life, Life)>::default();
        for _ in 0..rounds {
            bare.add(&listener, || ending(fork_exec(&argv)));
            least.add(&listener, || ending(supervised(&argv, &ground.path("reference.sock"))));
            vmrun.add(&listener, || ending(ground.vmrun(&["run"]).arg(&profile).spawn().expect("vmrun")));
            if let Some(libvirt) = &mut libvirt {
                by_libvirt.add(&listener, || libvirt.start());
            }
        }
        let mut rows =
            vec![bare.row("bare QEMU", &bare), least.row("the least supervisor", &bare), vmrun.row("vmrun", &bare)];
        if libvirt.is_some() {
            rows.push(by_libvirt.row("libvirt", &bare));
        }
        table(&format!("First instruction: QEMU {version}, TCG, 8 vCPUs, {rounds} rounds"), &HEAD, &rows);
    }
}

/// QEMU without anybody: its guest runs at once, and its threads where the kernel likes it.
pub(crate) fn fork_exec(argv: &[String]) -> Child {
    let words = argv[1..].iter().filter(|word| *word != "-S");
    let mut command = Command::new(&argv[0]);
    command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("QEMU")
}
