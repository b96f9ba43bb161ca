//! The host's sleep and shutdown, as logind announces them: they are held up while the guest is brought to where it loses
//! nothing. logind: `org.freedesktop.login1(5)`, "Inhibition".
//!
//! A *delay* lock holds logind up until it is let go of or `InhibitDelayMaxSec` has passed; a *block* lock makes it
//! refuse. A lock is a descriptor, so it goes with vmrun, however that ends.

mod agent;
mod bus;
#[cfg(any(fuzzing, test))]
mod fuzz;
mod message;

#[cfg(any(fuzzing, test))]
pub use fuzz::fuzz_bus;

use super::control::Desk;
use crate::plan::{Contents, OnHostShutdown, OnHostSleep};
use bus::{Bus, BusError};
use message::{Call, Message};
use serde_json::{Value, json};
use std::future::pending;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

const LOGIND: &str = "org.freedesktop.login1";
const MANAGER: &str = "org.freedesktop.login1.Manager";
const OBJECT: &str = "/org/freedesktop/login1";
/// How long QEMU may take to stop or continue its guest.
const PATIENCE: Duration = Duration::from_secs(3);

/// What the loop is told.
#[derive(Debug)]
pub(super) enum Heard {
    /// Something that happened.
    Note(String),
    /// Something that does not work.
    Warning(String),
    /// The host shuts down, and waits for the guest.
    Shutdown,
}

/// Hears what the host is about to do.
pub(super) struct HostPower {
    heard: mpsc::UnboundedReceiver<Heard>,
}

impl HostPower {
    /// Holds the host up as the plan wants it, from now on to the end of the run, for the guest at `desk`.
    pub(super) fn listen(plan: &Contents, desk: Rc<Desk>) -> Self {
        let (tell, heard) = mpsc::unbounded_channel();
        let (sleep, shutdown) = (plan.on_host_sleep(), plan.host_shutdown);
        if (sleep, shutdown) != (OnHostSleep::Ignore, OnHostShutdown::Ignore) {
            let asked_for = plan.host_sleep.is_some() || shutdown != OnHostShutdown::default();
            let (name, agent, patience) = (plan.name.to_string(), plan.agent.clone(), plan.ending.timeout.get());
            let guard = Guard { name, agent, patience, sleep, shutdown, desk, tell, sleep_lock: None };
            tokio::task::spawn_local(guard.attend(asked_for));
        }
        Self { heard }
    }

    /// The next thing to tell. Cancel-safe.
    pub(super) async fn next(&mut self) -> Heard {
        match self.heard.recv().await {
            Some(heard) => heard,
            None => pending().await,
        }
    }
}

/// Who talks with logind.
struct Guard {
    name: String,
    agent: Option<PathBuf>,
    /// How long the guest may take to power off.
    patience: Duration,
    sleep: OnHostSleep,
    shutdown: OnHostShutdown,
    desk: Rc<Desk>,
    tell: mpsc::UnboundedSender<Heard>,
    sleep_lock: Option<OwnedFd>,
}

impl Guard {
    /// Attends to logind for as long as the run lasts.
    async fn attend(mut self, asked_for: bool) {
        let Err(error) = self.talk().await;
        // Where there is no bus nobody announces anything.
        let no_bus = matches!(&error, BusError::Io(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused));
        match no_bus && !asked_for {
            true => tracing::info!("there is no system bus: a sleep or shutdown of the host comes unannounced"),
            false => self.say(Heard::Warning(format!(
                "a sleep or shutdown of the host will come unannounced: the talk with logind failed: {error}"
            ))),
        }
    }

    async fn talk(&mut self) -> Result<Never, BusError> {
        let mut bus = Bus::connect().await?;
        for member in ["PrepareForSleep", "PrepareForShutdown"] {
            let rule = format!("type='signal',sender='{LOGIND}',interface='{MANAGER}',member='{member}'");
            bus.subscribe(&rule).await?;
        }
        self.sleep_lock = self.hold_sleep(&mut bus).await;
        let _shutdown_lock = self.hold_shutdown(&mut bus).await;
        let limit = self.limit(&mut bus).await;
        let mut stirred = Stirred::Nothing;
        loop {
            let signal = bus.signal().await?;
            // Anybody may send one to vmrun alone.
            if bus.owner(LOGIND).await? != signal.sender {
                continue;
            }
            match (signal.member.as_str(), signal.truth()) {
                ("PrepareForSleep", Some(true)) => {
                    stirred = self.lay_down(limit).await;
                    self.sleep_lock = None;
                }
                ("PrepareForSleep", Some(false)) => {
                    self.sleep_lock = self.hold_sleep(&mut bus).await;
                    self.get_up(std::mem::replace(&mut stirred, Stirred::Nothing)).await;
                }
                ("PrepareForShutdown", Some(true)) if self.shutdown == OnHostShutdown::Stop => {
                    self.say(Heard::Shutdown);
                }
                _ => {}
            }
        }
    }

