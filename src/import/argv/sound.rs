//! `-soundhw`, `-audiodev`, `-audio`, the cards, and the environment variables of old.

use super::opt::Opt;
use super::{Line, named};
use crate::import::libvirt::server;
use crate::import::page::number;
use crate::import::report::Fate;
use crate::import::xml;

/// Whether `driver` is a sound card, or the codec of one.
pub(super) fn is_card(driver: &str) -> bool {
    matches!(
        driver,
        "intel-hda"
            | "ich9-intel-hda"
            | "hda-duplex"
            | "hda-micro"
            | "hda-output"
            | "AC97"
            | "ac97"
            | "usb-audio"
            | "virtio-sound-pci"
            | "virtio-sound"
            | "ES1370"
            | "sb16"
            | "adlib"
            | "gus"
            | "cs4231a"
    )
}

impl Line<'_> {
    pub(super) fn sound(&mut self, opts: &[Opt]) {
        let mut model: Option<&'static str> = None;
        for opt in opts {
            match opt.name.as_str() {
                "soundhw" => {
                    model = Some(hardware(&opt.value));
                    opt.rest();
                    opt.translated("audio; today's QEMU has no -soundhw");
                }
                "device" if is_card(&opt.head) => {
                    model = self.sound_card(opt, model);
                }
                "audio" => {
                    let driver = if opt.head.is_empty() {
                        opt.get("driver").unwrap_or("none").to_owned()
                    } else {
                        opt.head.clone()
                    };
                    if let Some(card) = opt.get("model") {
                        model = Some(hardware(card));
                    }
                    self.sound_backend(opt, &driver);
                }
                "audiodev" => {
                    let driver = if opt.head.is_empty() {
                        opt.get("driver").unwrap_or("none").to_owned()
                    } else {
                        opt.head.clone()
                    };
                    if named(opts, "audiodev").next().is_some_and(|first| std::ptr::eq(first, opt)) {
                        self.sound_backend(opt, &driver);
                    } else {
                        opt.lost("there is one way for the sound to go");
                    }
                }
                _ => {}
            }
        }
        let sound = self.page.known("audio").is_some() || model.is_some();
        for (name, value, line) in self.env {
            let fate = self.variable(name, value, sound);
            self.report.note(*line, format!("{name}={value}"), fate);
        }
        if let Some(model) = model {
            let table = self.page.table("audio");
            table.set("model", model);
            if table.get("driver").is_none() {
                // QEMU of old tried what it was built with; today's plays to nobody unless told.
                table.comment("The file leaves the sound system to QEMU.");
                table.set("driver", "pa");
                table.set("required", false);
            }
        } else if self.whole() && self.page.get("audio", "driver").is_some() {
            // A back end without a card is nothing to the guest.
            self.page.table("audio").comment("The file has no sound card.");
        }
    }

    fn sound_card(&mut self, opt: &Opt, known: Option<&'static str>) -> Option<&'static str> {
        for (key, value) in opt.rest() {
            if !matches!(key.as_str(), "id" | "bus" | "addr" | "cad" | "audiodev" | "mixer" | "multifunction") {
                opt.translated(format!("{key}={value}: QEMU's own choice"));
            }
        }
        let codec = match opt.head.as_str() {
            "hda-duplex" => Some("duplex"),
            "hda-micro" => Some("micro"),
            "hda-output" => Some("output"),
            _ => None,
        };
        if let Some(codec) = codec {
            self.page.table("audio").set("codec", codec);
            return known.or(Some("hda"));
        }
        if known.is_some() && known != Some("hda") {
            opt.lost("there is one sound card");
            return known;
        }
        if matches!(opt.head.as_str(), "ES1370" | "sb16" | "adlib" | "gus" | "cs4231a") {
            opt.lost(format!("vmrun has no card `{}`; ac97 takes its place", opt.head));
        }
        Some(hardware(&opt.head))
    }

    fn sound_backend(&mut self, opt: &Opt, driver: &str) {
        let driver = match driver {
            "pa" | "pipewire" | "alsa" | "jack" | "spice" | "sdl" | "none" => driver,
            other => {
                opt.lost(format!("vmrun has no driver `{other}`; the guest plays to nobody"));
                "none"
            }
        };
        let table = self.page.table("audio");
        table.set("driver", driver);
        if driver == "pa" {
            table.maybe("server", opt.get("server").map(server));
        }
        table.maybe("buffer_us", opt.any(&["out.buffer-length", "buffer-length"]).and_then(xml::number).map(number));
        table.maybe(
            "latency_us",
            opt.any(&["out.latency"]).and_then(xml::number).filter(|_| matches!(driver, "pa" | "pipewire")).map(number),
        );
        table.maybe(
            "period_us",
            opt.any(&["out.period-length"]).and_then(xml::number).filter(|_| driver == "alsa").map(number),
        );
        table.maybe("rate", opt.any(&["out.frequency"]).and_then(xml::number).map(number));
        table.maybe("mixing", opt.flag("out.mixing-engine"));
        for (key, value) in opt.rest() {
            if key != "id" {
                opt.translated(format!("{key}={value}: the sound system's own choice"));
            }
        }
    }

    /// A variable of QEMU's environment.
    fn variable(&mut self, name: &str, value: &str, sound: bool) -> Fate {
        let audio =
            name.starts_with("QEMU_") && ["AUDIO", "PA", "ALSA", "SDL", "OSS"].iter().any(|word| name.contains(word));
        if !audio {
            let mut env = self.page.get("qemu", "env").and_then(toml::Value::as_table).cloned().unwrap_or_default();
            env.insert(name.into(), value.into());
            self.page.table("qemu").set("env", env);
            return Fate::Kept;
        }
        if !sound {
            return Fate::Needless("there is no sound card".into());
        }
        let table = self.page.table("audio");
        match name {
            "QEMU_AUDIO_DRV" => {
                let known = ["pa", "pipewire", "alsa", "jack", "spice", "sdl", "none"].contains(&value);
                table.set("driver", if known { value } else { "none" });
                match known {
                    true => Fate::Translated("audio.driver".into()),
                    false => Fate::Lost(format!("vmrun has no driver `{value}`; the guest plays to nobody")),
                }
            }
            "QEMU_PA_SERVER" => {
                table.set("server", server(value));
                Fate::Translated("audio.server".into())
            }
            "QEMU_PA_SAMPLES" => match xml::number(value) {
                Some(samples) => {
                    table.set("samples", number(samples));
                    Fate::Translated("audio.samples".into())
                }
                None => Fate::Lost("it is no number".into()),
            },
            "QEMU_AUDIO_TIMER_PERIOD" => Fate::Needless("QEMU's own choice".into()),
            _ => Fate::Lost("today's QEMU does not read it; keys of [audio] say the same".into()),
        }
    }
}

/// A card by QEMU's names, of all ages.
fn hardware(name: &str) -> &'static str {
    match name.split(',').next().unwrap_or_default() {
        "hda" | "ich9-intel-hda" | "all" => "hda",
        "ich6" | "intel-hda" => "ich6",
        "usb-audio" => "usb",
        "virtio-sound-pci" | "virtio-sound" | "virtio" => "virtio",
        _ => "ac97",
    }
}
