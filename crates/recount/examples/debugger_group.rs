//! The group `debugger`: whenever something goes wrong in a session, tell what led to it.
//!
//! ```text
//! cargo run --example debugger_group              # until Ctrl-C
//! cargo run --example debugger_group -- --drain   # the errors so far
//! ```
//!
//! `RECOUNT_URL` and `RECOUNT_STREAM` say which stream. The consumer itself remembers nothing: the log has the session, and
//! reading the end of one costs the same however long the log is. So it can be stopped, killed and started
//! anywhere, and goes on where the group was.

use std::error::Error;

use recount::config::Sources;
use recount::payload::Payload;
use recount::{Event, EventType, GroupStart, Handler, HandlerError, Message, Recount, async_trait};

/// How many events before an error are told.
const BEFORE: usize = 8;
/// How many of a session's newest events are looked at: the error is not among them if so much happened since.
const LOOKED_AT: usize = 200;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let settings = Sources {
        variable: &|name| std::env::var_os(name), // RECOUNT_URL, RECOUNT_STREAM and the others
        ..Sources::default()
    };
    let config = settings.resolve()?.config;
    let drain = std::env::args().any(|argument| argument == "--drain");
    let recount = Recount::builder().config(config).open().await?;

    let consumer = recount
        .consumer("debugger")?
        .create_from(GroupStart::Start)
        .drain(drain)
        .start(Debugger(recount.clone()))
        .await?;
    let report = tokio::select! {
        report = consumer.finished() => report?,
        pressed = tokio::signal::ctrl_c() => {
            pressed?;
            consumer.stop().await?
        }
    };
    eprintln!("{} events were looked at", report.metrics.handled);
    recount.close().await?;
    Ok(())
}

struct Debugger(Recount);

#[async_trait]
impl Handler for Debugger {
    async fn handle(&self, message: &Message) -> Result<(), HandlerError> {
        let error = message.event();
        let Some(error) = error.filter(|e| e.event_type == EventType::ErrorOccurred) else {
            return Ok(());
        };
        // If this fails, the event is tried again, and the others of its session wait for it.
        let page = self.0.session(&error.session_id).recent(LOOKED_AT).await?;
        let up_to = page.entries.iter();
        let up_to = up_to.filter(|entry| entry.position <= message.position);
        let events: Vec<_> = up_to.filter_map(|entry| entry.event()).collect();
        let told = &events[events.len().saturating_sub(BEFORE + 1)..];

        let line = |event: &Event| {
            let after_ms = event.timestamp.as_millis() - error.timestamp.as_millis();
            let seconds = after_ms as f64 / 1000.0;
            format!(
                "  {seconds:>9.3} s  {:<18} {}",
                event.event_type.as_str(),
                what(event)
            )
        };
        let lines: Vec<_> = told.iter().copied().map(line).collect();
        let (session, at) = (&error.session_id, error.timestamp);
        // In one piece: several sessions are handled at a time.
        let lines = lines.join("\n");
        println!("\nsession {session}: {at} ({})\n{lines}", message.position);
        Ok(())
    }
}

/// What an event says, in a few words.
fn what(event: &Event) -> String {
    let told = match Payload::of(event) {
        Ok(Payload::MessageAdded(message)) => {
            let content = message.content.unwrap_or_default();
            let text = content
                .as_str()
                .map_or_else(|| content.to_string(), Into::into);
            format!("{}: {text}", message.role.unwrap_or_default())
        }
        Ok(Payload::ToolCalled(call)) => call.tool.unwrap_or_default(),
        Ok(Payload::ToolReturned(call)) => call.tool.unwrap_or_default(),
        Ok(Payload::SearchPerformed(search)) => search.query.unwrap_or_default(),
        Ok(Payload::ErrorOccurred(error)) => {
            let parts = [error.tool, error.code, error.message];
            parts.into_iter().flatten().collect::<Vec<_>>().join(": ")
        }
        _ => event.data.as_str().to_owned(),
    };
    told.chars().take(80).collect()
}
