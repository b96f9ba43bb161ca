//! `net.hostfwd`: ports of the host that lead into the guest.

use schemars::JsonSchema;
use serde::Deserialize;
use std::fmt;
use std::net::Ipv4Addr;

/// A forwarded port: `PROTOCOL:HOST_ADDRESS:HOST_PORT:GUEST_PORT`, or in QEMU's form
/// `PROTOCOL:HOST_ADDRESS:HOST_PORT-GUEST_ADDRESS:GUEST_PORT`; an address may be empty.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(
    with = "String",
    extend(
        "pattern" = r"^(tcp|udp):[0-9.]*:[0-9]+(-[0-9.]*)?:[0-9]+$",
        "examples" = ["tcp:127.0.0.1:2222:22", "udp::5353-10.0.2.15:53"]
    )
)]
pub(super) struct Forward {
    pub(super) protocol: Protocol,
    /// Address of the host; `None` for all of them.
    pub(super) host: Option<Ipv4Addr>,
    pub(super) host_port: u16,
    /// Address of the guest; `None` for the one that it got.
    pub(super) guest: Option<Ipv4Addr>,
    pub(super) guest_port: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Tcp,
    Udp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

impl Forward {
    fn parse(text: &str) -> Option<Self> {
        let (protocol, rest) = text.split_once(':')?;
        let protocol = match protocol {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            _ => return None,
        };
        let (host, rest) = rest.split_once(':')?;
        let (host_port, guest, guest_port) = match rest.split_once('-') {
            Some((host_port, rest)) => rest.split_once(':').map(|(guest, port)| (host_port, guest, port))?,
            None => rest.split_once(':').map(|(host_port, port)| (host_port, "", port))?,
        };
        Some(Self {
            protocol,
            host: address(host)?,
            host_port: port(host_port)?,
            guest: address(guest)?,
            guest_port: port(guest_port)?,
        })
    }

    /// In the form of QEMU's `hostfwd`.
    pub(super) fn qemu(&self) -> String {
        let address = |address: Option<Ipv4Addr>| address.map(|address| address.to_string()).unwrap_or_default();
        let Self { protocol, host, host_port, guest, guest_port } = self;
        format!("{protocol}:{}:{host_port}-{}:{guest_port}", address(*host), address(*guest))
    }

    /// In the form of passt's `--tcp-ports` and `--udp-ports`.
    pub(super) fn passt(&self) -> [String; 2] {
        let option = match self.protocol {
            Protocol::Tcp => "--tcp-ports",
            Protocol::Udp => "--udp-ports",
        };
        let host = self.host.map(|host| format!("{host}/")).unwrap_or_default();
        [option.to_owned(), format!("{host}{}:{}", self.host_port, self.guest_port)]
    }

    /// Whether both want one port of the host.
    pub(super) fn clashes(&self, other: &Self) -> bool {
        self.protocol == other.protocol && self.is_at(other.host, other.host_port)
    }

    /// Whether it wants the TCP port `port` of the host, opened on `host` or all addresses.
    pub(super) fn is_of(&self, host: Option<Ipv4Addr>, port: u16) -> bool {
        self.protocol == Protocol::Tcp && self.is_at(host, port)
    }

    fn is_at(&self, host: Option<Ipv4Addr>, port: u16) -> bool {
        let any = |host: Option<Ipv4Addr>| host.is_none_or(|host| host.is_unspecified());
        self.host_port == port && (self.host == host || any(self.host) || any(host))
    }
}

/// `None` for a wrong one, `Some(None)` for an empty one.
#[allow(clippy::option_option, reason = "wrong and not given are two things")]
fn address(text: &str) -> Option<Option<Ipv4Addr>> {
    if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) }
}

fn port(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|&port| port > 0 && digits)
}

impl TryFrom<String> for Forward {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| {
            format!(
                "`{}` forwards no port; write tcp:HOST_ADDRESS:HOST_PORT:GUEST_PORT, like tcp:127.0.0.1:2222:22",
                text.escape_debug()
            )
        })
    }
}

#[cfg(test)]
mod test {
    use super::Forward;

    fn forward(text: &str) -> Forward {
        Forward::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn the_short_form_and_qemus_own_mean_the_same() {
        assert_eq!(forward("tcp:127.0.0.1:2222:22"), forward("tcp:127.0.0.1:2222-:22"));
        assert_eq!(forward("udp::53:5353").qemu(), "udp::53-:5353");
        assert_eq!(forward("udp::53-10.0.2.15:5353").qemu(), "udp::53-10.0.2.15:5353");
        assert_eq!(forward("tcp:127.0.0.1:2222:22").passt(), ["--tcp-ports", "127.0.0.1/2222:22"]);
    }

    #[test]
    fn what_is_no_forwarded_port_is_refused() {
        for text in
            ["2222:22", "tcp:22", "tcp::0:22", "tcp::22:", "sctp::1:2", "tcp:localhost:1:2", "tcp::+1:2", "tcp::1-:"]
        {
            assert!(Forward::try_from(text.to_owned()).is_err(), "{text}");
        }
    }

    #[test]
    fn one_port_of_all_addresses_clashes_with_that_of_each() {
        assert!(forward("tcp::80:80").clashes(&forward("tcp:127.0.0.1:80:81")));
        assert!(forward("tcp:0.0.0.0:80:80").clashes(&forward("tcp:127.0.0.1:80:81")));
        assert!(!forward("tcp:127.0.0.2:80:80").clashes(&forward("tcp:127.0.0.1:80:81")));
        assert!(!forward("udp::80:80").clashes(&forward("tcp::80:80")));
    }
}
