use super::*;

#[tokio::test]
async fn a_log_that_lost_its_tail_makes_the_view_anew() {
    let place = Place::new(2);
    place.log.fill(60);
    let views = place.views();
    caught_up(&views).await;
    place.log.lose(1, 3);
    let done = caught_up(&views).await;
    assert!(
        matches!(done.rebuilt, Some(Why::LogLost { .. })),
        "{done:?}"
    );
    assert_eq!(done.checkpoint.entries(), 57);
    // What is issued under the same ids afterwards is something else.
    place.log.lose(0, 2);
    place.log.fill(40);
    let done = caught_up(&views).await;
    assert!(
        matches!(done.rebuilt, Some(Why::LogReplaced { .. })),
        "{done:?}"
    );
}

#[tokio::test]
async fn a_log_with_another_last_entry_makes_the_view_anew() {
    let place = Place::new(1);
    place.log.fill(30);
    let views = place.views();
    caught_up(&views).await;
    place.log.replace_last(0, "another");
    let done = caught_up(&views).await;
    assert!(
        matches!(done.rebuilt, Some(Why::LogReplaced { .. })),
        "{done:?}"
    );
    assert_eq!(rows(&views), place.fresh().await);
}

#[tokio::test]
async fn another_log_in_its_place_is_no_trim() {
    let place = Place::new(1);
    place.log.fill(30);
    let views = place.views();
    caught_up(&views).await;
    place.log.renew();
    place.log.fill(10);
    let done = caught_up(&views).await;
    assert!(
        matches!(done.rebuilt, Some(Why::LogReplaced { .. })),
        "{done:?}"
    );
    assert_eq!(done.checkpoint.entries(), 10);
    assert_eq!(rows(&views), place.fresh().await);
}

#[tokio::test]
async fn a_trim_is_told_and_makes_nothing_anew() {
    let place = Place::new(1);
    place.log.fill(50);
    let views = place.views();
    caught_up(&views).await;
    let told = |views: &Views| {
        let rows = views.snapshot("chain").unwrap().unwrap();
        let told = rows.get(b"trimmed 0").unwrap().unwrap();
        String::from_utf8(told.to_vec()).unwrap()
    };
    assert_eq!(told(&views), "1-0");
    place.log.trim(0, 20);
    place.log.fill(1);
    assert_eq!(caught_up(&views).await.rebuilt, None);
    assert_eq!(told(&views), "21-0");
    // Past the checkpoint too: what it did not see is gone.
    place.log.fill(20);
    place.log.trim(0, 40);
    let done = caught_up(&views).await;
    assert_eq!((done.rebuilt, told(&views)), (None, "61-0".into()));
    // And everything.
    place.log.trim(0, 11);
    place.log.fill(1);
    place.log.trim(0, 1);
    let done = caught_up(&views).await;
    assert_eq!((done.rebuilt, done.finding), (None, None));
}
