//! An examination for people.

use owo_colors::Style;
use recount_disk::doctor::{Done, FileReport, Finding, Report, Severity};
use unicode_width::UnicodeWidthStr as _;

use super::{Examined, Patient};
use crate::cli::error::Result;
use crate::cli::output::{Output, count, fit, one_line, pad, terminal_width, thousands, wrapped};
use crate::cli::settings::Settings;

/// Where standard output is no terminal, sentences are broken here all the same.
const WIDTH: usize = 100;

pub(super) fn print(examined: &Examined, settings: &Settings, output: &mut Output) -> Result {
    let mut page = Page {
        output,
        color: settings.color(),
        width: terminal_width(),
    };
    page.line(&settings.url().to_string())?;
    page.files(&examined.root.files)?;
    page.findings(&examined.root.findings)?;
    page.done(&examined.root_done)?;
    for patient in &examined.streams {
        page.patient(patient, settings)?;
    }
    for (stream, why) in &examined.failed {
        page.line("")?;
        page.sentence(&format!("{stream}: not checked: {why}"))?;
    }
    if examined.streams.is_empty() && examined.failed.is_empty() {
        page.line("")?;
        page.line("There is no stream: nothing was recorded here yet.")?;
    }
    Ok(())
}

struct Page<'a> {
    output: &'a mut Output,
    color: bool,
    width: Option<usize>,
}

impl Page<'_> {
    fn line(&mut self, text: &str) -> Result {
        self.output.line(one_line(text))
    }

    fn patient(&mut self, patient: &Patient, settings: &Settings) -> Result {
        let report = patient.report();
        self.line("")?;
        self.line(&format!("{}  {}", report.stream, report.path))?;
        self.files(&report.files)?;
        if let Some(pid) = &report.writer {
            let path = &report.path;
            self.sentence(&format!(
                "Process {pid} is writing {path}: its files were checked up to what it answers for."
            ))?;
        }
        self.findings(&report.findings)?;
        self.done(patient.done())?;
        self.line("")?;
        self.sentence(&conclusion(patient, report, settings))
    }

    /// A table: size, name, what it is.
    fn files(&mut self, files: &[FileReport]) -> Result {
        let sizes: Vec<String> = files.iter().map(|file| thousands(file.bytes)).collect();
        let size_width = sizes.iter().map(String::len).max().unwrap_or(0);
        let name_width = files
            .iter()
            .map(|file| file.name.width())
            .max()
            .unwrap_or(0);
        for (file, size) in files.iter().zip(sizes) {
            let name = pad(&one_line(&file.name), name_width);
            let line = format!("  {size:>size_width$}  {name}  {}", one_line(&file.what));
            match self.width {
                Some(width) => self.output.line(fit(&line, width))?,
                None => self.output.line(line)?,
            }
        }
        Ok(())
    }

    fn findings(&mut self, findings: &[Finding]) -> Result {
        for finding in findings {
            let word = finding.severity.as_str();
            let style = match finding.severity {
                Severity::Damage => Style::new().red().bold(),
                Severity::Rebuildable => Style::new().yellow(),
                Severity::Notice => Style::new().cyan(),
            };
            let at = finding
                .offset
                .map_or(String::new(), |at| format!(", byte {}", thousands(at)));
            let mut told = vec![format!("{}{at}: {}", finding.file, finding.what)];
            told.extend(finding.lost.as_ref().map(|lost| format!("lost: {lost}")));
            told.push(finding.remedy.clone());
            self.item(word, style, &told)?;
        }
        Ok(())
    }

    fn done(&mut self, done: &[Done]) -> Result {
        for done in done {
            let mut told = vec![format!("{}: {}", done.file, done.what)];
            told.extend(done.lost.as_ref().map(|lost| format!("lost: {lost}")));
            told.extend(done.saved_to.as_ref().map(|to| format!("saved to {to}")));
            self.item("done", Style::new().green(), &told)?;
        }
        Ok(())
    }

    /// A word, and sentences beside it.
    fn item(&mut self, word: &str, style: Style, told: &[String]) -> Result {
        const INDENT: usize = "rebuildable".len() + 2;
        self.line("")?;
        let room = self.width.unwrap_or(WIDTH).saturating_sub(INDENT).max(20);
        let lines = told.iter().flat_map(|text| wrapped(&one_line(text), room));
        let mut head = pad(word, INDENT);
        if self.color {
            head = style.style(head).to_string();
        }
        for text in lines {
            self.output.line(format_args!("{head}{text}"))?;
            head = " ".repeat(INDENT);
        }
        Ok(())
    }

    fn sentence(&mut self, text: &str) -> Result {
        for line in wrapped(&one_line(text), self.width.unwrap_or(WIDTH)) {
            self.output.line(line)?;
        }
        Ok(())
    }
}

/// One sentence about a stream.
fn conclusion(patient: &Patient, report: &Report, settings: &Settings) -> String {
    let holds = format!(
        "{}: {}, {}",
        report.stream,
        count(report.files.len() as u64, "file"),
        entries(report.entries)
    );
    let (damage, rebuildable) = (
        report.count(Severity::Damage),
        report.count(Severity::Rebuildable),
    );
    let lost: Vec<_> = patient
        .done()
        .iter()
        .filter_map(|done| done.lost.as_ref())
        .collect();
    // Whatever was missing at the end of the log, nothing tells.
    let unknown = patient
        .found()
        .iter()
        .any(|finding| finding.code == "watermark" && finding.severity == Severity::Damage);
    if damage + rebuildable == 0 {
        let repaired = !patient.done().is_empty();
        return match (
            lost.iter().map(|lost| lost.entries).sum::<Option<u64>>(),
            &lost[..],
        ) {
            (_, []) if repaired && unknown => {
                format!("{holds}, all in order again; nothing is known to be lost.")
            }
            (Some(known), [_, ..]) if unknown => format!(
                "{holds}, in order again; {} lost, more at the end is not known.",
                entries(known)
            ),
            (_, []) if repaired => format!("{holds}, all in order again, no event lost."),
            (_, []) => format!("{holds}, all in order."),
            (Some(known), _) => format!("{holds}, in order again; {} lost.", entries(known)),
            (None, _) => format!("{holds}, in order again; an unknown number of entries lost."),
        };
    }
    let mut found = Vec::new();
    for (number, what) in [(damage, "damage"), (rebuildable, "rebuildable")] {
        if number > 0 {
            found.push(format!("{} {what}", thousands(number as u64)));
        }
    }
    let findings = count((damage + rebuildable) as u64, "finding");
    let hopeless = report.count(Severity::Damage) > 0 && !patient.can_be_mended();
    let next = match patient {
        Patient::Examined(_) if hopeless => {
            "a repair changes nothing before the files named above are restored or can be read."
                .to_owned()
        }
        Patient::Examined(_) => format!(
            "`{}` keeps every record that checks out.",
            settings.command("doctor --repair")
        ),
        Patient::Repaired(_) => "that is beyond repair.".to_owned(),
    };
    format!("{holds}; {findings}: {}; {next}", found.join(", "))
}

fn entries(number: u64) -> String {
    let noun = if number == 1 { "entry" } else { "entries" };
    format!("{} {noun}", thousands(number))
}
