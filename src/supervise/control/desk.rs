//! What the clients of a run get to know and to reach; shared by the loop and the tasks that serve them.

use super::protocol::{Pins, Refusal, ServiceStatus, Status};
use crate::host::Root;
use crate::process::ProcessId;
use crate::qemu::{Guest, Pinned, Qmp, QmpError, RunState, Thread, is_in_place};
use crate::supervise::chronicle::Chronicle;
use crate::supervise::console::Console;
use crate::supervise::interrupts::Interrupts;
use crate::supervise::relay::Relay;
use crate::supervise::{Notice, Tell};
use crate::unit::Bdf;
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::timeout;

/// How long QEMU's main loop may take to answer before the guest counts as unresponsive. It is asked only when somebody
/// wants to know: a heartbeat would wake the host up for nothing.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long clients may take to have their answers when the guest has ended.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// After which no further question is expected soon; a program that shows a guest's state asks more often.
const QUIET: Duration = Duration::from_secs(10);

/// The desk of one run.
pub(in crate::supervise) struct Desk {
    status: RefCell<Status>,
    qemu: RefCell<Option<Qemu>>,
    run_dir: PathBuf,
    interrupts: Interrupts,
    /// What happened so far.
    pub(in crate::supervise) chronicle: Chronicle,
    /// The guest's serial port.
    pub(in crate::supervise) console: Console,
    /// Told when the guest has gone to sleep.
    pub(in crate::supervise) asleep: Notify,
    /// Questions of clients that have no answer yet.
    open: Cell<usize>,
    /// Told when one has.
    answered: Notify,
    /// Told of what takes more of the program than waiting does: an answer, an event of QEMU.
    stirred: Notify,
}

/// A question of a client, open until this is dropped.
pub(super) struct Open<'a>(&'a Desk);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
        self.0.answered.notify_waiters();
        self.0.stirred.notify_waiters();
    }
}

/// A device of the host that comes or goes while the guest runs.
pub(in crate::supervise) enum Plug {
    /// It comes.
    In(super::Gift),
    /// It goes: the device of these functions.
    Out(Vec<Bdf>),
}

/// Takes the answer for a client.
pub(in crate::supervise) type Reply = oneshot::Sender<Result<Value, Refusal>>;

/// A QEMU that can be reached.
struct Qemu {
    /// To who attaches and detaches devices; `None` before the guest runs.
    plugs: Option<mpsc::UnboundedSender<(Plug, Reply)>>,
    qmp: Qmp,
    threads: Vec<Pinned>,
    relay: Relay,
}

impl Desk {
    /// With `status` as far as it is known; sockets of clients in `run_dir`.
    pub(in crate::supervise) fn new(
        status: Status,
        run_dir: PathBuf,
        chronicle: Chronicle,
        interrupts: Interrupts,
    ) -> Self {
        let status = RefCell::new(status);
        let (qemu, console, asleep) = (RefCell::new(None), Console::default(), Notify::new());
        let (open, answered, stirred) = (Cell::new(0), Notify::new(), Notify::new());
        Self { status, qemu, run_dir, interrupts, chronicle, console, asleep, open, answered, stirred }
    }

