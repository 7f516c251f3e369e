use super::*;
use crate::views::lock::Lock;

async fn until(views: &RunningViews, is: impl Fn(&Upkeep) -> bool) {
    let mut upkeep = views.upkeep("chain").unwrap();
    upkeep.wait_for(is).await.unwrap();
}

#[tokio::test]
async fn what_is_recorded_is_read_once_it_was_waited_for() {
    let place = Place::new(2);
    place.log.fill(40);
    let views = place.views();
    let running = views.start(&["chain", "other"]).unwrap();
    for at in 0..5 {
        let position = place.log.add(&format!("s{at}"), "live");
        let cursor = [position].into_iter().collect();
        views.wait_for("chain", &cursor, None).await.unwrap();
        let kept = views.snapshot("chain").unwrap().unwrap().kept().unwrap();
        assert!(kept.unwrap().checkpoint.covers(&cursor));
    }
    until(&running, |upkeep| *upkeep == Upkeep::Live).await;
    let status = views.status().await.unwrap();
    let ours = |view: &&ViewStatus| ["chain", "other"].contains(&&*view.name);
    let mut status = status.iter().filter(ours);
    assert!(status.all(|view| view.maintained_by == Some(std::process::id())));
    running.stop().await;
    let status = views.status().await.unwrap();
    assert!(status.iter().all(|view| view.maintained_by.is_none()));
    let done = caught_up(&views).await;
    assert_eq!((done.rebuilt, done.checkpoint.entries()), (None, 45));
}

#[tokio::test]
async fn another_handle_waits_for_the_one_that_maintains() {
    let place = Place::new(1);
    place.log.fill(40);
    let (one, other) = (place.views(), place.views());
    let running = one.start(&["chain"]).unwrap();
    until(&running, |upkeep| *upkeep == Upkeep::Live).await;
    place.log.fill(100);
    let told = std::sync::atomic::AtomicU64::new(0);
    let done = other
        .catch_up(&["chain"], &|_| {
            told.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        })
        .await
        .unwrap();
    assert_eq!(done[0].checkpoint.entries(), 140);
    // It did nothing itself.
    assert_eq!(told.into_inner(), 0);
    running.stop().await;
    assert_eq!(rows(&other), place.fresh().await);
}

#[tokio::test]
async fn who_does_not_get_on_is_named_and_replaced() {
    let place = Place::new(1);
    place.log.fill(40);
    let lock = Lock::try_take(&place.dir.path().join("chain")).unwrap();
    let impatient = place.open(ViewsOptions {
        lock_wait: Duration::from_millis(1),
        views: vec![Registered::view(|| Chain::new("chain", 1))],
        ..Place::options()
    });
    let behind = impatient.catch_up(&["chain"], &|_| ()).await.unwrap_err();
    assert_eq!(behind.code(), "behind");
    let own = std::process::id().to_string();
    assert!(behind.to_string().contains(&own), "{behind}");
    assert!(impatient.rebuild(&["chain"], &|_| ()).await.is_err());
    let tail = impatient.0.source.log.tail().await.unwrap();
    let late = impatient.wait_for("chain", &tail, Some(Duration::from_millis(1)));
    assert_eq!(late.await.unwrap_err().code(), "deadline");
    let views = place.views();
    let running = views.start(&["chain"]).unwrap();
    until(&running, |upkeep| *upkeep == Upkeep::Elsewhere).await;
    let asking = tokio::spawn({
        let views = views.clone();
        async move { caught_up(&views).await }
    });
    drop(lock);
    assert_eq!(asking.await.unwrap().checkpoint.entries(), 40);
    until(&running, |upkeep| *upkeep == Upkeep::Live).await;
    running.stop().await;
}

#[tokio::test]
async fn a_view_that_stands_still_lets_go_of_its_lock_and_goes_on_when_it_is_mended() {
    let place = Place::new(1);
    place.log.fill(10);
    let views = place.views();
    let running = views.start(&["chain"]).unwrap();
    until(&running, |upkeep| *upkeep == Upkeep::Live).await;
    place.log.add("s1", "refuse it");
    until(&running, |upkeep| matches!(upkeep, Upkeep::Stopped(_))).await;
    place.log.trim(0, 11);
    let done = views.rebuild(&["chain"], &|_| ()).await.unwrap();
    assert_eq!(done[0].finding, None);
    until(&running, |upkeep| *upkeep == Upkeep::Live).await;
    running.stop().await;
}

#[tokio::test]
async fn a_live_view_notices_that_its_files_or_its_log_were_replaced() {
    let place = Place::new(1);
    place.log.fill(10);
    let views = place.views();
    let running = views.start(&["chain"]).unwrap();
    until(&running, |upkeep| *upkeep == Upkeep::Live).await;
    let kept = || {
        views
            .snapshot("chain")
            .unwrap()
            .unwrap()
            .kept()
            .unwrap()
            .unwrap()
    };
    std::fs::remove_dir_all(place.dir.path().join("chain")).unwrap();
    place.log.fill(1);
    assert_eq!(caught_up(&views).await.checkpoint.entries(), 11);
    assert!(matches!(kept().rebuilt, Some(Why::Damaged { .. })));
    place.log.lose(0, 4);
    place.log.fill(6);
    let done = caught_up(&views).await;
    assert_eq!(done.checkpoint.entries(), 13);
    assert!(matches!(kept().rebuilt, Some(Why::LogReplaced { .. })));
    assert_eq!(rows(&views), place.fresh().await);
    // Another one whose ids go on above looks as if the first had been trimmed.
    place.log.renew();
    place.log.fill(8);
    let done = caught_up(&views).await;
    assert_eq!(done.checkpoint.entries(), 8);
    assert_eq!(rows(&views), place.fresh().await);
    running.stop().await;
}
