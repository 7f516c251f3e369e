//! Where nothing tells how far the log was on stable storage, and what a repair writes down.

use recount_disk::doctor::Severity;

use super::support::{check_repair, closed, examine, file, repair, wrong};

#[tokio::test]
async fn without_a_watermark_the_end_is_not_known() {
    let (storage, all) = closed(60).await;
    for content in [None, Some(vec![7; 64])] {
        let damaged = storage.fork(1);
        damaged.tamper(file("watermark"), content.clone());
        let report = examine(&damaged);
        let finding = &report.findings[0];
        assert_eq!(
            (finding.severity, finding.code),
            (Severity::Damage, "watermark")
        );
        assert!(finding.what.contains("is not known"), "{}", finding.what);
        let (repaired, lost) = check_repair(&damaged, &all, "no watermark").await;
        assert!(repaired.is_whole() && lost == 0, "{:?}", repaired.done);
        assert!(damaged.content(file("watermark")).is_some());
    }
}

#[tokio::test]
async fn without_a_watermark_a_torn_tail_is_damage_and_listed() {
    let (storage, all) = closed(63).await;
    let last = super::support::files(&storage);
    let last = last
        .iter()
        .rfind(|path| path.extension().is_some_and(|it| it == "log"));
    let last = last.unwrap();
    let mut bytes = storage.content(last).unwrap();
    // The last frame holds three entries: the last of them is torn.
    bytes.truncate(bytes.len() - 20);
    let damaged = storage.fork(1);
    damaged.tamper(file("watermark"), None);
    damaged.tamper(last, Some(bytes));
    let report = examine(&damaged);
    assert_eq!(report.count(Severity::Damage), 2, "{:?}", wrong(&report));
    assert!(
        report
            .findings
            .iter()
            .all(|finding| !finding.what.contains("never"))
    );
    let (repaired, lost) = check_repair(&damaged, &all, "torn").await;
    assert_eq!(lost, 1, "{:?}", repaired.done);
    let written = damaged.content(file("repair-1.txt")).unwrap();
    let written = String::from_utf8(written).unwrap();
    assert!(written.contains("lost: "), "{written}");
    let described = repaired
        .after
        .files
        .iter()
        .find(|it| it.name == "repair-1.txt");
    let described = &described.unwrap().what;
    assert!(described.contains("what a repair on 2023-"), "{described}");
}

#[tokio::test]
async fn nothing_is_written_down_where_nothing_is_lost() {
    let (storage, _) = closed(60).await;
    storage.tamper(file("0000000001.idx"), Some(vec![7; 100]));
    repair(&storage);
    assert_eq!(storage.content(file("repair-1.txt")), None);
}
