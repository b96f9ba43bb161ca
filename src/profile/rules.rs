//! The few rules that span tables.

use super::agent::Agent;
use super::audio::Audio;
use super::disk::Disk;
use super::disk_bus::Bus;
use super::display::Display;
use super::input::Input;
use super::mdev::Mdev;
use super::memory::Memory;
use super::net::Net;
use super::pci::Pci;
use super::usb::Usb;
use super::usb_controller::UsbController;
use crate::plan::{Class, Draft, Problem};

/// The tables that may put something on USB.
pub(super) struct UsbUsers<'a> {
    pub(super) disks: &'a [Disk],
    pub(super) devices: &'a [Usb],
    pub(super) inputs: &'a [Input],
    pub(super) display: &'a Display,
    pub(super) audio: Option<&'a Audio>,
}

impl UsbUsers<'_> {
    /// The first key path that needs a USB controller.
    pub(super) fn first(&self) -> Option<String> {
        let Self { disks, devices, inputs, display, audio } = self;
        let disk = || disks.iter().position(|disk| disk.bus() == Bus::Usb).map(|i| format!("disk[{i}].bus"));
        let device = || devices.iter().position(|usb| usb.enabled).map(|i| format!("usb[{i}]"));
        let input = || inputs.iter().position(Input::is_usb).map(|i| format!("input[{i}].kind"));
        let redirection = || display.redirects_usb().then(|| "display.usb_redirect".to_owned());
        let audio = || audio.filter(|audio| audio.is_usb()).map(|_| "audio.model".to_owned());
        disk().or_else(device).or_else(input).or_else(redirection).or_else(audio)
    }
}

/// Notes a problem when the sound card is too slow a device for the USB controller.
pub(super) fn judge_usb_sound(controller: Option<&UsbController>, audio: Option<&Audio>, draft: &mut Draft) {
    if audio.is_some_and(Audio::is_usb) && controller.is_some_and(UsbController::is_high_speed) {
        let what = "usb-ehci takes high-speed devices only, and the USB sound card is a full-speed one";
        let problem = Problem::new(Class::Invalid, "usb_controller.model", what);
        draft.refuse(problem.fix("model = \"qemu-xhci\"   # or another audio.model"));
    }
}

/// The first key path that needs a channel to the guest.
pub(super) fn channel_wanted_by(agent: Option<&Agent>, display: &Display) -> Option<&'static str> {
    agent.map(|_| "agent").or_else(|| display.has_agent().then_some("display.agent"))
}

/// The first table that passes a device of the host.
pub(super) fn passed(pci: &[Pci], mdev: &[Mdev]) -> Option<&'static str> {
    let pci = (!pci.is_empty()).then_some("pci");
    pci.or_else(|| (!mdev.is_empty()).then_some("mdev"))
}

/// Notes a problem when what a viewer connects to is a port that leads into the guest.
pub(super) fn judge_ports(display: &Display, nets: &[Net], draft: &mut Draft) {
    let Some((addr, port)) = display.port() else { return };
    let wanted = |(i, net): (usize, &Net)| Some(format!("net[{i}].hostfwd[{}]", net.forwards(addr, port)?));
    if let Some(at) = nets.iter().enumerate().find_map(wanted) {
        let what = format!("tcp port {port} of the host is taken by display.port");
        draft.refuse(Problem::new(Class::Invalid, at, what).fix("another port of the host"));
    }
}

/// Notes a problem when the first interface whose switch is another process would not let it reach the guest's memory.
pub(super) fn judge_shared_memory(memory: &Memory, nets: &[Net], draft: &mut Draft) {
    let Some(i) = nets.iter().position(Net::shares_memory).filter(|_| !memory.is_shared()) else { return };
    draft.refuse(
        Problem::new(Class::Invalid, format!("net[{i}].mode"), "mode = \"vhost-user\" with memory of the guest's own")
            .why("the switch reads and writes packets in the guest's memory")
            .fix("[memory]\nshare = true"),
    );
}
