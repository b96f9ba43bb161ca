//! `-display`, `-spice`, `-vnc`, `-nographic`: where the picture goes.

use super::opt::{Opt, is_on};
use super::{Line, named};
use crate::import::page::number;

/// What `-display` and vmrun call alike.
const KINDS: [&str; 5] = ["none", "gtk", "sdl", "egl-headless", "dbus"];

/// Of a display in the terminal.
const TERMINAL: &str = "vmrun keeps the terminal and QEMU has none, so a VNC server shows the picture";

/// Why the clipboard and the files of a viewer are not kept out one by one.
pub(in crate::import) const ONE_AGENT: &str =
    "it cannot be switched off alone; agent = false in [display] does, with the window's size";

/// Why they need not be, where nothing in the guest takes part.
pub(in crate::import) const NO_AGENT: &str = "without the agent in the guest there is none";

/// The kind of display that `opt` asks for; `None` when it is about something else, or of a kind that vmrun does not have.
fn kind_of(opt: &Opt) -> Option<&'static str> {
    match (opt.name.as_str(), opt.head.as_str()) {
        ("nographic", _) => Some("none"),
        ("spice", _) | ("display", "spice-app") => Some("spice"),
        ("vnc", "none") => None,
        ("vnc" | "curses", _) | ("display", "curses") => Some("vnc"),
        ("display", head) if head.starts_with("vnc=") || opt.get("vnc").is_some() => Some("vnc"),
        ("sdl", _) => Some("sdl"),
        ("display", head) => {
            let kind = KINDS.into_iter().find(|kind| *kind == head);
            if kind.is_none() {
                opt.lost(format!("vmrun has no display `{head}`"));
            }
            kind
        }
        _ => None,
    }
}

