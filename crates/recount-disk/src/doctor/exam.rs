//! Looking at everything of a stream.

use std::path::Path;
use std::sync::Arc;

use recount_core::{EntryId, Timestamp};

use super::cross::Cross;
use super::files::Notes;
use super::hiding::Unreadable;
use super::names::{self, Kind};
use super::segments::{ANY, Around, Case, End, in_words, missing, next_header};
use super::tables::Tables;
use super::{Finding, OnProgress, Progress, Report, Severity, floor, groups, root, words};
use crate::dir::{Listing, SegmentName, StreamDir, read_small, stream_dir};
use crate::error::{Doing, Fault, OpenError};
use crate::floor::Floor;
use crate::frame::SEGMENT_HEADER;
use crate::load;
use crate::meta::Meta;
use crate::options::DiskOptions;
use crate::watermark::Watermark;

/// How often a directory is read anew that a living writer changes.
const ATTEMPTS: usize = 5;

pub(super) fn examine(
    root: &Path,
    stream: &str,
    options: &DiskOptions,
    progress: OnProgress<'_>,
) -> Result<Report, OpenError> {
    let path = stream_dir(root, stream)?;
    let lock = StreamDir::lock_path(&path);
    let storage = &options.storage;
    let alive = storage.is_locked(&lock).doing("reading", &lock)?;
    look(root, stream, options, alive, progress)
}

/// Examines a stream, beside its writer if it is `alive`.
pub(super) fn look(
    root: &Path,
    stream: &str,
    options: &DiskOptions,
    alive: bool,
    progress: OnProgress<'_>,
) -> Result<Report, OpenError> {
    let path = stream_dir(root, stream)?;
    let writer = alive.then(|| root::lock_holder(&*options.storage, &path));
    let Some((meta, finding)) = super::mend::read_meta(options, root, stream)? else {
        return unreadable(root, stream, options, writer);
    };
    let storage = Arc::clone(&options.storage);
    let dir = Arc::new(StreamDir::new(storage, path, meta));
    let mut attempts = 0;
    let mut unreadable = Unreadable::find(&dir)?;
    loop {
        let dir = unreadable.hidden(&dir);
        let exam = Exam::begin(&dir, options, alive, finding.clone(), &mut *progress)?;
        match exam.run(&unreadable) {
            Err(fault) if unreadable.add(&dir, &fault) => {}
            // The writer took away what was about to be read.
            Err(Fault::Io { missing: true, .. }) if alive && attempts < ATTEMPTS => attempts += 1,
            other => {
                let (mut notes, entries) = other?;
                describe_lock(&mut notes, writer.as_deref());
                return Ok(report(stream, &dir.path, writer, entries, notes));
            }
        }
    }
}

fn report(stream: &str, path: &Path, writer: Option<String>, entries: u64, notes: Notes) -> Report {
    let (files, findings) = notes.finish();
    Report {
        stream: stream.to_owned(),
        path: path.display().to_string(),
        writer,
        entries,
        files,
        findings,
    }
}

/// All that can be said where nobody knows who the stream is.
fn unreadable(
    root: &Path,
    stream: &str,
    options: &DiskOptions,
    writer: Option<String>,
) -> Result<Report, OpenError> {
    let path = stream_dir(root, stream)?;
    let nobody = Meta {
        identity: [0; 16],
        key: [0; 16],
        created_ms: 0,
    };
    let dir = StreamDir::new(Arc::clone(&options.storage), path, nobody);
    let mut notes = Notes::list(&dir)?;
    let mut unreadable = Unreadable::find(&dir)?;
    if let Err(fault) = read_small(&*dir.storage, &dir.path.join("stream.meta")) {
        unreadable.add(&dir, &fault);
    }
    describe_lock(&mut notes, writer.as_deref());
    let what = if notes.has("stream.meta") {
        "it is damaged, and nothing proves what its identity and its key were; without them nothing else can be checked"
    } else {
        "it is missing, but there are segments; without it nothing else can be checked"
    };
    notes.add(Finding::new(
        Severity::Damage,
        "meta",
        "stream.meta",
        what,
        "restore stream.meta from a backup: a repair changes nothing without it",
    ));
    notes.set_unreadable(&unreadable);
    Ok(report(stream, &dir.path, writer, 0, notes))
}

fn describe_lock(notes: &mut Notes, writer: Option<&str>) {
    let by = match writer {
        Some(pid) => format!("held by process {pid}"),
        None => "held by nobody".to_owned(),
    };
    notes.describe("writer.lock", format!("the writer's lock: {by}"));
}

/// One look at a stream.
struct Exam<'a> {
    dir: &'a Arc<StreamDir>,
    options: &'a DiskOptions,
    alive: bool,
    watermark: Option<Watermark>,
    notes: Notes,
    listing: Listing,
    progress: OnProgress<'a>,
    looked_at: u64,
}

