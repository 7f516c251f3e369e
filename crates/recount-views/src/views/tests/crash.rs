use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use super::*;

/// Lets `future` go `steps` steps and drops it.
async fn cut_off<F: Future>(future: F, steps: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = steps;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

#[tokio::test]
async fn what_is_cut_off_anywhere_goes_on_without_a_gap() {
    let place = Place::new(1);
    let views = place.views();
    for steps in 0..60 {
        place.log.fill(11);
        // Catching up, and live.
        cut_off(views.catch_up(&["chain"], &|_| ()), steps).await;
        if steps % 5 == 0 {
            drop(views.start(&["chain"]).unwrap());
            tokio::task::yield_now().await;
        }
        if steps % 10 == 9 {
            let done = caught_up(&views).await;
            assert_eq!(done.checkpoint.entries(), 11 * (steps as u64 + 1));
            assert_eq!(done.rebuilt, None);
            assert_eq!(rows(&views), place.fresh().await);
        }
    }
}

/// Where the process that dies keeps its views, and after how many steps it dies.
const DIR: &str = "RECOUNT_VIEWS_TEST_DIR";
const AFTER: &str = "RECOUNT_VIEWS_TEST_AFTER";

/// What the process that dies does.
async fn die(dir: &str) {
    let log = FakeLog::new(1, 10);
    log.fill(400);
    let options = ViewsOptions {
        views: vec![Registered::view(|| Chain::new("chain", 1))],
        ..Place::options()
    };
    let views = Views::open(dir, log as _, options).unwrap();
    let after: u64 = std::env::var(AFTER).unwrap().parse().unwrap();
    let counted = std::sync::atomic::AtomicU64::new(0);
    let progress = |_| {
        if counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == after {
            std::process::abort();
        }
    };
    views.catch_up(&["chain"], &progress).await.unwrap();
}

#[tokio::test]
async fn a_process_that_dies_leaves_what_the_next_one_goes_on_with() {
    // It starts itself: with a directory, it is the one that dies.
    if let Ok(dir) = std::env::var(DIR) {
        return die(&dir).await;
    }
    let place = Place::new(1);
    let program = std::env::current_exe().unwrap();
    let mut died = 0;
    for after in [0, 3, 9, 1, 14, 100] {
        let child = std::process::Command::new(&program)
            .args([
                "--exact",
                "views::tests::crash::a_process_that_dies_leaves_what_the_next_one_goes_on_with",
                "--quiet",
            ])
            .env(DIR, place.dir.path())
            .env(AFTER, after.to_string())
            .output()
            .unwrap();
        died += u32::from(!child.status.success());
    }
    assert!(died >= 4, "{died} died");
    place.log.fill(400);
    let done = caught_up(&place.views()).await;
    assert_eq!((done.rebuilt, done.checkpoint.entries()), (None, 400));
    assert_eq!(rows(&place.views()), place.fresh().await);
}
