use super::*;

#[tokio::test]
async fn a_view_stops_before_the_entry_that_it_cannot_take_in() {
    for (text, reason) in [
        ("refuse it", "no"),
        ("panic now", "it panicked: at panic now"),
        ("long key", "a key of 600 bytes is too long"),
    ] {
        for before in [0, 7, 33] {
            let place = Place::new(1);
            place.log.fill(before);
            let expected = match before {
                0 => Vec::new(),
                _ => place.fresh().await,
            };
            let at = place.log.add("s1", text);
            place.log.fill(40);
            let views = place.views();
            for _ in 0..2 {
                let done = caught_up(&views).await;
                let finding = done.finding.unwrap();
                assert_eq!(finding.position(), at);
                assert!(finding.reason.contains(reason), "{finding}");
                assert!(finding.event_id.unwrap().ends_with(text));
                assert_eq!(done.checkpoint.entries(), before as u64);
                let without_trims = |mut rows: Dump| {
                    rows.retain(|(key, _)| !key.starts_with(b"trimmed"));
                    rows
                };
                assert_eq!(
                    without_trims(rows(&views)),
                    without_trims(expected.clone()),
                    "{text} after {before}"
                );
            }
            let tail = views.0.source.log.tail().await.unwrap();
            let waited = views.wait_for("chain", &tail, None).await.unwrap_err();
            assert_eq!(waited.code(), "stopped");
        }
    }
}

#[tokio::test]
async fn the_others_go_on_and_a_mended_one_is_built_anew() {
    let place = Place::new(2);
    place.log.fill(40);
    place.log.add("s1", "refuse it");
    place.log.fill(40);
    let mended = || Chain::new("mended", 1);
    let views = place.open(ViewsOptions {
        views: vec![
            Registered::view(|| Chain::new("chain", 1)),
            Registered::view(move || Tolerant(mended())),
        ],
        ..Place::options()
    });
    let done = views.catch_up(&["chain", "mended"], &|_| ()).await.unwrap();
    assert!(done[0].finding.is_some() && done[1].finding.is_none());
    assert_eq!(done[1].checkpoint.entries(), 81);
    let status = views.status().await.unwrap();
    let chain = status.iter().find(|view| view.name == "chain").unwrap();
    assert!(chain.finding.is_some() && chain.behind > 0);
    // The same again stops again; a newer version does not.
    let again = views.rebuild(&["chain"], &|_| ()).await.unwrap();
    assert!(again[0].finding.is_some());
    let newer = place.open(ViewsOptions {
        views: vec![Registered::view(|| Tolerant(Chain::new("chain", 2)))],
        ..Place::options()
    });
    let done = caught_up(&newer).await;
    assert_eq!((done.finding, done.checkpoint.entries()), (None, 81));
}

#[tokio::test]
async fn what_cannot_be_written_leaves_the_rows_as_they_were() {
    let place = Place::new(1);
    place.log.fill(30);
    let views = place.views();
    caught_up(&views).await;
    let before = rows(&views);
    place.log.add("s1", "fine");
    place.log.add("unwritable1", "fine as such");
    place.log.fill(3);
    let done = caught_up(&views).await;
    let finding = done.finding.unwrap();
    assert!(finding.reason.contains("cannot be written"), "{finding}");
    assert_eq!(done.checkpoint.entries(), 30);
    assert_eq!(rows(&views), before);
}

/// A chain that leaves out what it cannot take.
struct Tolerant(Chain);

impl View for Tolerant {
    fn name(&self) -> &str {
        self.0.name
    }

    fn version(&self) -> u32 {
        self.0.version
    }

    fn apply(
        &mut self,
        entry: &recount_core::Recorded,
        rows: &mut crate::rows::Rows<'_>,
    ) -> Result<(), crate::view::Fault> {
        match self.0.apply(entry, rows) {
            Err(crate::view::Fault::Refused(_)) => Ok(()),
            other => other,
        }
    }

    fn flush(&mut self, rows: &mut crate::rows::Rows<'_>) -> Result<(), crate::view::Fault> {
        self.0.flush(rows)
    }
}
