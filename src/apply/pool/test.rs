use super::{Claim, Place, claim, give_back, shared, taken};
use crate::apply::Instance;
use crate::host::Root;
use crate::plan::Change;
use crate::unit::Size;
use std::fs;
use tempfile::TempDir;

const SIZE: Size = Size::from_bytes(2 << 20);
const POOL: &str = "root/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages";

/// A pool whose free pages are all of its pages, and guests that live.
struct Ground(TempDir);

impl Ground {
    fn new(pages: u64) -> Self {
        let ground = Self(tempfile::tempdir().unwrap());
        let pool = ground.0.path().join(POOL);
        fs::create_dir_all(pool.parent().unwrap()).unwrap();
        fs::write(pool, pages.to_string()).unwrap();
        ground
    }

    fn guest(&self, name: &str) -> (Instance, Place) {
        let dir = self.0.path().join("run").join(name);
        let instance = Instance::claim(&dir).unwrap();
        (instance, Place { root: Root::at(self.0.path().join("root")), dir })
    }

    fn pages(&self) -> String {
        fs::read_to_string(self.0.path().join(POOL)).unwrap().trim().to_owned()
    }
}

/// Claims so many pages; returns how many were noted to be added.
async fn claims(place: &Place, take: u64) -> Option<i64> {
    let mut noted = None;
    let wish = Claim { node: 0, size: SIZE, take, drop_caches: false };
    let note = |change: &Change| {
        let Change::HugePages { pages, .. } = change else { panic!("{change:?}") };
        noted = Some(*pages);
        Ok(())
    };
    assert_eq!(claim(place, wish, note).await.unwrap(), noted.is_some());
    noted
}

#[tokio::test]
async fn free_pages_are_used_first_and_only_once() {
    let ground = Ground::new(10);
    let ((_a, first), (_b, second)) = (ground.guest("first"), ground.guest("second"));
    assert_eq!(claims(&first, 8).await, None);
    assert_eq!(claims(&second, 8).await, Some(6));
    assert_eq!(ground.pages(), "16");
    give_back(&second, 0, SIZE).await.unwrap();
    assert_eq!(ground.pages(), "10");
}

#[tokio::test]
async fn a_guest_that_is_gone_speaks_for_nothing() {
    let ground = Ground::new(10);
    let ((gone, first), (_b, second)) = (ground.guest("first"), ground.guest("second"));
    assert_eq!(claims(&first, 8).await, None);
    drop(gone);
    assert_eq!(claims(&second, 8).await, None);
}

#[tokio::test]
async fn pages_that_the_next_guest_has_are_given_back_by_that_one() {
    let ground = Ground::new(0);
    let ((_a, first), (_b, second)) = (ground.guest("first"), ground.guest("second"));
    assert_eq!(claims(&first, 10).await, Some(10));
    taken(&first).await.unwrap();
    assert_eq!(claims(&second, 10).await, None);
    give_back(&first, 0, SIZE).await.unwrap();
    assert_eq!(ground.pages(), "10");
    taken(&second).await.unwrap();
    assert_eq!((shared(&first), shared(&second)), (vec![], vec![(0, SIZE)]));
    give_back(&second, 0, SIZE).await.unwrap();
    assert_eq!(ground.pages(), "0");
    assert_eq!(shared(&second), []);
}

#[tokio::test]
async fn pages_that_the_kernel_still_lets_go_of_are_waited_for_and_those_of_somebody_are_not_taken() {
    let ground = Ground::new(0);
    let (_guest, place) = ground.guest("guest");
    assert_eq!(claims(&place, 4).await, Some(4));
    let free = ground.0.path().join(POOL).with_file_name("free_hugepages");
    fs::write(&free, "0").unwrap();
    let kernel = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(100));
        fs::write(free, "4").unwrap();
    });
    give_back(&place, 0, SIZE).await.unwrap();
    kernel.join().unwrap();
    assert_eq!(ground.pages(), "0");

    assert_eq!(claims(&place, 6).await, Some(2));
    fs::write(ground.0.path().join(POOL).with_file_name("free_hugepages"), "1").unwrap();
    let refused = give_back(&place, 0, SIZE).await.unwrap_err().to_string();
    assert!(refused.contains("2 huge pages of 2M should go from node 0, and 1 could"), "{refused}");
}