    /// A client has a question.
    pub(super) fn open(&self) -> Open<'_> {
        self.open.set(self.open.get() + 1);
        Open(self)
    }

    /// Waits for the next answer to a client or event of QEMU, and until none has followed for a while.
    pub(in crate::supervise) async fn quiet_again(&self) {
        self.stirred.notified().await;
        while timeout(QUIET, self.stirred.notified()).await.is_ok() {}
    }

    /// Waits until all clients have their answers: what they asked for may be why the guest has ended. One that does not
    /// read its answer does not keep vmrun from ending.
    pub(in crate::supervise) async fn all_answered(&self) {
        let all = async {
            while self.open.get() > 0 {
                self.answered.notified().await;
            }
        };
        let _ = timeout(LAST_ANSWERS, all).await;
    }

    /// Something happened: interrupts that the guest has enabled meanwhile are moved to their place.
    pub(in crate::supervise) fn place_interrupts(&self) -> Vec<String> {
        self.interrupts.place(&Root::default())
    }

    /// Lets clients know of a new state.
    pub(in crate::supervise) fn enter(&self, state: &str, tell: Tell<'_>) {
        if self.status.borrow().state != state {
            state.clone_into(&mut self.status.borrow_mut().state);
            tell(&Notice::State(state.to_owned()));
        }
    }

    /// Lets clients reach the QEMU of `guest`.
    ///
    /// # Errors
    /// When the socket of its monitor cannot be made.
    pub(in crate::supervise) fn reach(&self, guest: &Guest) -> io::Result<()> {
        self.status.borrow_mut().qemu = Some(guest.pid());
        let relay = Relay::open(&self.run_dir, guest.qmp())?;
        let (qmp, threads) = (guest.qmp().clone(), guest.threads().to_vec());
        *self.qemu.borrow_mut() = Some(Qemu { plugs: None, qmp, threads, relay });
        Ok(())
    }

    /// Its threads are these now.
    pub(in crate::supervise) fn threads(&self, threads: &[Pinned]) {
        if let Some(qemu) = &mut *self.qemu.borrow_mut() {
            qemu.threads = threads.to_vec();
        }
    }

    /// Tells the clients of the monitor an event.
    pub(in crate::supervise) fn heard(&self, event: &crate::qemu::Event) {
        self.stirred.notify_waiters();
        if event.name == "SUSPEND" {
            self.asleep.notify_waiters();
        }
        if let Some(qemu) = &*self.qemu.borrow() {
            qemu.relay.tell(event);
        }
    }

    /// There is no QEMU any more; the clients of its monitor are let go.
    pub(in crate::supervise) fn gone(&self) {
        *self.qemu.borrow_mut() = None;
        self.status.borrow_mut().qemu = None;
    }

    /// Hands what clients want to attach and detach to whoever calls this last.
    pub(in crate::supervise) fn take_plugs(&self) -> mpsc::UnboundedReceiver<(Plug, Reply)> {
        let (plugs, plugged) = mpsc::unbounded_channel();
        if let Some(qemu) = &mut *self.qemu.borrow_mut() {
            qemu.plugs = Some(plugs);
        }
        plugged
    }

    /// The guest has these PCI functions of the host now.
    pub(in crate::supervise) fn has<'b>(&self, functions: impl Iterator<Item = &'b Bdf>) {
        let devices = &mut self.status.borrow_mut().devices;
        devices.retain(|device| !device.starts_with("pci "));
        devices.splice(0..0, functions.map(|bdf| format!("pci {bdf}")));
    }

    /// Has a device attached or detached, and waits for that.
    pub(super) async fn plug(&self, plug: Plug) -> Result<Value, Refusal> {
        let (reply, answer) = oneshot::channel();
        let plugs = self.qemu.borrow().as_ref().and_then(|qemu| qemu.plugs.clone());
        if plugs.is_none_or(|plugs| plugs.send((plug, reply)).is_err()) {
            return Err(Refusal::ours("the guest does not run yet, or not any more"));
        }
        answer.await.unwrap_or_else(|_| Err(Refusal::ours("the guest has ended meanwhile; everything is put back")))
    }

    /// The companion `name` is this process now.
    pub(in crate::supervise) fn companion(&self, name: &str, process: Option<ProcessId>) {
        let services = &mut self.status.borrow_mut().services;
        match services.iter_mut().find(|service| service.name == name) {
            Some(service) => service.process = process,
            None => services.push(ServiceStatus { name: name.to_owned(), process }),
        }
    }

    /// How the guest is; QEMU is asked.
    pub(super) async fn status(&self) -> Status {
        self.place_interrupts();
        let mut status = self.status.borrow().clone();
        status.events = self.chronicle.recent();
        status.pins = self.pins();
        if let Some(qmp) = self.qmp() {
            status.guest = Some(condition(&qmp).await);
        }
        status
    }

    /// Has QEMU carry out a command.
    pub(in crate::supervise) async fn execute(&self, command: &str, arguments: Value) -> Result<Value, Refusal> {
        let qmp = self.qmp().ok_or_else(|| Refusal::ours("QEMU does not run"))?;
        qmp.raw(command, &arguments).await.map_err(|error| match error {
            QmpError::Refused { class, desc, .. } => Refusal { class, desc },
            QmpError::Closed | QmpError::TooLong { .. } | QmpError::Unreadable { .. } => {
                Refusal::ours(error.to_string())
            }
        })
    }

    fn qmp(&self) -> Option<Qmp> {
        self.qemu.borrow().as_ref().map(|qemu| qemu.qmp.clone())
    }

    fn pins(&self) -> Pins {
        let qemu = self.qemu.borrow();
        let threads = qemu.as_ref().map_or(&[][..], |qemu| &qemu.threads);
        let moved = threads.iter().filter(|thread| !is_in_place(thread)).map(described).collect();
        Pins { placed: threads.len(), moved }
    }
}

async fn condition(qmp: &Qmp) -> String {
    match timeout(PATIENCE, qmp.execute(&crate::qemu::QueryStatus {})).await {
        Ok(Ok(status)) => word(&status.status),
        Ok(Err(_)) => "ending".into(),
        Err(_) => "unresponsive".into(),
    }
}

/// QEMU's own word.
fn word(state: &RunState) -> String {
    serde_json::to_value(state).ok().and_then(|word| Some(word.as_str()?.to_owned())).unwrap_or_default()
}

fn described(Pinned { tid, what, name, .. }: &Pinned) -> String {
    match what {
        Thread::Emulator => format!("{name} (thread {tid})"),
        what => format!("{what} (thread {tid})"),
    }
}
