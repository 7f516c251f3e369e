//! What the scripts are told of whoever still needs entries.

use recount_core::HeldUp;
use redis::Cmd;

use crate::error::Failed;
use crate::groups;
use crate::keys::Keys;
use crate::scripts;
use crate::shared::Shared;

/// What the scripts are told of [`HeldUp`].
pub(super) struct Policy {
    /// `''`, `force` or milliseconds.
    pub(super) word: String,
    /// The groups that may have expired, and the keys that tell.
    pub(super) groups: Vec<(String, String)>,
    pub(super) clock: String,
}

impl Policy {
    pub(super) async fn of(shared: &Shared, keys: &Keys, held_up: HeldUp) -> Result<Self, Failed> {
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

    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().map(|(_, key)| key.as_str())
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().map(|(name, _)| name.as_str())
    }

    /// A call of a script whose keys and arguments begin with the stream, the mirrors and this.
    pub(super) fn call(&self, script: &scripts::Script, keys: &Keys) -> Cmd {
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
