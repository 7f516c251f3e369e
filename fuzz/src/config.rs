//! Any bytes are a configuration file.

use std::path::Path;

use recount::config::{ConfigErrors, ConfigFile, Place, Sources};

/// It sets something, or every mistake is told with its place.
pub fn run(data: &[u8]) {
    let file = match ConfigFile::parse(Path::new("recount.toml"), data) {
        Ok(file) => file,
        Err(errors) => return told(&errors, data),
    };
    let sources = Sources {
        file: Some(&file),
        ..Sources::default()
    };
    match sources.resolve() {
        Ok(resolved) => assert!(resolved.all().count() > 0),
        Err(errors) => told(&errors, data),
    }
}

fn told(errors: &ConfigErrors, data: &[u8]) {
    assert!(!errors.errors.is_empty());
    assert!(!errors.to_string().is_empty());
    let lines = data.split(|&byte| byte == b'\n').count();
    for error in &errors.errors {
        assert!(!error.message.is_empty());
        if let Place::File(excerpt) = &error.place {
            assert!((1..=lines).contains(&excerpt.line), "{error}");
            assert!((1..=data.len() + 1).contains(&excerpt.column), "{error}");
        }
    }
}
