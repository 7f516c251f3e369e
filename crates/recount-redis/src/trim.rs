//! Trimming: page by page, always through the safe floor.

use std::collections::BTreeMap;

use recount_core::{
    Direction, EntryId, HeldBack, HeldUp, Lost, TrimError, TrimLimit, TrimReport, TrimRequest,
};
use redis::{Cmd, Value};

use crate::error::Failed;
use crate::groups;
use crate::keys::Keys;
use crate::read::{self, Chunk};
use crate::scripts::{self, COUNT, LOST, PLAN, TRIM};
use crate::shared::Shared;
use crate::wire::{self, Unexpected};

/// Entries removed with one call at most: it blocks the server meanwhile.
const PAGE: usize = 1_000;
/// Entries of a node of a stream, as servers are set up unless told otherwise: cheap to remove together.
const NODE: usize = 100;

/// What a partition's trim knows before it begins.
struct Plan {
    length: u64,
    now_ms: u64,
    needs: Vec<HeldBack>,
}

/// Trims every partition.
pub(crate) async fn all(shared: &Shared, request: &TrimRequest) -> Result<TrimReport, TrimError> {
    let mut report = TrimReport::default();
    for keys in &shared.partitions {
        let one = partition(shared, keys, request)
            .await
            .map_err(|failed| failed.trim(&keys.stream))?;
        report.removed += one.removed;
        report.first = match (report.first, one.first) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        for held in one.held_back {
            if !report.held_back.contains(&held) {
                report.held_back.push(held);
            }
        }
        add_losses(&mut report.lost, one.lost);
    }
    Ok(report)
}

/// Adds what was lost by another page or in another partition.
fn add_losses(sum: &mut Vec<Lost>, more: Vec<Lost>) {
    for lost in more {
        match sum.iter_mut().find(|known| known.by == lost.by) {
            Some(known) => known.entries += lost.entries,
            None => sum.push(lost),
        }
    }
}

/// What the scripts are told of [`HeldUp`].
struct Policy {
    /// `''`, `force` or milliseconds.
    word: String,
    /// The groups that may have expired, and the keys that tell.
    groups: Vec<(String, String)>,
    clock: String,
}

impl Policy {
    async fn of(shared: &Shared, keys: &Keys, held_up: HeldUp) -> Result<Self, Failed> {
        let (word, names) = match held_up {
            HeldUp::Block => (String::new(), Vec::new()),
            HeldUp::Force => ("force".to_owned(), Vec::new()),
            HeldUp::ExpireGroupsAfter(ms) => (ms.to_string(), groups::names(shared, keys).await?),
        };
        let state = |name: String| {
            let key = keys.group(&name);
            (name, key)
        };
        Ok(Self {
            word,
            groups: names.into_iter().map(state).collect(),
            clock: shared.options.clock_argument(),
        })
    }

    fn keys(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().map(|(_, key)| key.as_str())
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().map(|(name, _)| name.as_str())
    }

    /// A call of a script whose keys and arguments begin with the stream, the mirrors and this.
    fn call(&self, script: &scripts::Script, keys: &Keys) -> Cmd {
        let mut names = vec![keys.stream.as_str(), &keys.mirrors];
        names.extend(self.keys());
        let mut command = scripts::call(script, &names);
        command
            .arg(&self.clock)
            .arg(&self.word)
            .arg(self.groups.len());
        for name in self.names() {
            command.arg(name);
        }
        command
    }
}

async fn partition(
    shared: &Shared,
    keys: &Keys,
    request: &TrimRequest,
) -> Result<TrimReport, Failed> {
    let mut report = TrimReport::default();
    // Where a page was overtaken by somebody else, everything is looked at again.
    'plan: loop {
        let policy = Policy::of(shared, keys, request.held_up).await?;
        let plan = plan(shared, keys, &policy).await?;
        let goal = Goal::new(request.limit, &plan);
        let mut from = EntryId::MIN;
        let mut looked_at = 0;
        let mut chunk = Chunk::default();
        loop {
            let page = Page::read(shared, keys, &plan, &goal, from, looked_at, &mut chunk).await?;
            report.first = page.first_kept;
            if let (true, Some(first_kept)) = (page.held, page.first_kept) {
                let before = looked_at + page.doomed.ids.len() as u64;
                let stopped = (first_kept, before);
                report.held_back = holding(shared, keys, &plan, &goal, stopped).await?;
            }
            let mut doomed = page.doomed;
            if !request.exact && page.last {
                doomed.keep_whole_nodes();
                if let Some(first) = doomed.first_spared {
                    report.first = Some(first);
                }
            }
            let count = doomed.ids.len() as u64;
            if request.dry_run {
                report.removed += count;
                add_losses(
                    &mut report.lost,
                    doomed.losses(shared, keys, &policy).await?,
                );
            } else if count > 0 {
                let Some((removed, lost)) = doomed.remove(shared, keys, &policy).await? else {
                    continue 'plan;
                };
                report.removed += removed;
                add_losses(&mut report.lost, lost);
            }
            looked_at += count;
            if page.last {
                return Ok(report);
            }
            from = page.next;
        }
    }
}

