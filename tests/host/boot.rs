//! Starting the QEMU that is the emulated host, and making sure that it ends.

use std::fs;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::clock;
use super::image;
use super::kernel::Kernel;
use super::layout::Layout;
use super::monitor::Monitor;
use crate::support::setup;

/// The emulated processor.
///
/// `vendor`, `svm`, `npt`: the kernel's `kvm_amd` takes it. `topoext`, which QEMU would filter without
/// `x-force-features`: sibling threads show. `invtsc`: the clock stays the TSC. Without `avx`, `erms`, `fsrm`: the
/// kernel would choose instructions that are slow under emulation.
const CPU: &str = "max,x-force-features=on,+topoext,+svm,+npt,+invtsc,-la57,-avx,-avx2,-xsave,-erms,-fsrm,\
                   family=25,model=1,stepping=1,xlevel=0x8000001e,vendor=AuthenticAMD";

/// What the kernel is told. `panic=-1` restarts at once after a panic, which `-no-reboot` makes the end of QEMU. `nokaslr`,
/// `norandmaps`: QEMU 7.2 translates code anew wherever it is at another address, so a start of vmrun would take twice as long.
const PARAMETERS: &str = "console=ttyS0 quiet panic=-1 intel_iommu=on mitigations=off nokaslr norandmaps tsc=reliable \
                          no_timer_check audit=0 lsm=yama random.trust_cpu=on";

/// Where kernels and initial file systems of the emulated host are kept: the test folder of cargo's target folder.
const CACHE: &str = env!("CARGO_TARGET_TMPDIR");

/// The kernel's ticks in a second, as `/proc` counts them on x86.
const TICKS: u64 = 100;

/// A running emulated host: its QEMU, the channel to its agent and what its console said. Ends when dropped.
pub(crate) struct Machine {
    qemu: Child,
    /// Bytes to the agent.
    pub(crate) requests: UnixStream,
    /// Bytes from the agent, in pieces of any size; disconnected when QEMU has ended.
    pub(crate) replies: Receiver<Vec<u8>>,
    /// QEMU's own monitor.
    pub(crate) monitor: Monitor,
    /// Bytes to the serial console, for a person at it.
    pub(crate) keyboard: UnixStream,
    console: Arc<Mutex<Console>>,
    listener: Option<JoinHandle<()>>,
}

/// What the serial console said, and where it goes besides.
#[derive(Default)]
struct Console {
    said: Vec<u8>,
    screen: Option<Box<dyn Write + Send>>,
}

impl Machine {
    /// Starts QEMU for `layout`; the kernel is still to boot.
    ///
    /// QEMU is started by the thread that reads its replies: the death signal that `setpriv` asks for comes when the
    /// *thread* that started a process ends, and tests end theirs long before the host is to go. So the host ends with
    /// the test process whatever ends that: a return, a panic, a signal.
    pub(crate) fn start(layout: &Layout) -> Self {
        let (requests, agent) = pair();
        let (monitor, qmp) = pair();
        let (keyboard, console) = pair();
        let mut command = command(layout);
        command.stdin(OwnedFd::from(agent)).stdout(OwnedFd::from(qmp)).stderr(OwnedFd::from(console));
        let source = clone(&requests);
        let (started, child) = mpsc::channel();
        let (send, replies) = mpsc::channel();
        thread::spawn(move || {
            let qemu = command.spawn().expect("setpriv, of Debian's util-linux, starts");
            // It holds QEMU's ends of the sockets too, which would never close.
            drop(command);
            if started.send(qemu).is_ok() {
                pump(source, &send);
            }
        });
        let qemu: Child = child.recv().expect("the thread above sends it or panics with the reason");
        let console = Arc::new(Mutex::new(Console::default()));
        let listener = Some(collect(clone(&keyboard), Arc::clone(&console)));
        Self { qemu, requests, replies, monitor: Monitor::new(monitor), keyboard, console, listener }
    }

    /// What the kernel and QEMU itself have said so far; all of it when QEMU has ended.
    pub(crate) fn console(&mut self) -> String {
        if matches!(self.qemu.try_wait(), Ok(Some(_))) {
            let _ = self.listener.take().map(JoinHandle::join);
        }
        let console = self.console.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&console.said).into_owned()
    }

    /// The processor time that QEMU has taken; `proc_pid_stat(5)`.
    pub(crate) fn work(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.qemu.id())).unwrap_or_default();
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
        let ticks = |at: usize| fields.split_whitespace().nth(at)?.parse::<u64>().ok();
        let ticks = ticks(11).unwrap_or(0) + ticks(12).unwrap_or(0);
        Duration::from_millis(ticks * 1000 / TICKS)
    }

    /// Writes what the console says from now on to `screen` too.
    pub(crate) fn show_console(&self, screen: Box<dyn Write + Send>) {
        self.console.lock().unwrap_or_else(PoisonError::into_inner).screen = Some(screen);
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Errors mean that it has ended already.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

fn pair() -> (UnixStream, UnixStream) {
    UnixStream::pair().expect("two more descriptors")
}

fn clone(stream: &UnixStream) -> UnixStream {
    stream.try_clone().expect("one more descriptor")
}

/// The command line of the emulated host, which takes three sockets: the channel is its standard input, QEMU's monitor
/// its standard output, the console its standard error.
fn command(layout: &Layout) -> Command {
    let Kernel { elf, modules } = Kernel::find(Path::new(CACHE));
    let initial: PathBuf = image::build(Path::new(CACHE), layout, &modules);
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "--"])
        .arg(setup::path(layout.emulator))
        .args(["-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", CPU])
        .args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"])
        .arg("-kernel")
        .arg(elf)
        .arg("-initrd")
        .arg(initial)
        .arg("-append")
        .arg(format!("{PARAMETERS} tsc_early_khz={}", clock::tsc_khz()))
        // Before all other devices: it translates for those that come after it.
        .args(["-device", "intel-iommu,intremap=on"])
        .args(["-fsdev", "local,id=root,path=/,security_model=none,readonly=on,multidevs=remap"])
        .args(["-device", "virtio-9p-pci,fsdev=root,mount_tag=root"])
        .args(["-chardev", "socket,id=agent,fd=0"])
        .args(["-device", "virtio-serial-pci,max_ports=2", "-device", "virtserialport,chardev=agent,name=agent"])
        .args(["-chardev", "socket,id=monitor,fd=1", "-mon", "monitor,mode=control"])
        .args(["-chardev", "socket,id=console,fd=2", "-serial", "chardev:console"])
        // For a layout's serial adapter.
        .args(["-chardev", "null,id=nothing"])
        .args(layout.arguments(Path::new(CACHE)));
    command
}

/// Sends on what `source` yields until it ends or nobody listens.
fn pump(mut source: impl Read, send: &Sender<Vec<u8>>) {
    let mut piece = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = source.read(&mut piece) {
        if send.send(piece[..length].to_vec()).is_err() {
            return;
        }
    }
}

/// Gathers what `source` yields in `console`, in a thread that ends with it.
fn collect(mut source: impl Read + Send + 'static, console: Arc<Mutex<Console>>) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut piece = vec![0; 4096];
        while let Ok(length @ 1..) = source.read(&mut piece) {
            let Console { said, screen } = &mut *console.lock().unwrap_or_else(PoisonError::into_inner);
            said.extend(&piece[..length]);
            if let Some(screen) = screen {
                // A screen that is gone is no reason to forget what the console says.
                let _ = screen.write_all(&piece[..length]).and_then(|()| screen.flush());
            }
        }
    })
}