    async fn hold_sleep(&self, bus: &mut Bus) -> Option<OwnedFd> {
        let (mode, why) = match self.sleep {
            OnHostSleep::Block => ("block", format!("guest {} runs", self.name)),
            OnHostSleep::Pause => ("delay", format!("guest {} is paused before", self.name)),
            OnHostSleep::Suspend => ("delay", format!("guest {} is suspended before", self.name)),
            OnHostSleep::Ignore => return None,
        };
        self.lock(bus, ("sleep", mode, &why)).await
    }

    async fn hold_shutdown(&self, bus: &mut Bus) -> Option<OwnedFd> {
        let (mode, why) = match self.shutdown {
            OnHostShutdown::Stop => ("delay", format!("guest {} powers off before", self.name)),
            OnHostShutdown::Block => ("block", format!("guest {} runs", self.name)),
            OnHostShutdown::Ignore => return None,
        };
        self.lock(bus, ("shutdown", mode, &why)).await
    }

    async fn lock(&self, bus: &mut Bus, (what, mode, why): (&str, &str, &str)) -> Option<OwnedFd> {
        let arguments = [what, "vmrun", why, mode];
        let call =
            Call { destination: LOGIND, path: OBJECT, interface: MANAGER, member: "Inhibit", arguments: &arguments };
        match bus.call(&call).await {
            Ok((_, descriptors)) => descriptors.into_iter().next(),
            Err(error) => {
                self.say(Heard::Warning(format!("logind does not let vmrun {mode} a {what} of the host: {error}")));
                None
            }
        }
    }

    /// How long logind waits at most for who holds it up.
    async fn limit(&self, bus: &mut Bus) -> Option<Duration> {
        let arguments = [MANAGER, "InhibitDelayMaxUSec"];
        let interface = "org.freedesktop.DBus.Properties";
        let call = Call { destination: LOGIND, path: OBJECT, interface, member: "Get", arguments: &arguments };
        let limit =
            bus.call(&call).await.ok().and_then(|(reply, _)| Message::long(&reply)).map(Duration::from_micros)?;
        if self.shutdown == OnHostShutdown::Stop && limit < self.patience {
            let (limit, patience) = (humantime::format_duration(limit), humantime::format_duration(self.patience));
            self.say(Heard::Note(format!(
                "a shutdown of the host waits {limit} for the guest, which may take {patience} (stop.timeout): \
                 InhibitDelayMaxSec= in logind.conf gives it more"
            )));
        }
        Some(limit)
    }

    /// Brings the guest to where it stands a sleep of the host.
    async fn lay_down(&self, limit: Option<Duration>) -> Stirred {
        let runs = self.execute("query-status").await.is_some_and(|status| status["running"] == true);
        match (self.sleep, &self.agent) {
            (OnHostSleep::Block | OnHostSleep::Ignore, _) => Stirred::Nothing,
            _ if !runs => Stirred::Nothing,
            (OnHostSleep::Suspend, Some(agent)) => {
                // logind goes on by itself then; a guest that is paused is better than one that runs.
                let time = limit.unwrap_or(PATIENCE) / 2;
                match timeout(time, agent::suspend(agent, &self.desk.asleep)).await {
                    Ok(Ok(())) => {
                        self.say(Heard::Note("the host goes to sleep; the guest is suspended".into()));
                        Stirred::Suspended
                    }
                    failed => {
                        let why = match failed {
                            Ok(Err(error)) => error.to_string(),
                            _ => "it did not in time".into(),
                        };
                        self.say(Heard::Warning(format!("the guest cannot be suspended: {why}")));
                        self.pause().await
                    }
                }
            }
            (OnHostSleep::Pause | OnHostSleep::Suspend, _) => self.pause().await,
        }
    }

    async fn pause(&self) -> Stirred {
        match self.execute("stop").await {
            Some(_) => {
                self.say(Heard::Note("the host goes to sleep; the guest is paused".into()));
                Stirred::Paused
            }
            None => {
                self.say(Heard::Warning("the host goes to sleep, and the guest cannot be paused".into()));
                Stirred::Nothing
            }
        }
    }

    /// Takes back what was done to the guest before the sleep, and no more: who paused it otherwise wants it so.
    async fn get_up(&self, stirred: Stirred) {
        let (command, text) = match stirred {
            Stirred::Nothing => return,
            Stirred::Paused => ("cont", "the host is awake; the guest runs on"),
            Stirred::Suspended => ("system_wakeup", "the host is awake; the guest is woken"),
        };
        match self.execute(command).await {
            Some(_) => self.say(Heard::Note(text.into())),
            None => self.say(Heard::Warning(format!("the host is awake, and {command} of the guest failed"))),
        }
    }

    async fn execute(&self, command: &str) -> Option<Value> {
        timeout(PATIENCE, self.desk.execute(command, json!({}))).await.ok()?.ok()
    }

    fn say(&self, heard: Heard) {
        // The loop may have ended already.
        let _ = self.tell.send(heard);
    }
}

/// What was done to the guest before the host went to sleep.
enum Stirred {
    Nothing,
    Paused,
    Suspended,
}

/// There is none of these: the talk ends only by an error.
enum Never {}
