//! Creating, moving and removing groups.

use recount_core::{GroupError, GroupStart, Partition};
use redis::Cmd;

use super::group::{Beside, Group};
use super::spread::at_once;
use crate::net::Repeat;
use crate::scripts::DESTROY;
use crate::wire;

impl Group {
    /// Creates the group in every partition. One that is there in some of them already, because a call
    /// broke in the middle or somebody else made it, is completed.
    pub(super) async fn create(&self, start: &GroupStart) -> Result<(), GroupError> {
        let works = self.partitions().map(|partition| {
            let mut command = self.command("CREATE", partition, start);
            command.arg("MKSTREAM");
            let group = self.clone();
            async move {
                match group.ask(partition, &command, Repeat::UnlessUnknown).await {
                    Ok(_) => Ok(true),
                    Err(GroupError::Exists { .. }) => Ok(false),
                    Err(error) => Err(error),
                }
            }
        });
        let created = at_once(works.collect()).await.into_iter();
        let created = created.collect::<Result<Vec<_>, _>>()?;
        if created.contains(&true) {
            return Ok(());
        }
        Err(GroupError::Exists {
            group: self.name.to_string(),
            stream: self.shared.stream.clone(),
        })
    }

    pub(super) async fn set_position(&self, start: &GroupStart) -> Result<(), GroupError> {
        let works = self.partitions().map(|partition| {
            let command = self.command("SETID", partition, start);
            let group = self.clone();
            async move {
                let moved = group.ask(partition, &command, Repeat::Always).await;
                moved.map(drop)
            }
        });
        at_once(works.collect()).await.into_iter().collect()
    }

    pub(super) async fn destroy(&self) -> Result<bool, GroupError> {
        let works = self.partitions().map(|partition| {
            let command = self.script(partition, &DESTROY, Beside::Both);
            let group = self.clone();
            async move {
                let reply = group.run(partition, &DESTROY, &command, Repeat::Always);
                group.shaped(partition, wire::count(&reply.await?))
            }
        });
        let removed = at_once(works.collect()).await.into_iter();
        let removed = removed.collect::<Result<Vec<_>, _>>()?;
        Ok(removed.iter().any(|count| *count > 0))
    }

    fn command(&self, what: &str, partition: Partition, start: &GroupStart) -> Cmd {
        let id = match start {
            GroupStart::Start => "0-0".to_owned(),
            GroupStart::End => "$".to_owned(),
            GroupStart::After(cursor) => cursor.get(partition).to_string(),
        };
        let mut command = redis::cmd("XGROUP");
        command
            .arg(what)
            .arg(&self.keys(partition).stream)
            .arg(&*self.name)
            .arg(id);
        command
    }
}
