//! The hands that reach into an emulated host from outside: devices are plugged in and pulled out by QEMU's monitor.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::{Map, Value, json};

/// How long QEMU may take to answer, and a device to go.
const LIMIT: Duration = Duration::from_secs(60);

/// A QMP connection to the QEMU that is the host.
pub(crate) struct Monitor {
    stream: BufReader<UnixStream>,
    events: Vec<Value>,
    greeted: bool,
}

impl Monitor {
    /// A monitor on `stream`; the first command greets it.
    pub(crate) fn new(stream: UnixStream) -> Self {
        stream.set_read_timeout(Some(LIMIT)).expect("a time of more than zero");
        Self { stream: BufReader::new(stream), events: Vec::new(), greeted: false }
    }

    /// Has QEMU execute `command` and returns what it answers, or why it does not.
    pub(crate) fn execute(&mut self, command: &str, arguments: &Value) -> Result<Value, String> {
        if !self.greeted {
            self.greeted = true;
            self.next()?;
            self.execute("qmp_capabilities", &json!({}))?;
        }
        let request = json!({ "execute": command, "arguments": arguments });
        self.stream.get_mut().write_all(format!("{request}\n").as_bytes()).map_err(|error| error.to_string())?;
        loop {
            let mut answer = self.next()?;
            if let Some(error) = answer.get("error") {
                return Err(format!("{request}: {error}"));
            }
            if answer.get("return").is_some() {
                return Ok(answer["return"].take());
            }
            self.events.push(answer);
        }
    }

    /// Plugs in `device`, written as for `-device`.
    pub(crate) fn plug(&mut self, device: &str) -> Result<(), String> {
        let (driver, properties) = device.split_once(',').unwrap_or((device, ""));
        let properties = properties.split(',').filter_map(|property| property.split_once('='));
        let mut arguments: Map<String, Value> = properties.map(|(key, value)| (key.to_owned(), value.into())).collect();
        arguments.insert("driver".to_owned(), driver.into());
        self.execute("device_add", &arguments.into()).map(drop)
    }

    /// Pulls out the device `id` and waits until it is gone.
    pub(crate) fn pull(&mut self, id: &str) -> Result<(), String> {
        self.events.clear();
        self.execute("device_del", &json!({ "id": id }))?;
        let gone = |event: &Value| event["event"] == "DEVICE_DELETED" && event["data"]["device"] == id;
        while !self.events.iter().any(gone) {
            let event = self.next()?;
            self.events.push(event);
        }
        Ok(())
    }

    /// The next thing QEMU says.
    fn next(&mut self) -> Result<Value, String> {
        let mut line = String::new();
        match self.stream.read_line(&mut line) {
            Ok(0) => Err("the monitor is closed".to_owned()),
            Ok(_) => serde_json::from_str(&line).map_err(|error| format!("{line}: {error}")),
            Err(error) => Err(format!("the monitor is silent: {error}")),
        }
    }
}
