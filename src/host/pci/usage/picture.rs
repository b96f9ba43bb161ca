//! Framebuffers on functions, and the text console on those.

use super::super::super::console::Console;
use super::{Found, Use};

/// The framebuffers on each function, and the consoles on those.
pub(super) fn uses(console: &Console) -> Found {
    let mut found: Found = console
        .framebuffers
        .iter()
        .filter_map(|it| Some((it.function?, Use::Framebuffer { name: format!("{} {}", it.name, it.driver) })))
        .collect();
    if let Some(bdf) = console.shown().and_then(|framebuffer| framebuffer.function) {
        let drivers = console.drivers.iter().filter(|driver| driver.bound && driver.on_framebuffer());
        found.extend(drivers.map(|driver| (bdf, Use::Console { name: driver.name.clone() })));
    }
    found
}

#[cfg(test)]
mod test {
    use super::uses;
    use crate::host::pci::Use;
    use crate::host::{Console, Framebuffer, VtConsole};

    #[test]
    fn the_console_at_work_shows_on_the_first_framebuffer() {
        let (first, second) = ("0000:0a:00.0".parse().unwrap(), "0000:04:00.0".parse().unwrap());
        let framebuffer = |name: &str, driver: &str, function| Framebuffer {
            name: name.to_owned(),
            driver: driver.to_owned(),
            function: Some(function),
            platform: None,
        };
        let driver =
            |name: &str, driver: &str, bound| VtConsole { name: name.to_owned(), driver: driver.to_owned(), bound };
        let console = Console {
            drivers: vec![
                driver("vtcon0", "(S) dummy device", true),
                driver("vtcon1", "(M) frame buffer device", true),
            ],
            framebuffers: vec![framebuffer("fb0", "amdgpudrmfb", first), framebuffer("fb1", "nouveaudrmfb", second)],
        };
        let drawn = |bdf, name: &str| (bdf, Use::Framebuffer { name: name.to_owned() });
        let shown = (first, Use::Console { name: "vtcon1".to_owned() });
        assert_eq!(uses(&console), [drawn(first, "fb0 amdgpudrmfb"), drawn(second, "fb1 nouveaudrmfb"), shown]);
    }
}
