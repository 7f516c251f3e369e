//! How two states differ: as a JSON Patch, and in words.

mod between;
mod words;

use std::ops::Range;

use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, Patch, PatchOperation, RemoveOperation};
use serde_json::Value;
use similar::{Algorithm, DiffOp, capture_diff_slices};

pub use words::Change;

/// How one state differs from another.
#[derive(Debug, Clone, PartialEq)]
pub struct Diff {
    /// RFC 6902: applied to the first state's document it gives the second's.
    pub patch: Patch,
    /// The same for people, what happened in the memory first.
    pub changes: Vec<Change>,
}

/// How the state `b` differs from `a`, both as [`super::SessionAt::document`] tells them: of one session
/// at two moments, or of two.
///
/// Messages are matched by who said what, so that two runs of one task can be compared.
pub fn diff(a: &Value, b: &Value) -> Diff {
    let (messages_a, messages_b) = (messages(a), messages(b));
    let aligned = align(messages_a, messages_b);
    let mut patch = json_patch::diff(&without_messages(a), &without_messages(b));
    if a.get(MESSAGES).is_some_and(Value::is_array) && b.get(MESSAGES).is_some_and(Value::is_array)
    {
        patch.0.extend(edits(messages_a, messages_b, &aligned));
    } else {
        patch = json_patch::diff(a, b);
    }
    Diff {
        patch,
        changes: words::changes(a, b, &aligned),
    }
}

const MESSAGES: &str = "messages";

fn messages(document: &Value) -> &[Value] {
    document[MESSAGES].as_array().map_or(&[], Vec::as_slice)
}

/// The document but for its messages, whose place is kept.
fn without_messages(document: &Value) -> Value {
    let Value::Object(fields) = document else {
        return document.clone();
    };
    let others = fields.iter().filter(|(name, _)| *name != MESSAGES);
    Value::Object(
        others
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
    )
}

/// Messages of two states side by side.
pub(super) enum Aligned {
    /// The same was said: the places in both.
    Both(usize, usize),
    /// Only in the first, at these places.
    Removed(Range<usize>),
    /// Only in the second.
    Added(Range<usize>),
}

fn align(a: &[Value], b: &[Value]) -> Vec<Aligned> {
    let said = |messages: &[Value]| -> Vec<String> {
        let said = messages
            .iter()
            .map(|message| format!("{} {}", message["role"], message["content"]));
        said.collect()
    };
    let mut aligned = Vec::new();
    for op in capture_diff_slices(Algorithm::Myers, &said(a), &said(b)) {
        match op {
            DiffOp::Equal {
                old_index,
                new_index,
                len,
            } => aligned.extend((0..len).map(|i| Aligned::Both(old_index + i, new_index + i))),
            DiffOp::Delete {
                old_index, old_len, ..
            } => aligned.push(Aligned::Removed(old_index..old_index + old_len)),
            DiffOp::Insert {
                new_index, new_len, ..
            } => aligned.push(Aligned::Added(new_index..new_index + new_len)),
            DiffOp::Replace {
                old_index,
                old_len,
                new_index,
                new_len,
            } => {
                aligned.push(Aligned::Removed(old_index..old_index + old_len));
                aligned.push(Aligned::Added(new_index..new_index + new_len));
            }
        }
    }
    aligned
}

/// What turns the messages of `a` into those of `b`, from the first on: at every step those before it are
/// as they are in `b`.
fn edits(a: &[Value], b: &[Value], aligned: &[Aligned]) -> Vec<PatchOperation> {
    let mut edits = Vec::new();
    let mut at = 0;
    for aligned in aligned {
        match aligned {
            Aligned::Both(in_a, in_b) => {
                let within = json_patch::diff(&a[*in_a], &b[*in_b]);
                edits.extend(within.0.into_iter().map(|edit| within_message(at, edit)));
                at += 1;
            }
            Aligned::Removed(places) => {
                edits.extend(
                    places
                        .clone()
                        .map(|_| PatchOperation::Remove(RemoveOperation { path: place(at) })),
                );
            }
            Aligned::Added(places) => {
                for message in &b[places.clone()] {
                    edits.push(PatchOperation::Add(AddOperation {
                        path: place(at),
                        value: message.clone(),
                    }));
                    at += 1;
                }
            }
        }
    }
    edits
}

fn place(at: usize) -> PointerBuf {
    PointerBuf::from_tokens([MESSAGES.to_owned(), at.to_string()])
}

/// An edit of a message, as one of the document.
fn within_message(at: usize, mut edit: PatchOperation) -> PatchOperation {
    let path = match &mut edit {
        PatchOperation::Add(edit) => &mut edit.path,
        PatchOperation::Remove(edit) => &mut edit.path,
        PatchOperation::Replace(edit) => &mut edit.path,
        // A difference is told by these three.
        PatchOperation::Move(edit) => &mut edit.path,
        PatchOperation::Copy(edit) => &mut edit.path,
        PatchOperation::Test(edit) => &mut edit.path,
    };
    let mut whole = place(at);
    whole.append(&*path);
    *path = whole;
    edit
}

#[cfg(test)]
mod tests;
