//! Captures that have a secret: files in `captures` with a value that the environment names as one.

use std::{fs, path::Path};

use kiket_runtime::error::ProblemId;
use kiket_testing::Capture;
use serde_json::{Value, json};

use crate::known;

/// The problems of the captures of a program, as the program itself would report them.
pub(super) fn problems(folder: &Path) -> Vec<Value> {
    let known = known::secrets();
    let listed = fs::read_dir(folder.join("captures")).into_iter().flatten().flatten();
    let mut names: Vec<_> = listed.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.retain(|name| Path::new(name).extension().is_some_and(|extension| extension == "json"));
    names.sort();
    let mut found = Vec::new();
    for name in names {
        let file = format!("captures/{name}");
        // Others may lie there, too.
        let Ok(capture) = Capture::load(folder.join(&file)) else { continue };
        found.extend(capture.leaks(&known).into_iter().map(|leak| {
            json!({
                "id": ProblemId::CaptureLeaks.as_str(),
                "severity": "error",
                "what": format!("the capture has the value of `{}` at `{}`", leak.name, leak.at),
                "place": { "file": file, "line": 0, "column": 0, "excerpt": null },
                "help": format!(
                    "write `<redacted:{}>` in its place, and change the secret if others had the file",
                    leak.name
                ),
                "fix": null,
            })
        }));
    }
    found
}
