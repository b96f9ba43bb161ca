//! A chord on a keyboard of the host stops the guest. The keyboard is read beside whoever else reads it, and only when it
//! says something. Linux: `Documentation/input/input.rst`, "Event interface".

use super::run::sentence;
use crate::plan::PanicKey as Chord;
use crate::process::watched;
use rustix::fs::OFlags;
use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
use rustix::io::read;
use std::fs::OpenOptions;
use std::future::pending;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use tokio::io::unix::AsyncFd;

/// Bytes of a `struct input_event` on a 64-bit machine: a time, a type, a code, a value.
const EVENT: usize = 24;
/// `EV_KEY`.
const IS_KEY: u16 = 1;

/// What is heard of the keyboard.
#[derive(Debug)]
pub(super) enum Pressed {
    /// The chord is held down.
    Chord,
    /// The keyboard is gone, or cannot be read: why.
    Gone(String),
    /// The keyboard is there again.
    Back,
}

/// Waits for a chord.
pub(super) struct PanicKey {
    ear: Ear,
    device: PathBuf,
    chord: Held,
}

/// Where it listens.
enum Ear {
    /// Nowhere: nothing is waited for.
    Deaf,
    /// At the keyboard.
    Keyboard(AsyncFd<OwnedFd>),
    /// At the folder where the keyboard will be when it is plugged in again; inotify(7).
    Folder(AsyncFd<OwnedFd>),
}

impl PanicKey {
    /// Listens for `chord`; for nothing without one.
    ///
    /// # Errors
    /// When its keyboard cannot be read, with its path.
    pub(super) fn listen(chord: Option<&Chord>) -> Result<Self, String> {
        let Some(Chord { device, keys }) = chord else {
            return Ok(Self { ear: Ear::Deaf, device: PathBuf::new(), chord: Held::of(Vec::new()) });
        };
        let keyboard = opened(device).map_err(|error| {
            format!("the keyboard of on.panic_key, {}, cannot be read: {}", device.display(), sentence(&error))
        })?;
        let chord = Held::of(keys.iter().map(|key| key.code()).collect());
        Ok(Self { ear: Ear::Keyboard(keyboard), device: device.clone(), chord })
    }

    /// The next time that the chord is pressed, or that the keyboard goes or comes. Cancel-safe.
    pub(super) async fn next(&mut self) -> Pressed {
        loop {
            match &self.ear {
                Ear::Deaf => return pending().await,
                Ear::Keyboard(keyboard) => match some(keyboard).await {
                    Ok(bytes) if bytes.is_empty() => return self.lost("it is unplugged".into()),
                    Ok(bytes) => {
                        if bytes.chunks_exact(EVENT).filter(|event| self.chord.hear(event)).count() > 0 {
                            return Pressed::Chord;
                        }
                    }
                    Err(error) => return self.lost(sentence(&error)),
                },
                Ear::Folder(folder) => {
                    // However it ends, it is looked again.
                    let _ = some(folder).await;
                    self.await_it();
                    if matches!(self.ear, Ear::Keyboard(_)) {
                        return Pressed::Back;
                    }
                }
            }
        }
    }

    fn lost(&mut self, why: String) -> Pressed {
        self.chord.let_go();
        // A node that is still there but says no more is not opened again: it would say so again at once.
        self.ear = folder(&self.device).map_or(Ear::Deaf, Ear::Folder);
        Pressed::Gone(why)
    }

    /// Listens at the keyboard, or waits for it; what comes between the two is seen.
    fn await_it(&mut self) {
        let folder = folder(&self.device);
        self.ear = match opened(&self.device) {
            Ok(keyboard) => Ear::Keyboard(keyboard),
            Err(_) => folder.map_or(Ear::Deaf, Ear::Folder),
        };
    }
}

fn opened(device: &Path) -> io::Result<AsyncFd<OwnedFd>> {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    watched(OpenOptions::new().read(true).custom_flags(flags).open(device)?.into())
}

/// Watches the folder that `device` is in for what is made there, or the nearest above that is there: udev takes a
/// folder away with the last link in it.
fn folder(device: &Path) -> io::Result<AsyncFd<OwnedFd>> {
    let inotify = init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
    // Its rights are given after it is made.
    let news = WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::ATTRIB | WatchFlags::DELETE_SELF;
    for above in device.ancestors().skip(1) {
        if add_watch(&inotify, above, news).is_ok() {
            break;
        }
    }
    watched(inotify)
}

/// What is to be read next; the kernel hands out whole events only.
async fn some(from: &AsyncFd<OwnedFd>) -> io::Result<Vec<u8>> {
    loop {
        let mut ready = from.readable().await?;
        let mut bytes = [0; 4096];
        if let Ok(length) = ready.try_io(|from| Ok(read(from, &mut bytes)?)) {
            return length.map(|length| bytes[..length].to_vec());
        }
    }
}

/// Which keys of a chord are down.
struct Held {
    keys: Vec<(u16, bool)>,
}

impl Held {
    fn of(keys: Vec<u16>) -> Self {
        Self { keys: keys.into_iter().map(|code| (code, false)).collect() }
    }

    /// Whether this event, which is one of a keyboard, completes the chord.
    fn hear(&mut self, event: &[u8]) -> bool {
        let number = |at: usize| u16::from_ne_bytes([event[at], event[at + 1]]);
        let (kind, code, value) = (number(16), number(18), number(20));
        let before = self.is_whole();
        for (key, down) in &mut self.keys {
            if kind == IS_KEY && *key == code {
                // 0 when it is let go of, 1 when it is pressed, 2 while it repeats.
                *down = value != 0;
            }
        }
        !before && self.is_whole()
    }

    /// No key of a keyboard that is gone is held down.
    fn let_go(&mut self) {
        self.keys.iter_mut().for_each(|(_, down)| *down = false);
    }

    fn is_whole(&self) -> bool {
        !self.keys.is_empty() && self.keys.iter().all(|(_, down)| *down)
    }
}

#[cfg(test)]
mod test {
    use super::Held;

    fn event(code: u16, value: u16) -> Vec<u8> {
        let words = [1, code, value, 0];
        [vec![0; 16], words.iter().flat_map(|word: &u16| word.to_ne_bytes()).collect()].concat()
    }

    #[test]
    fn a_chord_counts_once_each_time_that_it_is_held_whole() {
        let mut chord = Held::of(vec![29, 56, 119]);
        let pressed: Vec<bool> = [(56, 1), (29, 1), (30, 1), (119, 1), (119, 2), (119, 0), (119, 1)]
            .iter()
            .map(|(code, value)| chord.hear(&event(*code, *value)))
            .collect();
        assert_eq!(pressed, [false, false, false, true, false, false, true]);
    }
}
