//! A Lua script and the name the server knows it by.

/// A Lua script. The server's cache of scripts is volatile, so a call carries the whole of it along.
pub(crate) struct Script {
    script: redis::Script,
    source: &'static str,
}

impl Script {
    /// Hashes the source.
    pub(crate) fn new(source: &'static str) -> Self {
        Self {
            script: redis::Script::new(source),
            source,
        }
    }

    /// What EVALSHA names it by.
    pub(crate) fn sha(&self) -> &str {
        self.script.get_hash()
    }

    /// The Lua text.
    pub(crate) fn source(&self) -> &'static str {
        self.source
    }
}