impl<'a> Exam<'a> {
    fn begin(
        dir: &'a Arc<StreamDir>,
        options: &'a DiskOptions,
        alive: bool,
        finding: Option<Finding>,
        progress: OnProgress<'a>,
    ) -> Result<Self, Fault> {
        // Read first: it says nothing of what the directory does not hold.
        let watermark = load::watermark(dir);
        let mut notes = Notes::list(dir)?;
        let mut listing = Listing::default();
        for name in notes.names() {
            if names::kind(name) != Kind::Foreign {
                listing.add(name.to_owned());
            }
        }
        listing.sort();
        notes.extend(finding);
        Ok(Self {
            dir,
            options,
            alive,
            watermark,
            notes,
            listing,
            progress,
            looked_at: 0,
        })
    }

    fn run(mut self, unreadable: &Unreadable) -> Result<(Notes, u64), Fault> {
        self.check_names();
        self.describe_records();
        self.check_misnamed()?;
        let numbers: Vec<u64> = self
            .listing
            .segments
            .iter()
            .map(|&(number, _)| number)
            .collect();
        let first = numbers.first().copied();
        let floor = floor::find(self.dir, first, &mut self.notes)?.floor;
        for &number in numbers.iter().filter(|&&number| number < floor.segment) {
            self.describe_trimmed(number);
        }
        let listing = std::mem::take(&mut self.listing);
        let rebuildable_from = first.unwrap_or(floor.segment).min(floor.segment);
        let (looked_at, notes) = (&mut self.looked_at, &mut self.notes);
        let total = notes.bytes();
        let sizes: std::collections::HashMap<String, u64> = notes
            .names()
            .map(|name| (name.to_owned(), notes.size(name)))
            .collect();
        let progress = &mut self.progress;
        let tables = Tables::check(self.dir, &listing, rebuildable_from, notes, |name| {
            *looked_at += sizes.get(name).copied().unwrap_or(0);
            progress(Progress {
                what: name,
                done: *looked_at,
                total,
            });
        })?;
        self.listing = listing;
        let (end, last_segment) = self.segments(&numbers, &floor, &tables)?;
        self.check_end(end, &floor);
        self.check_watermark(end, last_segment, &numbers)?;
        groups::check(
            self.dir,
            end.map(|end| end.last),
            self.alive,
            &mut self.notes,
        )?;
        let entries = end.map_or(0, |end| end.entries.saturating_sub(floor.trimmed));
        let total = self.notes.bytes();
        (self.progress)(Progress {
            what: "",
            done: total,
            total,
        });
        self.notes.set_unreadable(unreadable);
        Ok((self.notes, entries))
    }

    /// Looks at the segments, oldest first; says where the log ends.
    fn segments(
        &mut self,
        numbers: &[u64],
        floor: &Floor,
        tables: &Tables,
    ) -> Result<(Option<End>, u64), Fault> {
        let living = self.watermark.filter(|_| self.alive);
        let last = numbers.last().copied().unwrap_or(0);
        let last = living.map_or(last, |living| living.segment);
        let window = self.options.idempotency_window.as_millis() as u64;
        let last_ms = last_ms(self.dir, numbers)?;
        let mut cross = Cross::new(
            self.dir,
            tables,
            floor.segment,
            last_ms.saturating_sub(window),
            self.alive,
        );
        let ids_below = ids_below(tables);
        let watermark = self.watermark;
        let unknown = !self.alive && evidence_is_gone(self.dir, watermark.as_ref(), numbers)?;
        let mut end: Option<End> = None;
        let from = floor.segment;
        // Where all segments are gone that there must have been, the first one is reported missing.
        let through = if numbers.is_empty() && floor.trimmed > 0 {
            from
        } else {
            last
        };
        for number in from..=through {
            let next = next_header(self.dir, numbers, number)?.filter(|next| next.number <= last);
            let around = Around {
                floor,
                before: end.as_ref(),
                next: next.as_ref(),
                is_last: number >= last,
                watermark: watermark.as_ref(),
                unknown,
                living: living.is_some(),
                ids_below,
            };
            let limit = living.filter(|living| living.segment == number);
            let case = Case::read(
                self.dir,
                number,
                around.ids(),
                limit.map(|living| living.visible),
            )?;
            let Some(mut case) = case else {
                if self.alive && number < load::floor(self.dir)?.segment {
                    // Trimmed meanwhile: what is looked at begins behind it.
                    end = None;
                    continue;
                }
                let (finding, _, after) = missing(number, &around);
                self.notes.add(finding);
                cross.incomplete = true;
                end = Some(after);
                continue;
            };
            let name = case.file();
            self.tell(&name);
            if let Some(id) = case.walk.first_id(&case.bytes) {
                self.notes.settle_before(id);
            }
            let verdict = case.judge(&around);
            self.notes.describe(&name, in_words(&case, &verdict.end));
            self.notes.extend(verdict.findings);
            end = Some(verdict.end);
            cross.incomplete |= !verdict.end.clean;
            cross.check(&case, &mut self.notes)?;
            if verdict.tail.is_some() {
                for &later in numbers.iter().filter(|&&later| later > number) {
                    self.describe_tail(later);
                }
                return Ok((end, last));
            }
        }
        Ok((end, last))
    }

