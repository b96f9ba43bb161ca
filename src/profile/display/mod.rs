//! `[display]`: an emulated graphics card, and where its picture goes.

mod remote;
mod spice;
mod video;
mod vnc;

pub(super) use video::Resolution;

use super::scene::Scene;
use super::setting::Setting;
use crate::plan::{Access, Class, Draft, Lot, Origin, Problem};
use crate::unit::Size;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::num::{NonZeroU8, NonZeroU16};
use std::path::{Path, PathBuf};
use video::Video;

/// The emulated display; none unless given, for guests with a card of their own.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Display {
    /// Where the picture goes: a window (`gtk`, `sdl`), a server for a viewer (`spice`, `vnc`), or nowhere; `none`
    /// unless given. QEMU's `-display`, `-spice` and `-vnc`.
    #[serde(default)]
    kind: Kind,
    /// Path of the socket that a viewer connects to, for `spice` and `vnc`; in the run's own folder unless `path` or
    /// `port` is given.
    path: Option<PathBuf>,
    /// TCP port that a viewer connects to, for `spice` and `vnc`; for `vnc` 5900 or more.
    port: Option<NonZeroU16>,
    /// Address that `port` is opened on; `127.0.0.1` unless given.
    addr: Option<String>,
    /// File with the password that a viewer must give, for `spice` and `vnc`; read by QEMU, never an argument.
    password_file: Option<PathBuf>,
    /// Whether the clipboard and the window size go between viewer and guest, for `spice`; the guest needs the SPICE
    /// agent. False unless given.
    agent: Option<bool>,
    /// USB devices of the viewer's machine that can be handed to the guest at once, for `spice`; 0 unless given.
    /// QEMU's `usb-redir`.
    usb_redirect: Option<u8>,
    /// Whether the picture is drawn by the host's OpenGL; a must for `video = "virtio-gl"`. A viewer over the network, which
    /// is `vnc` or a `port` of `spice`, is sent a copy, QEMU's `egl-headless`. False unless given.
    gl: Option<bool>,
    /// The host's render node for `gl`, like `/dev/dri/renderD128`; for `spice`, `vnc` and `egl-headless`. QEMU's own choice
    /// unless given.
    rendernode: Option<PathBuf>,
    /// Whether closing the window ends the guest, for `gtk` and `sdl`; true unless given. QEMU's `window-close`.
    window_close: Option<bool>,
    /// Whether the window starts as large as the screen, for `gtk` and `sdl`; false unless given.
    full_screen: Option<bool>,
    /// The emulated card; `std` unless given, `none` without a display.
    video: Option<Video>,
    /// Memory of the emulated card; unless given QEMU's own choice, or what `resolution` needs where that is more. QEMU's
    /// `vgamem_mb`, `vgamem`, `vram_size_mb`, `max_hostmem`.
    vram: Option<Size>,
    /// Screens that the emulated card has, for `qxl` and `virtio`, 1 to 16; 1 unless given. QEMU's `max_outputs`.
    #[schemars(range(max = 16))]
    heads: Option<NonZeroU8>,
    /// Resolution that the guest starts with. QEMU's `xres` and `yres`.
    resolution: Option<Resolution>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    /// Nowhere.
    #[default]
    None,
    /// A GTK window.
    Gtk,
    /// An SDL window.
    Sdl,
    /// A SPICE server, for `remote-viewer`.
    Spice,
    /// A VNC server.
    Vnc,
    /// Drawn by OpenGL and seen by nobody; for screenshots.
    EglHeadless,
    /// A D-Bus service.
    Dbus,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gtk => "gtk",
            Self::Sdl => "sdl",
            Self::Spice => "spice",
            Self::Vnc => "vnc",
            Self::EglHeadless => "egl-headless",
            Self::Dbus => "dbus",
        }
    }

    fn is_window(self) -> bool {
        matches!(self, Self::Gtk | Self::Sdl)
    }

    fn is_remote(self) -> bool {
        matches!(self, Self::Spice | Self::Vnc)
    }

    fn draws_by_gl(self) -> bool {
        self != Self::None
    }
}

impl Display {
    pub(super) fn paths(&self, setting: &Setting) -> Vec<PathBuf> {
        [&self.password_file, &self.rendernode].into_iter().flatten().map(|path| setting.resolve(path)).collect()
    }

    /// The socket that the profile names.
    pub(super) fn socket(&self) -> Option<&Path> {
        self.path.as_deref().filter(|_| self.kind.is_remote())
    }

    pub(super) fn is_spice(&self) -> bool {
        self.kind == Kind::Spice
    }

    /// Whether a viewer may hand over USB devices.
    pub(super) fn redirects_usb(&self) -> bool {
        self.is_spice() && self.usb_redirect.is_some_and(|count| count > 0)
    }

