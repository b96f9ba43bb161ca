//! Commands in the emulated host: the outer end of what `agent.sh` speaks.

use std::fmt::{Display, Formatter, Result as Formatted};
use std::io::{Write, copy, stdin, stdout};
use std::sync::mpsc::RecvTimeoutError;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::boot::Machine;
use super::layout::Layout;

/// How long the host may take from the start of QEMU to its first command. It takes a tenth of it on an idle machine.
const BOOT_LIMIT: Duration = Duration::from_secs(300);

/// How much processor time QEMU may take until then, however crowded the machine is: several times that of a boot with
/// systemd. Now and then all of an emulation's processors wait for each other, at full speed.
const BOOT_WORK: Duration = Duration::from_secs(100);

/// How long one script may run in the host.
const SCRIPT_LIMIT: Duration = Duration::from_secs(180);

/// How long a person may stay.
const ATTENDANCE: Duration = Duration::from_secs(24 * 60 * 60);

/// How much longer than its script an answer may take.
const ANSWER_GRACE: Duration = Duration::from_secs(60);

/// How often a host that says nothing is nudged and asked for a stall, and what its kernel writes about one that it does
/// not get out of: QEMU's emulation forgets a timer now and then.
const STALL_CHECK: Duration = Duration::from_secs(5);
const STALLED: &str = "rcu_preempt kthread starved";

/// How long a host at work may be silent: it says each five seconds that it is there, on a crowded machine later. Now and
/// then an emulation stands still for good.
const SILENCE: Duration = Duration::from_secs(60);

/// The status that `timeout` ends with when it had to end the script.
const TIMED_OUT: i32 = 124;

/// A booted host that takes commands.
pub(crate) struct Host {
    machine: Machine,
    received: Vec<u8>,
    /// When something came from it last.
    heard: Instant,
    /// Whether it has said that it takes commands.
    booted: bool,
}

/// What a script in the host left.
#[derive(Debug)]
pub(crate) struct Reply {
    /// Its exit status; above 128 it was ended by the signal of that number less 128.
    pub(crate) status: i32,
    /// What it wrote to standard output.
    pub(crate) stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub(crate) stderr: Vec<u8>,
}

/// The host does not answer any more. Emulation stalls now and then, so this is worth one more boot before it is believed.
#[derive(Debug)]
pub(crate) struct Lost(pub String);

impl Host {
    /// Boots a host of `layout` and waits until it takes commands.
    pub(crate) fn boot(layout: &Layout) -> Result<Self, Lost> {
        let mut host =
            Self { machine: Machine::start(layout), received: Vec::new(), heard: Instant::now(), booted: false };
        let greeting = host.line(Instant::now() + BOOT_LIMIT, BOOT_LIMIT)?;
        host.booted = greeting == "ready";
        if host.booted { Ok(host) } else { Err(host.lost(&format!("the agent began with {greeting:?}"))) }
    }

    /// Runs `script` by `sh` in the host, as root, whatever its exit status.
    pub(crate) fn run(&mut self, script: &str) -> Result<Reply, Lost> {
        self.run_within(SCRIPT_LIMIT, script)
    }

    /// The same for a script that may take as long as `limit`.
    pub(crate) fn run_within(&mut self, limit: Duration, script: &str) -> Result<Reply, Lost> {
        let request = format!("{} {}\n{script}", script.len(), limit.as_secs());
        if let Err(error) = self.machine.requests.write_all(request.as_bytes()) {
            return Err(self.lost(&format!("writing a request: {error}")));
        }
        let deadline = Instant::now() + limit + ANSWER_GRACE;
        let header = self.header(deadline)?;
        let fields: Vec<usize> = header.split(' ').filter_map(|field| field.parse().ok()).collect();
        let &[status, stdout, stderr] = fields.as_slice() else {
            return Err(self.lost(&format!("an answer began with {header:?}")));
        };
        let reply = Reply {
            status: i32::try_from(status).expect("a shell's exit status is one byte"),
            stdout: self.bytes(stdout, deadline)?,
            stderr: self.bytes(stderr, deadline)?,
        };
        if reply.status == TIMED_OUT { Err(self.lost(&format!("{script}\ndid not end: {reply}"))) } else { Ok(reply) }
    }

    /// What `script` writes to standard output, without white space at its end.
    ///
    /// # Panics
    /// When it ends with a status other than 0: the tests ask this way where a failure is one of the test itself.
    pub(crate) fn ask(&mut self, script: &str) -> Result<String, Lost> {
        let reply = self.run(script)?;
        assert_eq!(reply.status, 0, "{script}\n{reply}");
        Ok(reply.text())
    }