    /// Whether everything is there that was on stable storage, and the floor lies within it.
    fn check_end(&mut self, end: Option<End>, floor: &Floor) {
        let entries = end.map_or(0, |end| end.entries);
        // A living writer may have appended and trimmed since its watermark was read.
        if !self.alive && end.is_some() && floor.trimmed > entries {
            let what = format!(
                "it says that {} are trimmed, but only {} were ever added",
                words::count(floor.trimmed, "entry", "entries"),
                words::thousands(entries)
            );
            self.notes.add(Finding::new(
                Severity::Damage,
                "floor_beyond",
                "floor",
                what,
                "--repair moves it back to the end of the log",
            ));
        }
    }

    /// Whether everything is there that the watermark says was on stable storage.
    fn check_watermark(
        &mut self,
        end: Option<End>,
        last_segment: u64,
        numbers: &[u64],
    ) -> Result<(), Fault> {
        let Some(watermark) = self.watermark else {
            let finding = if self.alive {
                // A writer that begins just now, or writes it just now, answers for the log itself.
                Finding::new(
                    Severity::Notice,
                    "watermark_missing",
                    "watermark",
                    "it cannot be read just now",
                    "nothing: the process that writes keeps it",
                )
            } else if evidence_is_gone(self.dir, None, numbers)? {
                let (state, remedy) = if self.notes.has("watermark") {
                    (
                        "it is damaged, or of another stream",
                        "--repair sets it aside, keeps every record that checks out, and a new one is written",
                    )
                } else {
                    (
                        "it is missing",
                        "--repair keeps every record that checks out, and a new one is written",
                    )
                };
                Finding::new(
                    Severity::Damage,
                    "watermark",
                    "watermark",
                    format!(
                        "{state}: how far the log was on stable storage is not known: whether entries at its end are missing cannot be told"
                    ),
                    format!("restore the whole directory from a backup; or {remedy}"),
                )
            } else if self.notes.has("watermark") {
                Finding::new(
                    Severity::Rebuildable,
                    "watermark",
                    "watermark",
                    "it is damaged, or of another stream; nothing was recorded yet",
                    "--repair sets it aside, and a new one is written",
                )
            } else {
                return Ok(());
            };
            self.notes.add(finding);
            return Ok(());
        };
        let (segment, synced) = (watermark.segment, watermark.synced);
        self.notes.describe(
            "watermark",
            format!(
                "how far readers may read while a writer lives: byte {} of segment {segment}",
                watermark.visible
            ),
        );
        let held = synced > SEGMENT_HEADER as u64;
        if held && segment > last_segment {
            let missing = words::count(segment - last_segment, "segment", "segments");
            self.notes.add(
                Finding::new(
                    Severity::Damage,
                    "watermark_beyond",
                    "watermark",
                    format!(
                        "entries were on stable storage up to byte {synced} of segment {segment}: {missing} at the end of the log are missing, the last with {} at least",
                        words::count(synced, "byte", "bytes")
                    ),
                    "restore the files from a backup; or --repair sets the watermark aside and goes on without them",
                )
                .losing(Some(super::Loss::new(None, end.map(|end| end.last), None))),
            );
        }
        Ok(())
    }

    fn tell(&mut self, name: &str) {
        self.looked_at += self.notes.size(name);
        (self.progress)(Progress {
            what: name,
            done: self.looked_at,
            total: self.notes.bytes(),
        });
    }

    fn describe_trimmed(&mut self, number: u64) {
        for name in [SegmentName::Log, SegmentName::Sealed] {
            let what = format!("segment {number}, trimmed; the writer removes it");
            self.notes
                .describe(&names::segment_name(number, name), what);
        }
    }

    fn describe_tail(&mut self, number: u64) {
        for name in [SegmentName::Log, SegmentName::Sealed] {
            let what = format!("segment {number}, part of what was never on stable storage");
            self.notes
                .describe(&names::segment_name(number, name), what);
        }
    }

