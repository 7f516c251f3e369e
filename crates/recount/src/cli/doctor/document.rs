//! An examination for programs.

use recount::LogUrl;
use recount_disk::doctor::{Done, FileReport, Finding, Loss, Severity};
use serde_json::{Value, json};

use super::{Examined, Patient};

pub(super) fn of(examined: &Examined, url: &LogUrl) -> Value {
    json!({
        "location": url.to_string(),
        "files": files(&examined.root.files),
        "findings": findings(&examined.root.findings),
        "done": done(&examined.root_done),
        "failed": examined.failed.iter().map(|(stream, why)| json!({"stream": stream, "error": why})).collect::<Vec<_>>(),
        "streams": examined.streams.iter().map(patient).collect::<Vec<_>>(),
    })
}

fn patient(patient: &Patient) -> Value {
    let report = patient.report();
    let mut document = json!({
        "stream": report.stream,
        "path": report.path,
        "writer": report.writer,
        "entries": report.entries,
        "damage": report.count(Severity::Damage),
        "rebuildable": report.count(Severity::Rebuildable),
        "notices": report.count(Severity::Notice),
        "files": files(&report.files),
        "findings": findings(&report.findings),
    });
    if let Patient::Repaired(repaired) = patient {
        document["found"] = findings(&repaired.before.findings);
        document["done"] = done(&repaired.done);
    }
    document
}

fn files(files: &[FileReport]) -> Value {
    let file =
        |file: &FileReport| json!({"name": file.name, "bytes": file.bytes, "what": file.what});
    files.iter().map(file).collect()
}

fn findings(findings: &[Finding]) -> Value {
    let finding = |finding: &Finding| {
        json!({
            "severity": finding.severity.as_str(),
            "code": finding.code,
            "file": finding.file,
            "offset": finding.offset,
            "what": finding.what,
            "remedy": finding.remedy,
            "lost": finding.lost.as_ref().map(lost),
        })
    };
    findings.iter().map(finding).collect()
}

fn done(done: &[Done]) -> Value {
    let one = |done: &Done| {
        json!({
            "file": done.file,
            "what": done.what,
            "lost": done.lost.as_ref().map(lost),
            "saved_to": done.saved_to,
        })
    };
    done.iter().map(one).collect()
}

fn lost(loss: &Loss) -> Value {
    json!({
        "entries": loss.entries,
        "after": loss.after.map(|id| id.to_string()),
        "before": loss.before.map(|id| id.to_string()),
    })
}
