//! `recount groups`

use recount::Timestamp;

use super::Opened;
use super::shown::look;
use super::table::table;
use crate::cli::error::Result;
use crate::cli::output::{Output, terminal_width};
use crate::cli::settings::Settings;

pub(super) async fn run(json: bool, settings: &Settings) -> Result {
    let opened = Opened::for_reading(settings).await?;
    let groups = look(&opened, false).await;
    let groups = groups.map_err(|unseen| unseen.failure(settings))?;
    opened.close().await?;
    let now = Timestamp::now();
    let mut output = Output::new();
    if json {
        for shown in &groups {
            output.line(shown.document(now))?;
        }
    } else {
        for line in table(&groups, now, terminal_width()) {
            output.line(line)?;
        }
    }
    output.flush()?;
    if groups.is_empty() {
        settings.note(format_args!(
            "no groups yet: {} creates one",
            settings.command("groups create GROUP --from start")
        ));
    }
    Ok(())
}
