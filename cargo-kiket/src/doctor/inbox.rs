//! The inbox: its keys, whether its file lasts, and whether its server can be reached.

use std::path::Path;

use kiket_runtime::{
    Secret,
    inbox::{InboxLimits, inbox_from_url},
    internals::InboxVariables,
};

use super::{
    finding::{Finding, State},
    machine, store,
};

const ID: &str = "inbox";

/// Examines what the environment says of the inbox. The settings of a PostgreSQL that is the store of deduplication, too, are known.
pub(super) fn examine(variables: Option<&InboxVariables>, dedupe: Option<&Secret>) -> Vec<Finding> {
    let Some(variables) = variables else {
        return vec![Finding::ok(ID, "it is not configured: no `later` handler could store its deliveries")];
    };
    let of = |state| move |problem| Finding::of(ID, state, problem);
    let mut findings: Vec<_> = variables.problems.iter().map(of(State::Fix)).collect();
    findings.extend(variables.warnings.iter().map(of(State::Warn)));
    if !variables.has_key && variables.problems.is_empty() {
        findings.push(Finding::warn(
            ID,
            "it has no key: the start stops where there is a `later` handler, unless the builder says `without_secrets`",
            "set `KIKET_INBOX_KEY` to what `openssl rand -base64 32` prints, the same at every start",
        ));
    }
    if let Some(url) = &variables.url {
        findings.extend(place(url, variables.is_ephemeral, dedupe));
    }
    findings
}

fn place(url: &Secret, is_ephemeral: bool, dedupe: Option<&Secret>) -> Vec<Finding> {
    let mut limits = InboxLimits::default();
    let mut findings = Vec::new();
    let lasts = match inbox_from_url(url.expose(), limits) {
        Ok(inbox) => inbox.lasts(),
        Err(error) => return vec![store::refused(ID, &error)],
    };
    if let Err(error) = lasts {
        findings.push(store::refused(ID, &error));
        if !is_ephemeral {
            return findings;
        }
        findings[0].state = State::Warn;
    }
    limits.is_ephemeral = is_ephemeral;
    let Ok(inbox) = inbox_from_url(url.expose(), limits) else { return findings };
    match url.expose().strip_prefix("sqlite:").map(|file| Path::new(file.strip_prefix("//").unwrap_or(file)))
    {
        Some(file) if file == ":memory:" => findings.push(Finding::warn(
            ID,
            "it is in memory: accepted deliveries are lost with the process",
            "name a file on a disk that lasts: `sqlite:/var/lib/my-extension/inbox.db`",
        )),
        Some(file) if !file.exists() => findings.push(absent(file)),
        _ => match store::runtime(ID) {
            Err(finding) => findings.push(finding),
            Ok(runtime) => {
                findings.push(store::checked(ID, "the inbox", &runtime, inbox.check()));
                if dedupe.is_none_or(|dedupe| dedupe.expose() != url.expose()) {
                    findings.extend(store::postgres(ID, &runtime, url));
                }
            }
        },
    }
    findings
}

/// A file that the first start makes.
fn absent(file: &Path) -> Finding {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match machine::written(folder) {
        Ok(()) => Finding::ok(ID, format!("`{}` can be made by the first start", file.display())),
        Err(error) => Finding::fix(
            ID,
            format!("`{}` cannot be made: {error}", file.display()),
            "name a file in a folder that the user of the extension owns in `KIKET_INBOX_URL`",
        ),
    }
}
