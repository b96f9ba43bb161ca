//! The same guest by libvirt, where its daemon answers `virsh`; `LIBVIRT_DEFAULT_URI` says which, as for virsh itself.

use super::ground::{Ground, real_qemu};
use super::marker;
use std::fmt::Write;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// Name of the domain.
const DOMAIN: &str = "vmrun-bench";

pub(crate) struct Libvirt;

impl Libvirt {
    /// The domain defined; `None` where there is no libvirt, or it refuses.
    pub(crate) fn with(ground: &Ground, version: &str) -> Option<Self> {
        let file = ground.path("bench.xml");
        fs::write(&file, domain(ground, version)).expect("the domain");
        let defined = virsh(&["define"]).arg(&file).status().is_ok_and(|status| status.success());
        if !defined {
            eprintln!("no libvirt in this comparison: virsh is missing, or its daemon refuses the domain");
        }
        defined.then_some(Self)
    }

    /// Starts the domain; what is returned waits until libvirt knows that it has ended.
    #[allow(clippy::unused_self)]
    pub(crate) fn start(&mut self) -> Box<dyn FnOnce()> {
        let mut events = virsh(&["event", "--event", "lifecycle", "--loop", "--domain", DOMAIN]);
        let events = events.stdout(Stdio::piped()).spawn().expect("virsh event");
        let started = virsh(&["start", DOMAIN]).spawn().expect("virsh start");
        Box::new(move || stopped(events, started))
    }
}

impl Drop for Libvirt {
    fn drop(&mut self) {
        let _ = virsh(&["undefine", DOMAIN]).status();
    }
}

fn stopped(mut events: Child, mut started: Child) {
    let lines = BufReader::new(events.stdout.take().expect("a pipe")).lines();
    let _ = lines.map_while(Result::ok).find(|line| line.contains("Stopped"));
    let _ = events.kill();
    let _ = events.wait();
    let _ = started.wait();
}

fn virsh(words: &[&str]) -> Command {
    let mut command = Command::new("virsh");
    command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn domain(ground: &Ground, version: &str) -> String {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let mut xml = "<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>".to_owned();
    let _ = write!(xml, "<name>{DOMAIN}</name><memory unit='MiB'>256</memory><vcpu>8</vcpu><cputune>");
    for vcpu in 0..8 {
        let _ = write!(xml, "<vcpupin vcpu='{vcpu}' cpuset='{}'/>", vcpu % cpus);
    }
    let rom = ground.path("marker.rom");
    let _ = write!(
        xml,
        "<emulatorpin cpuset='0'/></cputune><os><type arch='x86_64' machine='q35'>hvm</type>\
         <loader type='rom'>{}</loader></os><devices><emulator>{}</emulator></devices><qemu:commandline>",
        rom.display(),
        real_qemu(version).display()
    );
    let chardev = format!("socket,id=first,path={}", ground.first().display());
    let port = format!("isa-debugcon,chardev=first,iobase={:#x}", marker::PORT);
    for word in ["-chardev", &chardev, "-device", &port] {
        let _ = write!(xml, "<qemu:arg value='{word}'/>");
    }
    xml + "</qemu:commandline></domain>"
}