/// What is to be kept.
enum Goal {
    /// So many from the start may go.
    Excess(u64),
    /// Everything below may go.
    Below(EntryId),
}

impl Goal {
    fn new(limit: TrimLimit, plan: &Plan) -> Self {
        match limit {
            TrimLimit::MaxLength(length) => Self::Excess(plan.length.saturating_sub(length)),
            TrimLimit::MinId(id) => Self::Below(id),
            TrimLimit::MaxAgeMs(age) => match plan.now_ms.checked_sub(age) {
                // Recorded exactly that long ago is too old.
                Some(oldest) => Self::Below(EntryId::new(oldest.saturating_add(1), 0)),
                None => Self::Below(EntryId::MIN),
            },
        }
    }
}

/// Entries counted at most to tell whether somebody needs one that a limit on the length would remove; where
/// that many do not tell, it is taken to be so.
const COUNTED_MAX: u64 = 10_000;

/// Who needs what would be removed, where a trim stopped at an entry with so many before it.
async fn holding(
    shared: &Shared,
    keys: &Keys,
    plan: &Plan,
    goal: &Goal,
    (first_kept, before): (EntryId, u64),
) -> Result<Vec<HeldBack>, Failed> {
    let mut holding = Vec::new();
    for need in &plan.needs {
        let holds = match *goal {
            _ if need.from <= first_kept => true,
            Goal::Below(id) => need.from < id,
            Goal::Excess(excess) => {
                let left = excess.saturating_sub(before);
                let mut command = scripts::call(&COUNT, &[&keys.stream]);
                command
                    .arg(first_kept.to_string())
                    .arg(need.from.previous().unwrap_or(EntryId::MIN).to_string())
                    .arg(left.min(COUNTED_MAX));
                let reply = shared.net.run(keys.slot, &COUNT, &command).await?;
                let counted = wire::list(reply)
                    .and_then(|parts| wire::count(parts.first().unwrap_or(&Value::Nil)));
                let address = || shared.net.address(keys.slot);
                counted.map_err(|shape| shape.from(address()))? < left
            }
        };
        if holds {
            holding.push(need.clone());
        }
    }
    Ok(holding)
}

/// A page from the start of what is left.
struct Page {
    doomed: Doomed,
    first_kept: Option<EntryId>,
    /// Whether somebody needs the first entry that is kept.
    held: bool,
    last: bool,
    next: EntryId,
}

impl Page {
    async fn read(
        shared: &Shared,
        keys: &Keys,
        plan: &Plan,
        goal: &Goal,
        from: EntryId,
        looked_at: u64,
        chunk: &mut Chunk,
    ) -> Result<Self, Failed> {
        let count = chunk.size().min(PAGE);
        let ids = (from, EntryId::MAX);
        // One more: it is the first that is left.
        let command = read::range_command(&keys.stream, ids, Direction::Forward, count + 1);
        let reply = shared.net.ask(keys.slot, &command).await?;
        let entries =
            wire::entries(reply).map_err(|shape| shape.from(shared.net.address(keys.slot)))?;
        let ends = entries.len() <= count;
        let mut page = Self {
            doomed: Doomed::default(),
            first_kept: None,
            held: false,
            last: ends,
            next: from,
        };
        for (place, entry) in entries.into_iter().enumerate() {
            let wanted = match *goal {
                Goal::Excess(excess) => looked_at + (place as u64) < excess,
                Goal::Below(id) => entry.id < id,
            };
            let needed = plan.needs.iter().any(|need| need.from <= entry.id);
            if !wanted || needed || place == count {
                page.first_kept = Some(entry.id);
                page.held = wanted && needed;
                page.last |= !wanted || needed;
                page.next = entry.id;
                break;
            }
            chunk.count(&entry);
            page.doomed.add(&entry);
        }
        Ok(page)
    }
}

/// Entries that are to go.
#[derive(Default)]
struct Doomed {
    ids: Vec<EntryId>,
    /// The session of each entry that our scripts added.
    sessions: Vec<Option<String>>,
    /// Whether our scripts added it.
    ours: Vec<bool>,
    first_spared: Option<EntryId>,
}

impl Doomed {
    fn add(&mut self, entry: &recount_core::Entry) {
        let indexed = entry.revision.is_some_and(|revision| revision > 0);
        let session = || {
            let recorded = wire::recorded(0, entry.clone());
            recorded.event().map(|event| event.session_id.clone())
        };
        self.ids.push(entry.id);
        self.sessions.push(indexed.then(session).flatten());
        self.ours.push(entry.revision.is_some());
    }

