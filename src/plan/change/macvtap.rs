//! A macvtap device.

use crate::plan::{Command, Step};
use crate::unit::Mac;

/// One command that makes it, so that a failure leaves nothing half done.
pub(super) fn add(name: &str, parent: &str, mac: Mac, mode: &str, mtu: Option<u16>) -> Step {
    let (mac, mtu) = (mac.to_string(), mtu.map(|mtu| mtu.to_string()));
    let mut words = vec!["link", "add", "link", parent, "name", name, "address", &mac, "up"];
    if let Some(mtu) = &mtu {
        words.extend(["mtu", mtu]);
    }
    words.extend(["type", "macvtap", "mode", mode]);
    Step::Run(ip(words))
}

/// It goes by itself when the interface below it goes.
pub(super) fn remove(name: &str) -> Step {
    Step::RunIf { there: format!("/sys/class/net/{name}"), run: ip(["link", "del", "dev", name]) }
}

fn ip<'a>(words: impl IntoIterator<Item = &'a str>) -> Command {
    let argv = std::iter::once("ip").chain(words).map(str::to_owned).collect();
    Command { argv, ..Command::default() }
}
