//! A bridge.

use super::Presence;
use crate::plan::{Command, Step};
use crate::unit::{HostAddress, Mac};

/// One command makes it, with the hardware address that tells it from one that somebody else made.
pub(super) fn steps(name: &str, address: Option<HostAddress>, mtu: Option<u16>, to: Presence) -> Vec<Step> {
    let mac = Mac::of_bridge(name);
    if to == Presence::Absent {
        return vec![Step::RemoveBridge { name: name.to_owned(), mac }];
    }
    let (mac, mtu) = (mac.to_string(), mtu.map(|mtu| mtu.to_string()));
    let mut words = vec!["link", "add", "name", name, "address", &mac, "up"];
    if let Some(mtu) = &mtu {
        words.extend(["mtu", mtu]);
    }
    words.extend(["type", "bridge"]);
    let there = format!("/sys/class/net/{name}/bridge");
    let make = Step::RunUnless { there, run: ip(words) };
    let address = address.map(|address| address.to_string());
    let own = address.map(|address| Step::Run(ip(["address", "replace", &address, "dev", name])));
    std::iter::once(make).chain(own).collect()
}

fn ip<'a>(words: impl IntoIterator<Item = &'a str>) -> Command {
    let argv = std::iter::once("ip").chain(words).map(str::to_owned).collect();
    Command { argv, ..Command::default() }
}
