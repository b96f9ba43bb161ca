//! `[[net]]`: network interfaces.

use super::disk_bus::place;
use super::scene::Scene;
use crate::host::PathFact;
use crate::plan::{Class, Descriptor, Draft, Origin, Problem};
use crate::unit::Mac;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// A network interface; QEMU's `-netdev` and `-device`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Net {
    /// What it is connected to.
    mode: Mode,
    /// Name of the host's bridge, for `mode = "bridge"`.
    bridge: Option<String>,
    /// Its hardware address; the same at every start unless given.
    mac: Option<Mac>,
    /// What the guest sees; `virtio` unless given.
    #[serde(default)]
    model: Model,
    /// Ports of the host that lead into the guest, for `mode = "user"`: `tcp:127.0.0.1:2222-:22`.
    #[serde(default)]
    hostfwd: Vec<Forward>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Mode {
    /// A network made by QEMU; needs nothing of the host, slow.
    User,
    /// A bridge of the host.
    Bridge,
    /// There is no interface.
    None,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Model {
    #[default]
    Virtio,
    E1000e,
    Rtl8139,
}

impl Model {
    fn driver(self) -> &'static str {
        match self {
            Self::Virtio => "virtio-net-pci",
            Self::E1000e => "e1000e",
            Self::Rtl8139 => "rtl8139",
        }
    }
}

/// A forwarded port in QEMU's form: `tcp|udp:[host address]:host port-[guest address]:guest port`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("pattern" = r"^(tcp|udp):.*:[0-9]+-.*:[0-9]+$", "examples" = ["tcp:127.0.0.1:2222-:22"]))]
struct Forward(String);

impl TryFrom<String> for Forward {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let sides =
            text.strip_prefix("tcp:").or_else(|| text.strip_prefix("udp:")).and_then(|rest| rest.split_once('-'));
        let port =
            |side: &str| side.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok_and(|port| port > 0));
        match sides {
            Some((host, guest)) if port(host) && port(guest) => Ok(Self(text)),
            _ => Err(format!(
                "`{text}` forwards no port; write tcp:HOST_ADDRESS:PORT-GUEST_ADDRESS:PORT, like tcp:127.0.0.1:2222-:22"
            )),
        }
    }
}

/// The kernel's half of a virtio interface.
const VHOST_NET: &str = "/dev/vhost-net";

impl Net {
    pub(super) fn paths(&self) -> Option<PathBuf> {
        (self.mode == Mode::Bridge).then(|| VHOST_NET.into())
    }

    fn draft(&self, i: usize, scene: &Scene, draft: &mut Draft) {
        let Self { mode, bridge, mac, model, hostfwd } = self;
        let key = format!("net[{i}]");
        self.judge(&key, draft);
        let id = format!("net{i}");
        let netdev = match (mode, bridge) {
            (Mode::None, _) | (Mode::Bridge, None) => return,
            (Mode::User, _) => user(&id, hostfwd),
            (Mode::Bridge, Some(bridge)) => tap(&id, bridge, *model, &key, scene, draft),
        };
        draft.contents.argv.backend("-netdev", &netdev, Origin::given(format!("{key}.mode")));
        let mac = mac.unwrap_or_else(|| Mac::derived(&format!("{}/{id}", scene.name)));
        let device = json!({"driver": model.driver(), "id": format!("nic{i}"), "netdev": id, "mac": mac.to_string()});
        place(device, &Origin::given(key), draft);
    }

    fn judge(&self, key: &str, draft: &mut Draft) {
        if self.mode == Mode::Bridge && self.bridge.is_none() {
            let problem = Problem::new(Class::Invalid, key, "mode = \"bridge\" names no bridge");
            draft.refuse(problem.fix("bridge = \"br0\""));
        }
        if self.mode != Mode::Bridge && self.bridge.is_some() {
            let problem =
                Problem::new(Class::Invalid, format!("{key}.bridge"), "only mode = \"bridge\" takes a bridge");
            draft.refuse(problem.fix("mode = \"bridge\""));
        }
        if self.mode != Mode::User && !self.hostfwd.is_empty() {
            let problem = Problem::new(Class::Invalid, format!("{key}.hostfwd"), "only mode = \"user\" forwards ports");
            draft.refuse(problem.why("on a bridge the guest has an address of its own"));
        }
    }
}

pub(super) fn draft(nets: &[Net], scene: &Scene, draft: &mut Draft) {
    for (i, net) in nets.iter().enumerate() {
        net.draft(i, scene, draft);
        let twice = net.mac.and_then(|mac| nets[..i].iter().position(|earlier| earlier.mac == Some(mac)));
        if let Some(first) = twice {
            let what = format!("net[{first}] and net[{i}] have one hardware address");
            draft.refuse(Problem::new(Class::Invalid, format!("net[{i}].mac"), what).fix("leave mac out of one"));
        }
    }
}

fn user(id: &str, hostfwd: &[Forward]) -> Value {
    let mut netdev = json!({"type": "user", "id": id});
    if !hostfwd.is_empty() {
        netdev["hostfwd"] = hostfwd.iter().map(|Forward(text)| json!({"str": text})).collect();
    }
    netdev
}

fn tap(id: &str, bridge: &str, model: Model, key: &str, scene: &Scene, draft: &mut Draft) -> Value {
    if !scene.host.bridges.iter().any(|known| known == bridge) {
        let why = match &scene.host.bridges[..] {
            [] => "this host has no bridge".to_owned(),
            known => format!("this host has {}", known.join(", ")),
        };
        draft.refuse(
            Problem::new(Class::Impossible, format!("{key}.bridge"), format!("there is no bridge {bridge}"))
                .why(why)
                .fix(format!(
                    "ip link add {bridge} type bridge && ip link set {bridge} up\n\
                     ip link set YOUR_INTERFACE master {bridge}"
                )),
        );
    }
    let fd = draft.pass(Descriptor::Tap { bridge: bridge.to_owned() });
    let mut netdev = json!({"type": "tap", "id": id, "fd": fd.to_string()});
    if model == Model::Virtio {
        if *scene.host.path(Path::new(VHOST_NET)) == PathFact::Missing {
            draft.warn(
                Problem::new(Class::Missing, key, format!("there is no {VHOST_NET}"))
                    .why("QEMU moves each packet itself, instead of the kernel")
                    .fix("modprobe vhost_net"),
            );
        } else {
            netdev["vhost"] = json!(true);
            netdev["vhostfd"] = json!(draft.pass(Descriptor::VhostNet).to_string());
        }
    }
    netdev
}
