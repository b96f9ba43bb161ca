//! `[audio]`: a sound card, and where its sound goes.

mod backend;
mod server;

use super::disk_bus::place;
use super::display::Display;
use super::scene::Scene;
use super::setting::Setting;
use super::usb_controller;
use crate::plan::{Class, Draft, Origin, Problem};
use crate::unit::Version;
use backend::Driver;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use std::num::NonZeroU32;
use std::path::PathBuf;

/// Sound; QEMU's `-audiodev` and a card.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Audio {
    /// The host's sound system. QEMU's `-audiodev`.
    driver: Driver,
    /// Its server, for `driver = "pa"`: `unix:/run/user/1000/pulse/native`; the server of who called `sudo` unless given.
    server: Option<String>,
    /// Whether the guest needs sound: with false it starts without when the host's sound system is not there. True
    /// unless given.
    required: Option<bool>,
    /// The card; `hda` unless given.
    #[serde(default)]
    model: Model,
    /// What the card has, for `hda` and `ich6`: `duplex` (line in and out) unless given.
    codec: Option<Codec>,
    /// Length of the output buffer in frames at 44.1 kHz, as `QEMU_PA_SAMPLES` had it.
    samples: Option<NonZeroU32>,
    /// Length of the output buffer in microseconds; shorter means less delay and sooner crackling. QEMU's
    /// `buffer-length`.
    buffer_us: Option<NonZeroU32>,
    /// Length of a period in microseconds, for `alsa`. QEMU's `period-length`.
    period_us: Option<NonZeroU32>,
    /// Delay that the server is asked for in microseconds, for `pa` and `pipewire`. QEMU's `latency`.
    latency_us: Option<NonZeroU32>,
    /// Whether QEMU mixes the guest's sounds itself; without it the guest's own format reaches the server. True unless
    /// given. QEMU's `mixing-engine`.
    mixing: Option<bool>,
    /// Samples in a second at which QEMU mixes, in Hz; 44100 unless given. QEMU's `frequency`.
    rate: Option<NonZeroU32>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Model {
    /// Intel HD Audio of the ICH9.
    #[default]
    Hda,
    /// Intel HD Audio of the ICH6.
    Ich6,
    /// AC'97, for guests before Windows 7.
    Ac97,
    /// A USB sound card.
    Usb,
    /// virtio; QEMU 8.2 and newer, Linux guests.
    Virtio,
}

/// A codec of HD Audio.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Codec {
    /// Line out only.
    Output,
    /// Line out and line in.
    #[default]
    Duplex,
    /// Speaker and microphone; for programs that insist on one.
    Micro,
}

impl Codec {
    fn driver(self) -> &'static str {
        match self {
            Self::Output => "hda-output",
            Self::Duplex => "hda-duplex",
            Self::Micro => "hda-micro",
        }
    }
}

/// First QEMU with a virtio sound card; QEMU 8.2 change log.
const VIRTIO_SINCE: Version = Version::new(8, 2);

impl Audio {
    pub(super) fn is_usb(&self) -> bool {
        self.model == Model::Usb
    }

    pub(super) fn paths(&self, setting: &Setting) -> Option<PathBuf> {
        self.server.as_deref().and_then(server::path).map(|path| setting.resolve(path))
    }

    fn draft_card(&self, scene: &Scene, draft: &mut Draft) {
        let origin = Origin::given("audio.model");
        let mut sound = json!({"id": "sound", "audiodev": "audio0"});
        match self.model {
            Model::Hda | Model::Ich6 => {
                let controller = if self.model == Model::Hda { "ich9-intel-hda" } else { "intel-hda" };
                place(json!({"driver": controller, "id": "hda"}), &origin, draft);
                let codec = self.codec.unwrap_or_default().driver();
                let codec = json!({"driver": codec, "id": "sound", "bus": "hda.0", "audiodev": "audio0"});
                draft.contents.argv.device(&codec, origin);
            }
            Model::Ac97 => {
                sound["driver"] = json!("AC97");
                place(sound, &origin, draft);
            }
            Model::Usb => {
                sound["driver"] = json!("usb-audio");
                sound["bus"] = json!(usb_controller::BUS);
                draft.contents.argv.device(&sound, origin);
            }
            Model::Virtio => {
                sound["driver"] = json!("virtio-sound-pci");
                place(sound, &origin, draft);
            }
        }
        self.judge_card(scene, draft);
    }

    fn judge_card(&self, scene: &Scene, draft: &mut Draft) {
        if self.model == Model::Virtio && !scene.qemu_is(VIRTIO_SINCE) {
            draft.refuse(
                Problem::new(Class::Impossible, "audio.model", "this QEMU has no virtio sound card")
                    .why(format!("it came with QEMU {VIRTIO_SINCE}"))
                    .fix("model = \"hda\""),
            );
        }
        if self.codec.is_some() && !matches!(self.model, Model::Hda | Model::Ich6) {
            let problem = Problem::new(Class::Invalid, "audio.codec", "only HD Audio has codecs");
            draft.refuse(problem.fix("model = \"hda\"   # or leave codec out"));
        }
    }
}

pub(super) fn draft(audio: Option<&Audio>, display: &Display, scene: &Scene, draft: &mut Draft) {
    let Some(audio) = audio else { return };
    backend::draft(audio, display, scene, draft);
    audio.draft_card(scene, draft);
}