#[tokio::test]
async fn a_pool_that_is_not_there_is_an_error() {
    let ground = Ground::new(0);
    let (_a, place) = ground.guest("first");
    let wish = Claim { node: 7, size: SIZE, take: 1, drop_caches: false };
    assert!(claim(&place, wish, |_| Ok(())).await.is_err());
}

/// What a vmrun left of its share that died before the pool obeyed, or after.
fn rewrite(place: &Place, change: impl Fn(&mut serde_json::Value)) {
    let file = place.dir.join("pages.json");
    let mut shares: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    change(&mut shares[0]);
    fs::write(file, shares.to_string()).unwrap();
}

#[tokio::test]
async fn pages_that_are_back_are_not_given_back_again() {
    let ground = Ground::new(10);
    let (_guest, place) = ground.guest("guest");
    // The journal speaks of pages before there is a share of them, and until their return is noted there.
    give_back(&place, 0, SIZE).await.unwrap();
    assert_eq!(ground.pages(), "10");
    assert_eq!(claims(&place, 14).await, Some(4));
    for _ in 0..2 {
        give_back(&place, 0, SIZE).await.unwrap();
        assert_eq!(ground.pages(), "10");
    }
}

#[tokio::test]
async fn a_return_that_was_cut_short_goes_on_where_it_was() {
    for (pages, when) in [(14, "before the pool changed"), (11, "within"), (10, "after")] {
        let ground = Ground::new(10);
        let (_guest, place) = ground.guest("guest");
        assert_eq!(claims(&place, 14).await, Some(4));
        rewrite(&place, |share| share["leaving"] = 14.into());
        fs::write(ground.0.path().join(POOL), pages.to_string()).unwrap();
        give_back(&place, 0, SIZE).await.unwrap();
        assert_eq!(ground.pages(), "10", "{when}");
        assert_eq!(shared(&place), []);
    }
}

#[tokio::test]
async fn pages_that_are_left_to_an_heir_twice_are_given_back_once() {
    let ground = Ground::new(5);
    let ((_a, first), (_b, second)) = (ground.guest("first"), ground.guest("second"));
    assert_eq!(claims(&first, 10).await, Some(5));
    taken(&first).await.unwrap();
    assert_eq!(claims(&second, 10).await, None);
    let share = fs::read(first.dir.join("pages.json")).unwrap();
    for _ in 0..2 {
        // It died before its own share was gone.
        fs::write(first.dir.join("pages.json"), &share).unwrap();
        give_back(&first, 0, SIZE).await.unwrap();
    }
    taken(&second).await.unwrap();
    give_back(&second, 0, SIZE).await.unwrap();
    assert_eq!(ground.pages(), "5");
}

#[tokio::test]
async fn pages_that_the_heir_has_given_back_are_not_owed_by_who_left_them_any_more() {
    let ground = Ground::new(5);
    let ((_a, first), (_b, second)) = (ground.guest("first"), ground.guest("second"));
    assert_eq!(claims(&first, 10).await, Some(5));
    taken(&first).await.unwrap();
    assert_eq!(claims(&second, 10).await, None);
    rewrite(&first, |share| share["leaving"] = 10.into());
    let share = fs::read(first.dir.join("pages.json")).unwrap();
    give_back(&first, 0, SIZE).await.unwrap();
    taken(&second).await.unwrap();
    give_back(&second, 0, SIZE).await.unwrap();
    // It died before its own share was gone, and is recovered after its heir's end.
    fs::write(first.dir.join("pages.json"), share).unwrap();
    give_back(&first, 0, SIZE).await.unwrap();
    assert_eq!(ground.pages(), "5");
}
