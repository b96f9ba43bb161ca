//! Under which addresses a guest can be reached: as its agent says, as the host knows its interfaces, or as QEMU itself
//! gives them.

use crate::host::{Root, known_addresses};
use crate::plan::Contents;
use crate::supervise::{Ask, Client};
use crate::unit::Mac;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

/// How long an agent may take, which answers at once when it is there.
const ANSWER: Duration = Duration::from_secs(2);

/// An address of a guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Address {
    pub(super) ip: IpAddr,
    /// The network device, like `nic0`; empty when the guest has it from elsewhere.
    pub(super) device: String,
    /// Who says so.
    pub(super) source: String,
}

/// A network device of the guest.
struct Nic {
    id: String,
    mac: Option<Mac>,
    netdev: String,
}

/// All addresses of the guest in the run folder `dir` that was started by `plan`.
pub(super) async fn addresses(dir: &Path, plan: &Contents) -> Vec<Address> {
    let nics = nics(plan);
    let told = timeout(ANSWER, of_agent(dir, plan, &nics)).await;
    let mut found = told.ok().and_then(Result::ok).unwrap_or_default();
    let unknown = |found: &[Address], nic: &Nic| found.iter().all(|address| address.device != nic.id);
    let macs: Vec<_> = nics.iter().filter(|nic| unknown(&found, nic)).filter_map(|nic| nic.mac).collect();
    for known in known_addresses(&Root::default(), &macs) {
        let device = device_of(&nics, known.mac);
        found.push(Address { ip: known.address, device, source: known.source });
    }
    let user: Vec<_> = nics.iter().filter(|nic| unknown(&found, nic)).filter_map(|nic| of_user(plan, nic)).collect();
    found.extend(user);
    found
}

fn nics(plan: &Contents) -> Vec<Nic> {
    let devices = plan.argv.json("-device").filter(|device| device["netdev"].is_string());
    let nic = |device: Value| Nic {
        id: device["id"].as_str().unwrap_or_default().to_owned(),
        mac: device["mac"].as_str().and_then(|mac| mac.parse().ok()),
        netdev: device["netdev"].as_str().unwrap_or_default().to_owned(),
    };
    devices.map(nic).collect()
}

fn device_of(nics: &[Nic], mac: Mac) -> String {
    nics.iter().find(|nic| nic.mac == Some(mac)).map(|nic| nic.id.clone()).unwrap_or_default()
}

/// QEMU's own network gives the first guest of it the fifteenth address. QEMU: `net/slirp.c`, `net_slirp_init`.
fn of_user(plan: &Contents, nic: &Nic) -> Option<Address> {
    let netdev = plan.argv.json("-netdev").find(|netdev| netdev["id"] == nic.netdev && netdev["type"] == "user")?;
    let net = netdev["net"].as_str().unwrap_or("10.0.2.0/24");
    let first: Ipv4Addr = net.split('/').next()?.parse().ok()?;
    let ip = Ipv4Addr::from(u32::from(first).checked_add(15)?);
    let source = "QEMU's own network: from here by hostfwd only".to_owned();
    Some(Address { ip: ip.into(), device: nic.id.clone(), source })
}

/// What the agent in the guest says; nothing where none listens. Nobody is asked whose door the guest has not opened: the
/// question would wait there for the next agent.
async fn of_agent(dir: &Path, plan: &Contents, nics: &[Nic]) -> io::Result<Vec<Address>> {
    let Some(path) = &plan.agent else { return Ok(Vec::new()) };
    let mut client = Client::connect(dir).await?;
    let ask = Ask::Qmp { execute: "query-chardev".into(), arguments: Map::new() };
    let chardevs = client.ask(&ask).await?;
    let is_open = |chardev: &Value| chardev["label"] == "agent" && chardev["frontend-open"] == true;
    if !chardevs.as_array().is_some_and(|chardevs| chardevs.iter().any(is_open)) {
        return Ok(Vec::new());
    }
    Ok(read(&interfaces(UnixStream::connect(path).await?).await?, nics))
}

/// QEMU: `qga/qapi-schema.json`. An answer to somebody else's question may still be on its way; the id tells.
async fn interfaces(stream: UnixStream) -> io::Result<Value> {
    let id = std::process::id();
    let (from, mut to) = stream.into_split();
    let sync = json!({ "execute": "guest-sync", "arguments": { "id": id } });
    let ask = json!({ "execute": "guest-network-get-interfaces" });
    to.write_all(format!("{sync}\n{ask}\n").as_bytes()).await?;
    let mut lines = BufReader::new(from).lines();
    let mut synced = false;
    while let Some(line) = lines.next_line().await? {
        let answer: Value = serde_json::from_str(&line).unwrap_or_default();
        if synced {
            return Ok(answer["return"].clone());
        }
        synced = answer["return"] == id;
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

fn read(interfaces: &Value, nics: &[Nic]) -> Vec<Address> {
    let mut found = Vec::new();
    for interface in interfaces.as_array().into_iter().flatten() {
        let mac = interface["hardware-address"].as_str().and_then(|mac| mac.parse().ok());
        let device = mac.map(|mac| device_of(nics, mac)).unwrap_or_default();
        let addresses = interface["ip-addresses"].as_array().into_iter().flatten();
        let addresses = addresses.filter_map(|address| address["ip-address"].as_str()?.parse().ok());
        found.extend(addresses.filter(reaches).map(|ip| Address {
            ip,
            device: device.clone(),
            source: "its agent".to_owned(),
        }));
    }
    found
}

/// Whether another machine can use it.
fn reaches(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !ip.is_loopback() && !ip.is_link_local(),
        IpAddr::V6(ip) => !ip.is_loopback() && !ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod test {
    use super::{Nic, interfaces, read};
    use serde_json::json;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;

    #[tokio::test]
    async fn what_an_agent_says_is_told_from_answers_to_others() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let answer = json!([
            { "name": "lo", "ip-addresses": [{ "ip-address": "127.0.0.1" }] },
            { "name": "eth0", "hardware-address": "52:54:00:00:00:01", "ip-addresses": [
                { "ip-address": "192.168.1.7" }, { "ip-address": "fe80::1" }, { "ip-address": "2001:db8::7" },
            ] },
            { "name": "wg0", "ip-addresses": [{ "ip-address": "10.9.0.2" }] },
        ]);
        let agent = async {
            let mut asked = vec![0; 1024];
            let length = theirs.read(&mut asked).await.unwrap();
            assert!(asked[..length].ends_with(b"\n"));
            let id = std::process::id();
            let late = "{\"return\": {\"late\": true}}\n";
            let answers = format!("{late}{}\n{}\n", json!({ "return": id }), json!({ "return": answer }));
            theirs.write_all(answers.as_bytes()).await.unwrap();
        };
        let (said, ()) = tokio::join!(interfaces(ours), agent);
        let nics = [Nic { id: "nic0".into(), mac: "52:54:00:00:00:01".parse().ok(), netdev: "net0".into() }];
        let found: Vec<_> = read(&said.unwrap(), &nics).iter().map(|it| format!("{} {}", it.device, it.ip)).collect();
        assert_eq!(found, ["nic0 192.168.1.7", "nic0 2001:db8::7", " 10.9.0.2"]);
    }
}
