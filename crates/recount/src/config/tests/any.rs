//! Whatever a file holds, it is settings or errors.

use proptest::prelude::*;

use super::*;

/// Pieces that files are made of, and some that they are not.
fn pieces() -> impl Strategy<Value = String> {
    let mut words: Vec<String> = [
        "=",
        " ",
        "\n",
        "\r\n",
        "\"",
        "'",
        "[",
        "]",
        ".",
        ",",
        "{",
        "}",
        "#",
        "\"\"\"",
        "\\",
        "\0",
        "\u{feff}",
        "日",
        "://",
        "@",
        "~",
        "1_000",
        "-1",
        "9999999999999999999999",
        "0x1",
        "1.5",
        "true",
        "\"5s\"",
        "\"1MiB\"",
        "\"forever\"",
        "\"disk:x\"",
        "limits",
        "retention",
        "1979-05-27",
    ]
    .map(str::to_owned)
    .into();
    words.extend(SETTINGS.iter().map(|setting| setting.key.to_owned()));
    words.extend(example().lines().map(|line| format!("{line}\n")));
    let pieces = proptest::collection::vec(proptest::sample::select(words), 0..40);
    pieces.prop_map(|pieces| pieces.concat())
}

fn check(contents: &[u8]) {
    match ConfigFile::parse(Path::new("f"), contents) {
        Ok(file) => {
            let resolved = Sources {
                file: Some(&file),
                ..Sources::default()
            };
            let _ = resolved.resolve();
        }
        Err(told) => {
            assert!(!told.errors.is_empty());
            let lines = contents.split(|&byte| byte == b'\n').count();
            for error in told.errors {
                let Place::File(place) = error.place else {
                    panic!("{:?}", error.place);
                };
                assert!((1..=lines).contains(&place.line) && place.column >= 1);
                let _ = &place.text[place.marked];
            }
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_settings_or_errors_with_places(contents in proptest::collection::vec(any::<u8>(), 0..300)) {
        check(&contents);
    }

    #[test]
    fn any_mixture_of_what_files_are_made_of_too(text in pieces(), cut in any::<prop::sample::Index>()) {
        check(text.as_bytes());
        check(&text.as_bytes()[..cut.index(text.len() + 1)]);
    }
}
