//! A folder to work in and the binary to run there.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A folder of its own, with no setting from outside. Logs go to `recount-data` in it.
pub struct Sandbox {
    folder: tempfile::TempDir,
    variables: Vec<(&'static str, String)>,
}

/// What a run left behind.
pub struct Run {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Sandbox {
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            variables: Vec::new(),
        }
    }

    /// One whose commands work on a server, with mirrors in `mirrors`.
    #[cfg(unix)]
    pub fn on(url: &str) -> Self {
        Self::new()
            .with("RECOUNT_URL", url)
            .with("RECOUNT_MIRROR", "mirrors")
    }

    /// Sets a variable for every command.
    #[cfg(unix)]
    pub fn with(mut self, variable: &'static str, value: &str) -> Self {
        self.variables.push((variable, value.to_owned()));
        self
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_recount"));
        command
            .args(args)
            .current_dir(self.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for name in [
            "NO_COLOR",
            "REDIS_URL",
            "REDIS_PASSWORD",
            "HOME",
            "XDG_STATE_HOME",
        ] {
            command.env_remove(name);
        }
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("RECOUNT_") {
                command.env_remove(name);
            }
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    pub fn run(&self, args: &[&str]) -> Run {
        self.command(args).output().unwrap().into()
    }

    pub fn run_with(&self, args: &[&str], input: &str) -> Run {
        let mut child = self.command(args).stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_owned();
        // A thread of its own: the child may fill its output before it has read everything.
        let writer = std::thread::spawn(move || {
            // The child may have stopped reading, rightly.
            let _ = stdin.write_all(input.as_bytes());
        });
        let run = child.wait_with_output().unwrap().into();
        writer.join().unwrap();
        run
    }

    /// Publishes the small session that most tests look at.
    pub fn with_session(self) -> Self {
        let run = self.run_with(&["publish", "--quiet"], SESSION);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        self
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Run {
    /// All of it, with what differs from run to run left out.
    pub fn told(&self) -> String {
        let code = self
            .code
            .map_or("signal".to_owned(), |code| code.to_string());
        let told = format!(
            "exit {code}\n--- standard output\n{}--- standard error\n{}",
            self.stdout, self.stderr
        );
        without_entry_ids(&told)
    }

    /// As [`Run::told`], without how long it took.
    pub fn told_without_seconds(&self) -> String {
        let told = self.told();
        match told.rfind(" replayed in ") {
            Some(at) => format!("{} replayed in [time]\n", &told[..at]),
            None => told,
        }
    }

    /// What is warned of.
    pub fn warnings(&self) -> Vec<&str> {
        let lines = self.stderr.lines();
        lines.filter(|line| line.starts_with("warning: ")).collect()
    }

    /// Asserts that it said all of these words besides its data.
    pub fn assert_said(&self, words: &[&str]) {
        for word in words {
            assert!(self.stderr.contains(word), "no {word:?} in {}", self.stderr);
        }
    }

    /// Asserts that it failed with this code, printed no data and said all of these words.
    pub fn assert_refused(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{}", self.stderr);
        assert_eq!(self.stdout, "");
        self.assert_said(words);
    }
}

/// `text` with the entry ids of the present replaced.
fn without_entry_ids(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at(start);
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let ms = digits(from);
        let seq = from[ms..].strip_prefix('-').map_or(0, digits);
        out.push_str(before);
        let end = if ms == 13 && seq > 0 {
            out.push_str("[id]");
            ms + 1 + seq
        } else {
            out.push_str(&from[..ms]);
            ms
        };
        rest = &from[end..];
    }
    out + rest
}

pub const SESSION: &str = r#"{"id":"e1","type":"session.started","session_id":"s1","user_id":"ada","timestamp":"2026-01-02T10:00:00Z"}
{"id":"e2","type":"message.added","session_id":"s1","user_id":"ada","timestamp":"2026-01-02T10:00:01.5Z","data":{"role":"user","content":"Where is my order?"}}
{"id":"e3","type":"tool.called","session_id":"s1","user_id":"ada","timestamp":"2026-01-02T10:00:02Z","data":{"tool":"find_order","arguments":{"user":"ada"}}}
{"id":"e4","type":"message.added","session_id":"s2","user_id":"bob","timestamp":"2026-01-02T10:00:03Z","data":{"role":"user","content":"Hello"}}
{"id":"e5","type":"error.occurred","session_id":"s1","user_id":"ada","timestamp":"2026-01-02T10:00:04Z","data":{"message":"timed out","tool":"find_order"}}
{"id":"e6","type":"session.ended","session_id":"s1","user_id":"ada","timestamp":"2026-01-02T10:00:05Z","data":{"reason":"error","duration_ms":5000}}
"#;
