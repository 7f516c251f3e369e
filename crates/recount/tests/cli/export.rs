//! `recount export --output`: what it replaces, what it only writes to, and what it leaves alone.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use super::support::{Run, Sandbox};

fn export(sandbox: &Sandbox, file: &str) -> Run {
    sandbox.run(&["export", "--quiet", "--output", file])
}

fn lines(path: &Path) -> usize {
    fs::read_to_string(path).unwrap().lines().count()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// What stands in the folder, sorted.
fn names(sandbox: &Sandbox) -> Vec<String> {
    let entries = fs::read_dir(sandbox.path()).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_file_keeps_its_mode_and_a_new_one_gets_the_usual() {
    let sandbox = Sandbox::new().with_session();
    let (new, old) = (sandbox.path().join("new"), sandbox.path().join("old"));
    for bits in [0o600, 0o640, 0o666] {
        fs::write(&old, "before").unwrap();
        fs::set_permissions(&old, fs::Permissions::from_mode(bits)).unwrap();
        assert_eq!(export(&sandbox, "old").code, Some(0));
        assert_eq!((lines(&old), mode(&old)), (6, bits));
    }
    assert_eq!(export(&sandbox, "new").code, Some(0));
    fs::write(sandbox.path().join("usual"), "").unwrap();
    assert_eq!(mode(&new), mode(&sandbox.path().join("usual")));
}

#[test]
fn a_link_stays_and_its_target_is_replaced() {
    let sandbox = Sandbox::new().with_session();
    fs::create_dir(sandbox.path().join("kept")).unwrap();
    let target = sandbox.path().join("kept/backup");
    symlink("kept/backup", sandbox.path().join("link")).unwrap();
    symlink("link", sandbox.path().join("link-to-link")).unwrap();
    for before in [None, Some("before")] {
        if let Some(text) = before {
            fs::write(&target, text).unwrap();
        }
        assert_eq!(export(&sandbox, "link-to-link").code, Some(0));
        assert_eq!(lines(&target), 6);
    }
    let link = sandbox.path().join("link");
    assert!(fs::symlink_metadata(link).unwrap().is_symlink());
}

#[test]
fn devices_and_pipes_are_written_as_they_are() {
    let sandbox = Sandbox::new().with_session();
    assert_eq!(export(&sandbox, "/dev/null").code, Some(0));
    for name in ["-", "/dev/stdout"] {
        let run = export(&sandbox, name);
        assert_eq!((run.code, run.stdout.lines().count()), (Some(0), 6));
    }
    let pipe = sandbox.path().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let reading = pipe.clone();
    let reader = std::thread::spawn(move || lines(&reading));
    assert_eq!(export(&sandbox, "pipe").code, Some(0));
    assert_eq!(reader.join().unwrap(), 6);
    assert_eq!(names(&sandbox), ["pipe", "recount-data"]);
}

#[test]
fn waiting_for_a_pipe_can_be_interrupted() {
    let sandbox = Sandbox::new().with_session();
    let made = Command::new("mkfifo")
        .arg(sandbox.path().join("pipe"))
        .status();
    assert!(made.unwrap().success());
    let mut child = sandbox
        .command(&["export", "--output", "pipe"])
        .spawn()
        .unwrap();
    let stderr = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut stderr = std::io::BufRead::lines(stderr);
    assert!(stderr.next().unwrap().unwrap().contains("reading"));
    let id = child.id().to_string();
    Command::new("kill").args(["-INT", &id]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn what_cannot_be_written_is_refused_by_its_own_name() {
    let sandbox = Sandbox::new().with_session();
    fs::create_dir(sandbox.path().join("folder")).unwrap();
    export(&sandbox, "folder").assert_refused(2, &["writing folder: it is a directory"]);
    export(&sandbox, "no/file").assert_refused(2, &["writing no/file: there is no directory no"]);
    symlink("loop", sandbox.path().join("loop")).unwrap();
    export(&sandbox, "loop").assert_refused(1, &["writing loop: "]);
    for run in [export(&sandbox, "folder"), export(&sandbox, "no/file")] {
        assert!(!run.stderr.contains(".recount-export-"), "{}", run.stderr);
    }
    assert_eq!(names(&sandbox), ["folder", "loop", "recount-data"]);
}
