//! Sound.

use super::{Check, Found, Subject, ok, warn};

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "sound-server",
        why: "the guest's sound goes to the server of the user who sits at the machine, not to root's, who has none",
        of_profiles: false,
        judge: server,
    },
    Check {
        id: "gpu-audio",
        why: "sound over HDMI comes from the card's own audio function, which is passed with it",
        of_profiles: true,
        judge: function,
    },
];

fn server(subject: &Subject<'_>) -> Vec<Found> {
    let host = subject.host;
    let who = host.invoker.unwrap_or(host.euid);
    let read = format!("sockets below /run/user/{who} that somebody listens on");
    match host.sound.first() {
        Some(socket) => ok(format!("a sound server listens at {}", socket.display()), read),
        None if who == 0 => warn(
            "root has no sound server, and no user is behind it",
            read,
            "start the guest with sudo or pkexec from your session, or name the user: vmrun explain audio",
        ),
        None => warn(
            format!("user {who} runs no sound server"),
            read,
            "log in at the machine; then: systemctl --user start pipewire-pulse.socket",
        ),
    }
}

fn function(subject: &Subject<'_>) -> Vec<Found> {
    let one = |card: &crate::host::PciFunction| {
        let mut siblings = subject.host.pci.iter().filter(|other| other.bdf.same_device(card.bdf));
        let sound = siblings.find(|other| other.class >> 8 == 0x0403)?;
        let read = format!("class of {}", super::folder(sound));
        Some(match subject.passed {
            Some(passed) if !passed.contains(&sound.bdf) => warn(
                format!("{} is passed without its audio function {}", super::named(card), sound.bdf),
                read,
                format!("[[pci]]\ndevice = \"{}\"   # all functions", card.bdf.to_string().trim_end_matches(".0")),
            ),
            _ => ok(format!("{} has its own audio function, {}", super::named(card), sound.bdf), read),
        })
    };
    subject.candidates().into_iter().filter_map(one).flatten().collect()
}
