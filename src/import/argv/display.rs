//! `-display`, `-vga`, `-spice`, `-vnc`, `-nographic`, and the emulated cards.

use super::opt::{Opt, is_on};
use super::{Line, named};
use crate::import::page::{number, size};
use crate::import::unready;

/// Emulated cards by QEMU's names, as devices and as values of `-vga`.
const CARDS: [(&str, &str); 19] = [
    ("VGA", "std"),
    ("std", "std"),
    ("secondary-vga", "std"),
    ("qxl", "qxl"),
    ("qxl-vga", "qxl"),
    ("virtio", "virtio"),
    ("virtio-vga", "virtio"),
    ("virtio-gpu", "virtio"),
    ("virtio-gpu-pci", "virtio"),
    ("virtio-vga-gl", "virtio-gl"),
    ("virtio-gpu-gl-pci", "virtio-gl"),
    ("virtio-gpu-gl", "virtio-gl"),
    ("bochs-display", "bochs"),
    ("cirrus", "cirrus"),
    ("cirrus-vga", "cirrus"),
    ("vmware", ""),
    ("vmware-svga", ""),
    ("ramfb", ""),
    ("ati-vga", ""),
];

/// Whether `driver` is an emulated graphics card.
pub(super) fn is_card(driver: &str) -> bool {
    CARDS.iter().any(|(name, _)| *name == driver) && !matches!(driver, "std" | "virtio" | "cirrus" | "vmware")
}

impl Line<'_> {
    pub(super) fn display(&mut self, opts: &[Opt]) {
        let mut kind: Option<String> = None;
        let mut console = false;
        for opt in opts {
            match opt.name.as_str() {
                "nographic" => {
                    kind = Some("none".into());
                    console = true;
                }
                "display" => self.window(opt, &mut kind),
                "spice" => {
                    kind = Some("spice".into());
                    self.spice(opt);
                }
                "vnc" if opt.head != "none" => {
                    kind = Some("vnc".into());
                    self.vnc(opt);
                }
                "sdl" => kind = Some("sdl".into()),
                "curses" => kind = Some("curses".into()),
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
        self.settle(kind, card);
        if console && self.whole() && !self.nodefaults && named(opts, "serial").next().is_none() {
            self.page.push("serial").set("to", "console");
        }
    }

    /// The emulated card; `None` when the line leaves it to QEMU.
    fn emulated(&mut self, opts: &[Opt]) -> Option<String> {
        let mut chosen: Option<String> = None;
        for opt in opts {
            let name = match opt.name.as_str() {
                "vga" | "device" if opt.head == "none" => {
                    chosen = chosen.or(Some("none".into()));
                    continue;
                }
                "vga" => opt.head.clone(),
                "std-vga" => "std".into(),
                "device" if is_card(&opt.head) => opt.head.clone(),
                _ => continue,
            };
            let memory = opt.any(&["vgamem_mb"]).and_then(crate::import::xml::number);
            let heads = opt.number("max_outputs").filter(|heads| *heads > 1);
            let resolution = opt.get("xres").zip(opt.get("yres")).map(|(x, y)| format!("{x}x{y}"));
            for (key, value) in opt.rest() {
                if !matches!(key.as_str(), "id" | "bus" | "addr") {
                    opt.translated(format!("{key}={value}: QEMU's own choice"));
                }
            }
            if chosen.as_deref().is_some_and(|card| card != "none") {
                opt.lost("there is one emulated card");
                continue;
            }
            let video = match CARDS.iter().find(|(card, _)| *card == name) {
                Some((_, video)) if !video.is_empty() => *video,
                _ => {
                    opt.lost(format!("vmrun has no card `{name}`; std takes its place"));
                    "std"
                }
            };
            chosen = Some(video.into());
            let table = self.page.table("display");
            if video == "std" {
                table.maybe("vram", memory.map(|mib| size(mib << 20)));
            } else if memory.is_some() {
                opt.translated("the size of its memory is QEMU's own");
            }
            table.maybe("heads", heads.filter(|_| matches!(video, "qxl" | "virtio" | "virtio-gl")).map(number));
            table.maybe("resolution", resolution);
        }
        chosen
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
        if !matches!(kind.as_str(), "gtk" | "sdl" | "spice" | "dbus" | "egl-headless") {
            table.remove("gl");
        }
        table.set("kind", kind);
        table.set("video", video);
    }

    /// Takes away what belongs to a server that is not the display after all.
    pub(super) fn one_display(&mut self, opts: &[Opt]) {
        let Some(kind) = self.page.get("display", "kind").and_then(toml::Value::as_str).map(str::to_owned) else {
            return;
        };
        let table = self.page.table("display");
        if !matches!(kind.as_str(), "spice" | "vnc") {
            ["port", "addr", "path", "password_file"].iter().for_each(|key| table.remove(key));
        }
        if kind == "spice" {
            if unready::gl_over_a_port(table) {
                let last = opts.iter().rfind(|opt| matches!(opt.name.as_str(), "spice" | "display"));
                last.into_iter().for_each(|opt| opt.asked(unready::GL_BY_SOCKET));
            }
            return;
        }
        ["agent", "usb_redirect"].iter().for_each(|key| table.remove(key));
        for opt in opts.iter().filter(|opt| opt.name == "spice") {
            opt.lost(format!("there is one display, and it is {kind}"));
        }
        if self.page.get("audio", "driver").and_then(toml::Value::as_str) == Some("spice") {
            self.page.table("audio").set("driver", "none");
            self.page.table("audio").comment("The sound went to a SPICE server, which is not there.");
        }
    }

    fn window(&mut self, opt: &Opt, kind: &mut Option<String>) {
        let name = opt.head.clone();
        if let Some(address) = name.strip_prefix("vnc=").or_else(|| opt.get("vnc")) {
            *kind = Some("vnc".into());
            return self.listen(address);
        }
        match name.as_str() {
            // A server shows the picture already.
            "none" | "egl-headless" if kind.is_some() => {
                if name == "egl-headless" {
                    self.page.table("display").set("gl", true);
                }
            }
            "none" | "gtk" | "sdl" | "egl-headless" | "dbus" | "curses" => *kind = Some(name.clone()),
            "spice-app" => {
                *kind = Some("spice".into());
                opt.translated("a SPICE server; `remote-viewer` shows it");
            }
            other => opt.lost(format!("vmrun has no display `{other}`")),
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

    fn spice(&mut self, opt: &Opt) {
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
        }
        if opt.any(&["password", "password-secret"]).is_some() {
            opt.asked("a password is never an argument: write it into a file");
            table.ask(
                "the password goes into a file that only you can read:",
                "password_file = \"/etc/vmrun/display.password\"",
            );
        }
        for (key, value) in opt.rest() {
            if key != "disable-ticketing" {
                opt.translated(format!(
                    "{}: QEMU's own choice",
                    if key.contains("password") { key } else { format!("{key}={value}") }
                ));
            }
        }
    }

    fn vnc(&mut self, opt: &Opt) {
        self.listen(&opt.head.clone());
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