    /// Plugs `device`, written as for QEMU's `-device`, into the host from outside.
    pub(crate) fn plug(&mut self, device: &str) -> Result<(), Lost> {
        self.machine.monitor.plug(device).map_err(|why| self.lost(&why))
    }

    /// Pulls the device `id` out of the host, from outside, and waits until it is gone.
    pub(crate) fn pull(&mut self, id: &str) -> Result<(), Lost> {
        self.machine.monitor.pull(id).map_err(|why| self.lost(&why))
    }

    /// Has the QEMU that is the host execute any `command`.
    pub(crate) fn outer(&mut self, command: &str, arguments: &Value) -> Result<Value, Lost> {
        self.machine.monitor.execute(command, arguments).map_err(|why| self.lost(&why))
    }

    /// Lets a person at this terminal work at the host's serial console, until `shell`, a script, ends there.
    pub(crate) fn attend(&mut self, shell: &str) -> Result<Reply, Lost> {
        let mut keyboard = self.machine.keyboard.try_clone().expect("one more descriptor");
        self.machine.show_console(Box::new(stdout()));
        thread::spawn(move || copy(&mut stdin(), &mut keyboard));
        self.run_within(ATTENDANCE, shell)
    }

    /// The line that an answer begins with, after all that only say that the host is there.
    fn header(&mut self, deadline: Instant) -> Result<String, Lost> {
        self.heard = Instant::now();
        loop {
            let line = self.line(deadline, SILENCE)?;
            if !line.is_empty() {
                return Ok(line);
            }
        }
    }

    /// The next line of the channel, without its end, from a host that may be silent for so long.
    fn line(&mut self, deadline: Instant, silence: Duration) -> Result<String, Lost> {
        loop {
            if let Some(end) = self.received.iter().position(|&byte| byte == b'\n') {
                let rest = self.received.split_off(end + 1);
                let line = std::mem::replace(&mut self.received, rest);
                return Ok(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            self.receive(deadline.min(self.heard + silence))?;
        }
    }

    /// The next `count` bytes of the channel.
    fn bytes(&mut self, count: usize, deadline: Instant) -> Result<Vec<u8>, Lost> {
        while self.received.len() < count {
            self.receive(deadline)?;
        }
        let rest = self.received.split_off(count);
        Ok(std::mem::replace(&mut self.received, rest))
    }

    /// Waits for more bytes, of any number.
    fn receive(&mut self, deadline: Instant) -> Result<(), Lost> {
        let left = deadline.saturating_duration_since(Instant::now());
        match self.machine.replies.recv_timeout(left.min(STALL_CHECK)) {
            Ok(piece) => {
                self.heard = Instant::now();
                self.received.extend(piece);
                Ok(())
            }
            Err(RecvTimeoutError::Timeout) if self.machine.console().contains(STALLED) => {
                Err(self.lost("its kernel says that it stalls"))
            }
            Err(RecvTimeoutError::Timeout) if !self.booted && self.machine.work() > BOOT_WORK => {
                Err(self.lost("it works and works, and does not boot"))
            }
            Err(RecvTimeoutError::Timeout) if left > STALL_CHECK => self.nudge(),
            Err(RecvTimeoutError::Timeout) => Err(self.lost("it does not answer")),
            Err(RecvTimeoutError::Disconnected) => Err(self.lost("its QEMU has ended")),
        }
    }

    /// Sends what means nothing: an idle kernel looks at its timers anew at each interrupt, also at those it missed.
    fn nudge(&mut self) -> Result<(), Lost> {
        self.machine.requests.write_all(b"\n").map_err(|error| self.lost(&format!("nudging it: {error}")))
    }

    fn lost(&mut self, why: &str) -> Lost {
        Lost(format!("the emulated host is lost: {why}\nits console:\n{}", self.machine.console()))
    }
}

impl Reply {
    /// Standard output as text, without white space at its end.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim_end().to_owned()
    }
}

impl Display for Reply {
    fn fmt(&self, f: &mut Formatter<'_>) -> Formatted {
        let Self { status, stdout, stderr } = self;
        let (stdout, stderr) = (String::from_utf8_lossy(stdout), String::from_utf8_lossy(stderr));
        write!(f, "status {status}\nstandard output:\n{stdout}\nstandard error:\n{stderr}")
    }
}
