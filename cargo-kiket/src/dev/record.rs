//! `--record`: each delivery as a file, without secrets.

use std::{
    io,
    path::{Path, PathBuf},
};

use kiket_testing::Capture;

use super::{
    control::write_new,
    event::{Event, Events},
};
use crate::console::Store;

/// How many files one run makes.
const MOST_FILES: usize = 10_000;
/// How many deliveries may have one event and id.
const MOST_ALIKE: usize = 1_000;
/// How long the name of a file may be, without its ending.
const LONGEST_NAME: usize = 120;

/// Records every delivery that ends from now on. One that was refused before a handler is left out, as it is no test.
pub(super) fn begin(store: &Store, folder: PathBuf, events: &Events) {
    let (events, mut made) = (events.clone(), 0);
    store.record(Box::new(move |_, capture| {
        if capture.response.is_none() || made > MOST_FILES {
            return;
        }
        made += 1;
        let event = if made > MOST_FILES {
            Event::Note(format!("{MOST_FILES} deliveries are recorded; the others are not"))
        } else {
            match write(&folder, &capture) {
                Ok(file) => Event::Recorded(file),
                Err(error) => {
                    Event::Note(format!("a delivery is not recorded: `{}`: {error}", folder.display()))
                }
            }
        };
        let _ = events.try_send(event);
    }));
}

/// Writes a file that is not there yet.
fn write(folder: &Path, capture: &Capture) -> io::Result<PathBuf> {
    let name = name(capture);
    for number in 1..=MOST_ALIKE {
        let end = if number == 1 { String::new() } else { format!("-{number}") };
        let file = folder.join(format!("{name}{end}.json"));
        match write_new(&file, capture) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            written => return written.map(|()| file),
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "too many deliveries have this id"))
}

/// A name of event and id that every file system takes.
fn name(capture: &Capture) -> String {
    let id = capture.delivery_id().map(|id| format!("-{id}")).unwrap_or_default();
    let plain = |char: char| if char.is_ascii_alphanumeric() || "._-".contains(char) { char } else { '_' };
    let name: String = format!("{}{id}", capture.event).chars().map(plain).take(LONGEST_NAME).collect();
    // A name that begins with a dot is hidden, or is a folder.
    format!("{}{name}", if name.starts_with('.') { "_" } else { "" })
}

#[cfg(test)]
mod tests {
    use kiket_testing::Recording;

    use super::*;

    #[test]
    fn names_of_files_are_plain_and_each_is_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let capture =
            |event: &str, body: &[u8]| Recording::new(event, "v1", body).responded(200, [], b"{}").capture();
        for (event, body, expected) in [
            ("issue.created", &b"{\"id\":\"evt_1\"}"[..], "issue.created-evt_1.json"),
            ("issue.created", b"{\"id\":\"evt_1\"}", "issue.created-evt_1-2.json"),
            ("issue.created", b"{\"id\":\"../../etc\\u0000\"}", "issue.created-.._.._etc_.json"),
            ("../x", b"no JSON", "_.._x.json"),
            ("", b"{}", ".json"),
        ] {
            let file = write(folder.path(), &capture(event, body)).unwrap();
            assert_eq!(file, folder.path().join(expected));
            assert_eq!(Capture::load(&file).unwrap().event, event);
        }
        let long = name(&capture(&"x".repeat(500), b"{}"));
        assert_eq!(long.len(), LONGEST_NAME);
    }
}