    /// What is removed cheaply: whole nodes of the stream.
    fn keep_whole_nodes(&mut self) {
        let whole = self.ids.len() / NODE * NODE;
        self.first_spared = self.ids.get(whole).copied();
        self.ids.truncate(whole);
        self.sessions.truncate(whole);
        self.ours.truncate(whole);
    }

    /// Who would lose how many of them.
    async fn losses(
        &self,
        shared: &Shared,
        keys: &Keys,
        policy: &Policy,
    ) -> Result<Vec<Lost>, Failed> {
        if self.ids.is_empty() || policy.word.is_empty() {
            return Ok(Vec::new());
        }
        let mut command = policy.call(&LOST, keys);
        for id in &self.ids {
            command.arg(id.to_string());
        }
        let reply = shared.net.run(keys.slot, &LOST, &command).await?;
        read_lost(reply).map_err(|shape| shape.from(shared.net.address(keys.slot)))
    }

    /// Removes them; how many were still there, and who lost them. None where somebody trimmed meanwhile, or
    /// came to need one.
    async fn remove(
        &self,
        shared: &Shared,
        keys: &Keys,
        policy: &Policy,
    ) -> Result<Option<(u64, Vec<Lost>)>, Failed> {
        let mut sessions: BTreeMap<&str, u64> = BTreeMap::new();
        for session in self.sessions.iter().flatten() {
            *sessions.entry(session).or_default() += 1;
        }
        let indexes: Vec<String> = sessions.keys().map(|id| keys.session(id)).collect();
        let mut names = vec![
            keys.stream.as_str(),
            &keys.meta,
            &keys.mirrors,
            &keys.sessions,
        ];
        names.extend(indexes.iter().map(String::as_str));
        names.extend(policy.keys());
        let ours = self.ours.iter().filter(|ours| **ours).count();
        let mut command = scripts::call(&TRIM, &names);
        command
            .arg(ours)
            .arg(self.ids.len() - ours)
            .arg(sessions.len())
            .arg(self.ids.len())
            .arg(&policy.clock)
            .arg(&policy.word)
            .arg(policy.groups.len());
        for session in sessions.keys() {
            command.arg(session);
        }
        for count in sessions.values() {
            command.arg(count);
        }
        for id in &self.ids {
            command.arg(id.to_string());
        }
        for name in policy.names() {
            command.arg(name);
        }
        // A page that is gone already is noticed by its first id.
        let reply = shared.net.run(keys.slot, &TRIM, &command).await?;
        read_removed(reply).map_err(|shape| shape.from(shared.net.address(keys.slot)))
    }
}

async fn plan(shared: &Shared, keys: &Keys, policy: &Policy) -> Result<Plan, Failed> {
    let command = policy.call(&PLAN, keys);
    let reply = shared.net.run(keys.slot, &PLAN, &command).await?;
    read_plan(reply).map_err(|shape| shape.from(shared.net.address(keys.slot)))
}

fn read_plan(reply: Value) -> Result<Plan, Unexpected> {
    let Ok([length, now, needs]): Result<[Value; 3], _> = wire::list(reply)?.try_into() else {
        return Err(Unexpected("a plan"));
    };
    Ok(Plan {
        length: wire::count(&length)?,
        now_ms: wire::count(&now)?,
        needs: read_needs(needs)?,
    })
}

fn read_needs(needs: Value) -> Result<Vec<HeldBack>, Unexpected> {
    wire::list(needs)?
        .chunks_exact(2)
        .map(|pair| {
            Ok(HeldBack {
                by: wire::lossy(&pair[0])?,
                from: wire::entry_id(&pair[1])?,
            })
        })
        .collect()
}

fn read_lost(lost: Value) -> Result<Vec<Lost>, Unexpected> {
    wire::list(lost)?
        .chunks_exact(2)
        .map(|pair| {
            Ok(Lost {
                by: wire::lossy(&pair[0])?,
                entries: wire::count(&pair[1])?,
            })
        })
        .collect()
}

fn read_removed(reply: Value) -> Result<Option<(u64, Vec<Lost>)>, Unexpected> {
    match <[Value; 3]>::try_from(wire::list(reply)?) {
        Ok([said, removed, lost]) if wire::text(&said)? == "done" => {
            Ok(Some((wire::count(&removed)?, read_lost(lost)?)))
        }
        _ => Ok(None),
    }
}

/// Who needs what of a partition.
pub(crate) async fn needs(shared: &Shared, keys: &Keys) -> Result<Vec<HeldBack>, Failed> {
    let policy = Policy::of(shared, keys, HeldUp::Block).await?;
    Ok(plan(shared, keys, &policy).await?.needs)
}
