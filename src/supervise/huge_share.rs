//! What became of the wish for transparent huge pages.

use super::{Notice, Tell};
use crate::host::{Backed, Root, mappings};
use crate::plan::Transparent;

/// Below this many percent the guest is noticeably slower than it could be.
const ENOUGH: u64 = 95;

/// Tells how much of the guest's memory lies in huge pages, once it has all of it.
///
/// A guest that touches its memory only later has little yet, of which nothing can be said.
pub(super) async fn tell_share(wish: &Transparent, pid: u32, root: &Root, tell: Tell<'_>) {
    let (root, parts) = (root.clone(), wish.parts.clone());
    // The kernel walks all of the guest's pages for it.
    let looked = tokio::task::spawn_blocking(move || mappings(&root, pid, &parts)).await;
    if let Some(backed) = looked.ok().flatten() {
        tell(&notice(wish, backed));
    }
}

fn notice(wish: &Transparent, Backed { touched, huge }: Backed) -> Notice {
    let mib = |bytes: u64| bytes >> 20;
    let all: u64 = wish.parts.iter().map(|part| part.bytes()).sum();
    let percent = huge.bytes().saturating_mul(100) / touched.bytes().max(1);
    let (touched, huge) = (touched.bytes(), huge.bytes());
    let (have, lie) = (mib(touched), mib(huge));
    if touched < all / 100 * ENOUGH {
        return Notice::Note(format!(
            "transparent huge pages: {lie}M of the {have}M that the guest has touched so far; it has {}M",
            mib(all)
        ));
    }
    let text = format!("transparent huge pages: {lie}M of {have}M, {percent} %");
    if percent >= ENOUGH {
        return Notice::Note(text);
    }
    Notice::Warning(format!(
        "{text}; the host's free memory was too scattered. Start the guest sooner after the host, or use hugepages = \"2M\""
    ))
}

#[cfg(test)]
mod test {
    use super::notice;
    use crate::host::Backed;
    use crate::plan::Transparent;
    use crate::supervise::Notice;
    use crate::unit::Size;

    fn told(touched: u64, huge: u64) -> Notice {
        let size = |mib: u64| Size::from_bytes(mib << 20);
        notice(&Transparent { parts: vec![size(1024)] }, Backed { touched: size(touched), huge: size(huge) })
    }

    #[test]
    fn a_small_share_of_all_memory_is_a_warning() {
        assert!(matches!(told(1024, 900), Notice::Warning(text) if text.contains("900M of 1024M, 87 %")));
        assert!(matches!(told(1024, 1000), Notice::Note(text) if text.contains("1000M of 1024M, 97 %")));
    }

    #[test]
    fn of_a_guest_that_has_touched_little_nothing_is_judged() {
        assert!(matches!(told(100, 0), Notice::Note(text) if text.contains("0M of the 100M")));
        assert!(matches!(told(0, 0), Notice::Note(_)));
    }
}