impl Line<'_> {
    pub(super) fn display(&mut self, opts: &[Opt]) {
        let shown: Vec<_> = opts.iter().filter_map(|opt| Some((opt, kind_of(opt)?))).collect();
        // What QEMU draws for a server is no display of its own, and neither is none.
        let seen = shown.iter().rev().find(|(_, kind)| !matches!(*kind, "none" | "egl-headless"));
        let kind = seen.or(shown.last()).map(|(_, kind)| *kind);
        let server = shown.iter().rposition(|(_, own)| *own == "vnc");
        for (at, (opt, own)) in shown.iter().enumerate() {
            match opt.name.as_str() {
                _ if *own == "none" => _ = opt.rest(),
                _ if *own == "egl-headless" => self.headless(opt, kind),
                _ if kind != Some(own) || (*own == "vnc" && server != Some(at)) => {
                    opt.lost(format!("there is one display, and it is {}", kind.unwrap_or_default()));
                }
                "display" => self.window(opt),
                "spice" => self.spice(opt, opts),
                "vnc" => self.vnc(opt, &opt.head),
                "curses" => opt.translated(TERMINAL),
                _ => {}
            }
        }
        for opt in opts {
            match opt.name.as_str() {
                "full-screen" => self.page.table("display").set("full_screen", true),
                "no-quit" => self.page.table("display").set("window_close", false),
                "alt-grab" | "ctrl-grab" | "no-frame" | "portrait" | "rotate" | "g" => {
                    opt.rest();
                    opt.lost("QEMU's own choice is taken");
                }
                _ => {}
            }
        }
        let card = self.emulated(opts);
        self.settle(kind.map(str::to_owned), card);
        let console = shown.iter().any(|(opt, _)| opt.name == "nographic");
        if console && self.whole() && !self.nodefaults && named(opts, "serial").next().is_none() {
            self.page.push("serial").set("to", "console");
        }
    }

    fn settle(&mut self, kind: Option<String>, card: Option<String>) {
        if !self.whole() {
            if let Some(kind) = kind {
                self.page.table("display").set("kind", kind);
            }
            if let Some(card) = card {
                self.page.table("display").set("video", card);
            }
            return;
        }
        // QEMU's own choices: a card unless -nodefaults, and a window.
        let video = card.unwrap_or_else(|| if self.nodefaults { "none" } else { "std" }.into());
        let kind = kind.unwrap_or_else(|| if video == "none" { "none" } else { "gtk" }.into());
        let table = self.page.table("display");
        let gl = table.get("gl").and_then(toml::Value::as_bool) == Some(true) || kind == "egl-headless";
        let video = if video == "virtio-gl" && !gl { "virtio".into() } else { video };
        if !matches!(kind.as_str(), "gtk" | "sdl") {
            table.remove("full_screen");
            table.remove("window_close");
        }
        table.set("kind", kind);
        table.set("video", video);
    }

    /// The sound goes nowhere without SPICE.
    pub(super) fn sound_of_display(&mut self) {
        let kind = self.page.get("display", "kind").and_then(toml::Value::as_str);
        if kind.is_none_or(|kind| kind == "spice") {
            return;
        }
        if self.page.get("audio", "driver").and_then(toml::Value::as_str) == Some("spice") {
            self.page.table("audio").set("driver", "none");
            self.page.table("audio").comment("The sound went to a SPICE server, which is not there.");
        }
    }

    /// OpenGL for a display `kind`, whose viewer has a copy of the picture.
    fn headless(&mut self, opt: &Opt, kind: Option<&str>) {
        let node = opt.get("rendernode");
        let table = self.page.table("display");
        match kind {
            Some("spice" | "vnc") => {
                table.set("gl", true);
                table.maybe("rendernode", node);
                opt.translated("gl = true: what the host draws by OpenGL is shown by the server");
            }
            Some("egl-headless") => table.maybe("rendernode", node),
            _ => opt.needless("the display is drawn by itself"),
        }
        for (key, value) in opt.rest() {
            opt.translated(format!("{key}={value}: QEMU's own choice"));
        }
    }

    fn window(&mut self, opt: &Opt) {
        if let Some(address) = opt.head.strip_prefix("vnc=").or_else(|| opt.get("vnc")) {
            return self.vnc(opt, address);
        }
        if opt.head == "curses" {
            opt.translated(TERMINAL);
        }
        if opt.head == "spice-app" {
            opt.translated("a SPICE server; `remote-viewer` shows it");
        }
        let table = self.page.table("display");
        if opt.get("gl").is_some_and(|gl| gl != "off") {
            table.set("gl", true);
        }
        if let Some(on) = opt.flag("full-screen") {
            table.set("full_screen", on);
        }
        if let Some(on) = opt.any(&["window-close", "window_close"]).map(is_on) {
            table.set("window_close", on);
        }
        for (key, value) in opt.rest() {
            opt.translated(format!("{key}={value}: QEMU's own choice"));
        }
    }

    fn spice(&mut self, opt: &Opt, opts: &[Opt]) {
        let socket = opt.flag("unix") == Some(true);
        let table = self.page.table("display");
        match (opt.number("port"), opt.get("addr")) {
            (_, Some(path)) if socket => table.set("path", path),
            (Some(port), addr) => {
                table.set("port", number(port));
                table.maybe("addr", addr.filter(|addr| *addr != "127.0.0.1"));
            }
            _ => {}
        }
        if opt.flag("gl") == Some(true) {
            table.set("gl", true);
            table.maybe("rendernode", opt.get("rendernode"));
            if table.get("port").is_some() {
                opt.translated(
                    "gl = true: through a port a viewer is sent a copy of the picture, as QEMU takes no gl=on there",
                );
            }
        }
        if opt.any(&["password", "password-secret"]).is_some() {
            opt.asked("a password is never an argument: write it into a file");
            table.ask(
                "the password goes into a file that only you can read:",
                "password_file = \"/etc/vmrun/display.password\"",
            );
        }
        let agent = named(opts, "device").any(|port| port.get("name") == Some("com.redhat.spice.0"));
        let kept_out = ["disable-copy-paste", "disable-agent-file-xfer"].map(|key| (key, opt.flag(key) == Some(true)));
        for (key, value) in opt.rest() {
            if key != "disable-ticketing" {
                opt.translated(format!(
                    "{}: QEMU's own choice",
                    if key.contains("password") { key } else { format!("{key}={value}") }
                ));
            }
        }
        for (key, _) in kept_out.into_iter().filter(|(_, on)| *on) {
            match agent {
                true => opt.lost(format!("{key}=on: {ONE_AGENT}")),
                false => opt.translated(format!("{key}=on: {NO_AGENT}")),
            }
        }
    }

    fn vnc(&mut self, opt: &Opt, address: &str) {
        self.listen(address);
        if opt.flag("password") == Some(true) || opt.get("password-secret").is_some() {
            opt.asked("a password is never an argument: write it into a file");
            self.page.table("display").ask(
                "the password goes into a file that only you can read:",
                "password_file = \"/etc/vmrun/display.password\"",
            );
        }
        for (key, value) in opt.rest() {
            opt.translated(format!("{key}={value}: QEMU's own choice"));
        }
    }

    /// `host:display`, or `unix:path`.
    fn listen(&mut self, address: &str) {
        let table = self.page.table("display");
        if let Some(path) = address.strip_prefix("unix:") {
            table.set("path", path);
        } else if let Some((host, display)) = address.rsplit_once(':')
            && let Ok(display) = display.parse::<i64>()
        {
            table.set("port", 5900 + display);
            // An empty host is every address of the machine, to QEMU.
            table.set("addr", if host.is_empty() { "0.0.0.0" } else { host });
        }
    }
}
