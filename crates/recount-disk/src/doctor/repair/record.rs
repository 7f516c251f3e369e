//! What a repair found, written down before it changes anything: the list of what is lost outlives a
//! repair that is stopped.

use std::fmt::Write as _;

use recount_core::Timestamp;

use super::super::names::{self, Kind};
use super::super::{Finding, Report, words};
use super::Repair;
use crate::error::Fault;
use crate::options::DiskOptions;
use crate::storage::replace_by;

impl Repair {
    /// Writes down what was found, if anything is lost or is to be taken out of a file.
    pub(super) fn write_down(
        &mut self,
        found: &Report,
        options: &DiskOptions,
    ) -> Result<(), Fault> {
        if !found.findings.iter().any(takes) {
            return Ok(());
        }
        let listed = list(&found.findings);
        let names = self.names()?;
        // A repair that was stopped before it changed anything has written it down already.
        for name in names
            .iter()
            .filter(|name| names::kind(name) == Kind::Record)
        {
            let written = self.dir.map(&self.dir.path.join(name))?;
            if written.is_some_and(|written| written.ends_with(listed.as_bytes())) {
                return Ok(());
            }
        }
        let mut free = (1_u64..).map(names::record_name);
        let Some(name) = free.find(|name| !names.contains(name)) else {
            return Ok(());
        };
        let now = Timestamp::from_millis(options.clock.now_ms() as i64);
        let now = now.map_or(String::new(), |now| format!(" on {now}"));
        let stream = &found.stream;
        let text =
            format!("What a repair of {stream}{now} found, before it changed anything:\n{listed}");
        let path = self.dir.path.join(&name);
        let temporary = path.with_extension("tmp");
        replace_by(&*self.dir.storage, &temporary, &path, text.as_bytes())?;
        self.did(
            name,
            "wrote down what was found, before anything was changed",
        );
        Ok(())
    }
}

/// Whether repairing this takes something away that cannot be made again.
fn takes(finding: &Finding) -> bool {
    let set_aside = match finding.code {
        "frame" | "two_files" | "watermark_beyond" | "groups" => true,
        "table" => finding.severity == super::Severity::Damage,
        _ => false,
    };
    set_aside || finding.lost.is_some()
}

fn list(findings: &[Finding]) -> String {
    let mut out = String::new();
    for finding in findings {
        let at = finding.offset.map_or(String::new(), |at| {
            format!(", byte {}", words::thousands(at))
        });
        let Finding {
            severity,
            file,
            what,
            ..
        } = finding;
        let _ = writeln!(out, "\n{severity}: {file}{at}: {what}");
        if let Some(lost) = &finding.lost {
            let _ = writeln!(out, "  lost: {lost}");
        }
        let _ = writeln!(out, "  {}", finding.remedy);
    }
    out
}