    /// What a name alone tells.
    fn check_names(&mut self) {
        let mut findings = Vec::new();
        for name in self.notes.names() {
            let finding = |severity, code, what: &str, remedy: &str| {
                Finding::new(severity, code, name, what, remedy)
            };
            findings.extend(match names::kind(name) {
                Kind::Temporary if !self.alive => Some(finding(
                    Severity::Notice,
                    "temporary",
                    "it was being written when a process ended",
                    "the next opening for writing removes it",
                )),
                Kind::Lost => Some(finding(
                    Severity::Notice,
                    "lost_file",
                    if name.starts_with("lost-groups-") {
                        "it holds what was taken out of the consumer groups' file"
                    } else {
                        "it holds what was taken out of a segment"
                    },
                    "delete it once it was looked at",
                )),
                Kind::Record => Some(finding(
                    Severity::Notice,
                    "repair_record",
                    "it lists what a repair found, and what is lost",
                    "delete it once it was read",
                )),
                Kind::Bad => Some(finding(
                    Severity::Notice,
                    "set_aside",
                    "it was damaged and set aside",
                    "delete it once it was looked at",
                )),
                Kind::Moved(_) => Some(finding(
                    Severity::Rebuildable,
                    "misnamed",
                    "an earlier repair was giving it its right name",
                    "--repair goes on with that",
                )),
                Kind::Foreign => Some(finding(
                    Severity::Notice,
                    "foreign_file",
                    "it is none of Recount's files",
                    "nothing: it is left alone",
                )),
                _ => None,
            });
        }
        self.notes.extend(findings);
    }

    /// When which repair was.
    fn describe_records(&mut self) {
        let names = self.notes.names().map(str::to_owned);
        let records = names.filter(|name| names::kind(name) == Kind::Record);
        for name in records.collect::<Vec<_>>() {
            let text = read_small(&*self.dir.storage, &self.dir.path.join(&name));
            let text = String::from_utf8_lossy(&text.unwrap_or_default()).into_owned();
            let date = text.lines().next().and_then(|line| {
                let (_, rest) = line.rsplit_once(" on ")?;
                rest.split_whitespace().next()?.parse::<Timestamp>().ok()
            });
            if let Some(date) = date {
                let what = format!("what a repair on {date} found; safe to delete once read");
                self.notes.describe(&name, what);
            }
        }
    }

    /// Segments under the names of others, or under two names.
    fn check_misnamed(&mut self) -> Result<(), Fault> {
        let pairs = self.listing.segments.windows(2);
        let twice: Vec<u64> = pairs
            .filter(|pair| pair[0].0 == pair[1].0)
            .map(|pair| pair[0].0)
            .collect();
        self.listing.segments.dedup_by_key(|(number, _)| *number);
        if self.alive {
            return Ok(());
        }
        for number in twice {
            self.notes.add(Finding::new(
                Severity::Rebuildable,
                "two_files",
                names::segment_name(number, SegmentName::Log),
                format!("segment {number} has two files"),
                "--repair goes on with the one that holds more, and saves the other as lost-*",
            ));
        }
        for misnamed in super::mend::misnamed(self.dir, &self.notes)? {
            if names::kind(&misnamed.name) == Kind::Moved(misnamed.number) {
                continue;
            }
            self.notes.add(
                Finding::new(
                    Severity::Rebuildable,
                    "misnamed",
                    misnamed.name,
                    format!("it is segment {} by what it holds", misnamed.number),
                    "--repair gives it its right name",
                )
                .at(8),
            );
        }
        Ok(())
    }
}

/// Whether records may be missing at the end of the log without anything telling: there is no
/// watermark to go by. A stream whose first opening was cut short has none yet, and no records either.
pub(super) fn evidence_is_gone(
    dir: &StreamDir,
    watermark: Option<&Watermark>,
    numbers: &[u64],
) -> Result<bool, Fault> {
    if watermark.is_some() {
        return Ok(false);
    }
    match numbers {
        [] => Ok(false),
        [1] => {
            let case = Case::read(dir, 1, ANY, None)?;
            let begun = |case: Case| {
                let behind = case.bytes.get(SEGMENT_HEADER..);
                case.name == SegmentName::Log && behind.is_none_or(super::walk::is_zero)
            };
            Ok(!case.is_some_and(begun))
        }
        _ => Ok(true),
    }
}

/// The ms of the greatest id, as far as the last segments tell.
fn last_ms(dir: &StreamDir, numbers: &[u64]) -> Result<u64, Fault> {
    for &number in numbers.iter().rev() {
        if let Some(case) = Case::read(dir, number, ANY, None)?
            && let Some(id) = case
                .walk
                .last_id(&case.bytes)
                .or_else(|| Some(case.header.as_ref().ok()?.base_id))
        {
            return Ok(id.ms);
        }
    }
    Ok(0)
}

/// An id that none is above of those that the tables remember.
pub(super) fn ids_below(tables: &Tables) -> EntryId {
    let greatest = tables
        .ids
        .iter()
        .filter_map(|checked| checked.table.as_ref());
    let greatest = greatest.map(|table| table.bounds().ms.1).max();
    greatest.map_or(EntryId::MIN, |ms| EntryId::new(ms, u64::MAX))
}