    /// TCP port that a viewer connects to, and the address that it is opened on; `None` for all of them.
    pub(super) fn port(&self) -> Option<(Option<Ipv4Addr>, u16)> {
        let port = self.port.filter(|_| self.kind.is_remote())?.get();
        match self.addr.as_deref() {
            None | Some("localhost") => Some((Some(Ipv4Addr::LOCALHOST), port)),
            Some("" | "::" | "[::]") => Some((None, port)),
            Some(addr) => Some((Some(addr.parse().ok()?), port)),
        }
    }

    /// Whether the SPICE agent has a channel to the guest.
    pub(super) fn has_agent(&self) -> bool {
        self.is_spice() && self.agent == Some(true)
    }

    pub(super) fn draft(&self, scene: &Scene, draft: &mut Draft) {
        self.judge(draft);
        if self.has_gl() {
            let node = self.rendernode.as_deref().unwrap_or(Path::new("/dev/dri/renderD128"));
            draft.opens("display.gl", scene.setting.resolve(node), Access::Write, Lot::Common);
        }
        if self.kind.is_window() {
            draft.contents.session = scene.invoker().map(str::to_owned);
        }
        draft.contents.argv.backend("-display", &self.window(scene), Origin::given("display.kind"));
        match self.kind {
            Kind::Spice => spice::draft(self, scene, draft),
            Kind::Vnc => vnc::draft(self, scene, draft),
            Kind::None | Kind::Gtk | Kind::Sdl | Kind::EglHeadless | Kind::Dbus => {}
        }
        video::draft(self, draft);
    }

    /// The channels of redirection; they come after the USB controller.
    pub(super) fn draft_usb_redirection(&self, draft: &mut Draft) {
        if self.redirects_usb() {
            spice::draft_usb_redirection(self.usb_redirect.unwrap_or_default(), draft);
        }
    }

    /// The value of `-display`. A server is no window, so QEMU has none then, or what draws for it.
    fn window(&self, scene: &Scene) -> Value {
        let kind = match self.kind {
            _ if self.is_copied() => Kind::EglHeadless,
            Kind::Spice | Kind::Vnc => Kind::None,
            kind => kind,
        };
        let mut window = json!({"type": kind.as_str()});
        if let Some(gl) = self.gl.filter(|_| self.kind.is_window() || self.kind == Kind::Dbus) {
            window["gl"] = json!(if gl { "on" } else { "off" });
        }
        if let Some(full_screen) = self.full_screen {
            window["full-screen"] = json!(full_screen);
        }
        if let Some(window_close) = self.window_close {
            window["window-close"] = json!(window_close);
        }
        if let Some(node) = self.rendernode.as_deref().filter(|_| kind == Kind::EglHeadless) {
            window["rendernode"] = json!(scene.setting.resolve(node));
        }
        window
    }

    /// Refuses keys that the kind of display has no use for.
    fn judge(&self, draft: &mut Draft) {
        let kind = self.kind;
        let spice = kind == Kind::Spice;
        let rows = [
            ("path", self.path.is_some(), kind.is_remote(), "vnc"),
            ("port", self.port.is_some(), kind.is_remote(), "vnc"),
            ("addr", self.addr.is_some(), kind.is_remote(), "vnc"),
            ("password_file", self.password_file.is_some(), kind.is_remote(), "vnc"),
            ("agent", self.agent.is_some(), spice, "spice"),
            ("usb_redirect", self.usb_redirect.is_some(), spice, "spice"),
            ("gl", self.gl == Some(true), kind.draws_by_gl(), "gtk"),
            ("rendernode", self.rendernode.is_some(), kind.is_remote() || kind == Kind::EglHeadless, "egl-headless"),
            ("window_close", self.window_close.is_some(), kind.is_window(), "gtk"),
            ("full_screen", self.full_screen.is_some(), kind.is_window(), "gtk"),
        ];
        for (key, _, _, fits) in rows.into_iter().filter(|(_, given, taken, _)| *given && !taken) {
            let what = format!("kind = \"{}\" takes no {key}", kind.as_str());
            let problem = Problem::new(Class::Invalid, format!("display.{key}"), what);
            draft.refuse(problem.fix(format!("kind = \"{fits}\"   # or leave {key} out")));
        }
        if self.rendernode.is_some() && kind.is_remote() && !self.has_gl() {
            let what = "a render node, and nothing that is drawn with it";
            draft.refuse(Problem::new(Class::Invalid, "display.rendernode", what).fix("gl = true"));
        }
    }

    /// Whether what OpenGL draws is read back for a server: VNC sends pixels, and SPICE hands descriptors only to a viewer
    /// at a socket. QEMU: `ui/spice-core.c`, `qemu_spice_init`; `ui/egl-headless.c`.
    fn is_copied(&self) -> bool {
        self.gl == Some(true) && (self.kind == Kind::Vnc || (self.is_spice() && self.port.is_some()))
    }

    /// Whether there is OpenGL to draw with.
    fn has_gl(&self) -> bool {
        self.kind == Kind::EglHeadless || (self.gl == Some(true) && self.kind.draws_by_gl())
    }
}
