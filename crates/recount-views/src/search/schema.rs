//! What the index keeps of an event: its words, who it belongs to, and where it is.

use recount_core::{Event, Position};
use tantivy::TantivyDocument;
use tantivy::schema::{
    Field, IndexRecordOption, NumericOptions, Schema, TextFieldIndexing, TextOptions,
};
use tantivy::tokenizer::{RawTokenizer, TokenizerManager};
use twox_hash::XxHash3_64;

use super::text::text_of;
use super::words;

/// The version of what the index holds. Raised with every change of the fields, of [`text_of`] and of how
/// texts are split into words.
pub(super) const VERSION: u32 = 1;

const WORDS: &str = "recount";
const WHOLE: &str = "raw";

/// The columns, by name.
pub(super) const PARTITION: &str = "partition";
pub(super) const MS: &str = "ms";
pub(super) const SEQ: &str = "seq";
pub(super) const HAPPENED: &str = "happened";
pub(super) const ID: &str = "id";
/// Counts the events in the order in which they were taken in.
pub(super) const ORDER: &str = "order";

/// The index's fields.
#[derive(Debug, Clone)]
pub(super) struct Fields {
    pub schema: Schema,
    pub text: Field,
    pub session: Field,
    pub user: Field,
    pub agent: Field,
    pub trace: Field,
    pub event_type: Field,
    pub partition: Field,
    pub ms: Field,
    seq: Field,
    happened: Field,
    id: Field,
    order: Field,
}

impl Fields {
    pub(super) fn new() -> Self {
        let mut schema = Schema::builder();
        let words = TextFieldIndexing::default()
            .set_tokenizer(WORDS)
            .set_index_option(IndexRecordOption::WithFreqsAndPositions);
        let whole = TextOptions::default().set_indexing_options(
            TextFieldIndexing::default()
                .set_tokenizer(WHOLE)
                .set_index_option(IndexRecordOption::Basic)
                .set_fieldnorms(false),
        );
        let column = NumericOptions::default().set_fast();
        Self {
            text: schema.add_text_field("text", TextOptions::default().set_indexing_options(words)),
            session: schema.add_text_field("session", whole.clone()),
            user: schema.add_text_field("user", whole.clone()),
            agent: schema.add_text_field("agent", whole.clone()),
            trace: schema.add_text_field("trace", whole.clone()),
            event_type: schema.add_text_field("type", whole),
            partition: schema.add_u64_field(PARTITION, column.clone()),
            ms: schema.add_u64_field(MS, column.clone()),
            seq: schema.add_u64_field(SEQ, column.clone()),
            happened: schema.add_i64_field(HAPPENED, column.clone()),
            id: schema.add_u64_field(ID, column.clone()),
            order: schema.add_u64_field(ORDER, column),
            schema: schema.build(),
        }
    }

    /// How fields are split into words. The index library looks for its own names too.
    pub(super) fn tokenizers() -> TokenizerManager {
        let manager = TokenizerManager::default();
        manager.register(WORDS, words::analyzer());
        manager.register(WHOLE, RawTokenizer::default());
        manager
    }

    /// What is kept of `event`, the `order`th.
    pub(super) fn document(
        &self,
        position: Position,
        event: &Event,
        order: u64,
    ) -> TantivyDocument {
        let mut document = TantivyDocument::default();
        let text = text_of(event);
        if !text.is_empty() {
            document.add_text(self.text, &text);
        }
        document.add_text(self.session, &event.session_id);
        document.add_text(self.event_type, event.event_type.as_str());
        for (field, id) in [
            (self.user, &event.user_id),
            (self.agent, &event.agent_id),
            (self.trace, &event.trace_id),
        ] {
            if let Some(id) = id {
                document.add_text(field, id);
            }
        }
        document.add_u64(self.partition, position.partition.into());
        document.add_u64(self.ms, position.entry_id.ms);
        document.add_u64(self.seq, position.entry_id.seq);
        document.add_i64(self.happened, event.timestamp.as_millis());
        document.add_u64(self.id, hash(event.id.as_str()));
        document.add_u64(self.order, order);
        document
    }
}

/// What stands for an event's id in its column.
pub(super) fn hash(id: &str) -> u64 {
    XxHash3_64::oneshot(id.as_bytes())
}
