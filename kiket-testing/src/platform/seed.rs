//! What a YAML file puts into the fake platform before its first call.
//!
//! It is read straight into types, without the tree of the manifest: a seed has one form, and its first mistake is
//! enough.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use kiket_runtime::{Problem, Secret, internals};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::{Value, json};

use super::{
    audit,
    collection::{Item, written},
    fields::check,
    ingestion, intake, issues,
    rate::RateWindow,
    secrets,
    state::State,
};

/// A whole seed; every part may be left out.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Seed {
    extension: Option<Extension>,
    secrets: BTreeMap<String, String>,
    custom_data: Vec<Contents>,
    sla_events: Vec<SlaEvent>,
    anchors: Vec<audit::Given>,
    raw_events: Vec<RawEvent>,
    rate_limit: Option<Rate>,
    intake_forms: Vec<IntakeForm>,
    issues: Vec<Issue>,
    projects: Vec<Project>,
    webhook_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Extension {
    id: Option<String>,
    name: Option<String>,
    version: Option<String>,
    metadata: Option<Item>,
}

/// What is in a table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    project_id: String,
    module: String,
    table: String,
    records: Vec<Item>,
}

#[derive(Deserialize)]
struct SlaEvent {
    state: SlaState,
    #[serde(flatten)]
    rest: Item,
}

#[derive(Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
enum SlaState {
    Imminent,
    Breached,
    Recovered,
}

/// The fields of a raw event, of which some are needed.
struct RawEvent(Item);

impl<'de> Deserialize<'de> for RawEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = Item::deserialize(deserializer)?;
        let text = "a raw event has the texts `sourceSystem`, `sourceEventType` and `idempotencyKey`, and the object `payload`";
        check(&fields, &ingestion::RAW_EVENT).map_err(|_| D::Error::custom(text))?;
        Ok(Self(fields))
    }
}

#[derive(Deserialize)]
struct IntakeForm {
    project_id: String,
    key: String,
    submissions: Option<Vec<Item>>,
    #[serde(flatten)]
    rest: Item,
}

#[derive(Deserialize)]
struct Issue {
    title: String,
    comments: Option<Vec<Item>>,
    #[serde(flatten)]
    rest: Item,
}

/// Its lists are as calls shall find them.
#[derive(Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
struct Project {
    slug: String,
    id: Option<Value>,
    workflows: Option<Vec<Item>>,
    boards: Option<Vec<Item>>,
    members: Option<Vec<Item>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rate {
    limit: u64,
    window_seconds: Option<u64>,
    remaining: Option<u64>,
}

impl Seed {
    pub(super) fn load(path: &Path) -> Result<Self, Problem> {
        let text = fs::read_to_string(path).map_err(|error| {
            let place = internals::place(path, (0, 0));
            let what = format!("the seed cannot be read: {error}");
            internals::problem(
                what,
                Some(place),
                "check that the path is right and that the file may be read",
            )
        })?;
        Self::parse(&text, path)
    }

    /// Reads `text`, which is called `file` where a problem names its place.
    pub(super) fn parse(text: &str, file: &Path) -> Result<Self, Problem> {
        // Without snippets: there are secrets in it.
        let options = serde_yaml::options! { with_snippet: false, strict_booleans: true };
        let seed = serde_yaml::from_str_with_options::<Option<Self>>(text, options);
        seed.map(Option::unwrap_or_default).map_err(|error| {
            let number = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
            let at = error.location().map_or((0, 0), |at| (number(at.line()), number(at.column())));
            let sentence = error.to_string();
            let what = sentence.split(" at line ").next().unwrap_or(&sentence);
            let place = internals::place(file, at);
            let what = format!("the seed is not as expected: {what}");
            let help = "see `kiket::testing::FakePlatformBuilder::seed_yaml` for what a seed may have";
            internals::problem(what, Some(place), help)
        })
    }

    /// Puts everything into `state`, besides what is there.
    pub(super) fn sow(self, state: &mut State, organization: &str, now: u64) {
        if let Some(extension) = self.extension {
            state.metadata.extend(extension.metadata.into_iter().flatten());
            for (field, text) in [("name", extension.name), ("version", extension.version)] {
                state.metadata.extend(text.map(|text| (field.to_owned(), text.into())));
            }
            state.extension_id = state.extension_id.take().or(extension.id);
        }
        for (key, value) in self.secrets {
            secrets::keep(&mut state.secrets, &key, &value, now);
        }
        for Contents { project_id, module, table, records } in self.custom_data {
            for record in records {
                state.records.add(&[&module, &table, &project_id], record, now);
            }
        }
        for SlaEvent { state: is, mut rest } in self.sla_events {
            rest.insert("state".into(), json!(is));
            state.sla_events.add(&[], rest, now);
        }
        for IntakeForm { project_id, key, submissions, mut rest } in self.intake_forms {
            rest.insert("key".into(), key.as_str().into());
            state.forms.add(&[&project_id], rest, now);
            for submission in submissions.into_iter().flatten() {
                let _ = intake::add_submission(state, &project_id, &key, submission, now);
            }
        }
        for Issue { title, comments, mut rest } in self.issues {
            rest.insert("title".into(), title.into());
            let key = written(&state.issues.add(&[], rest, now)["key"]);
            for comment in comments.into_iter().flatten() {
                let _ = issues::add_comment(state, &key, comment, now);
            }
        }
        for project in self.projects {
            if let Value::Object(project) = json!(project) {
                issues::add_project(state, project, now);
            }
        }
        if let Some(token) = self.webhook_token {
            state.webhook_token = Secret::new(token);
        }
        for anchor in self.anchors {
            audit::add(state, anchor, now);
        }
        for RawEvent(event) in self.raw_events {
            // It was checked when it was read; of two with one key, the first is there.
            let _ = ingestion::add_raw_event(state, event, organization, now);
        }
        if let Some(rate) = self.rate_limit {
            state.rate = RateWindow::new(rate.limit, Duration::from_secs(rate.window_seconds.unwrap_or(60)));
            if let Some(remaining) = rate.remaining {
                state.rate.leave(remaining, now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(text: &str) -> Problem {
        Seed::parse(text, Path::new("seed.yaml")).err().unwrap()
    }

    #[test]
    fn an_empty_seed_is_a_seed() {
        for text in ["", "# nothing\n", "{}", "secrets: {}\n"] {
            assert!(Seed::parse(text, Path::new("seed.yaml")).is_ok(), "{text:?}");
        }
    }

    #[test]
    fn texts_stay_as_they_were_written() {
        let text = "extension: { version: 1.10 }\nsecrets: { A: 007, B: 1.0, C: yes, D: \"\" }\n";
        let seed = Seed::parse(text, Path::new("seed.yaml")).ok().unwrap();
        assert_eq!(seed.extension.unwrap().version.as_deref(), Some("1.10"));
        assert_eq!(seed.secrets.values().collect::<Vec<_>>(), ["007", "1.0", "yes", ""]);
    }

    #[test]
    fn a_mistake_has_its_place_and_shows_no_secret() {
        #[track_caller]
        fn check(text: &str, words: &str, line: u32) {
            let problem = refused(text);
            let place = problem.place.as_ref().unwrap();
            assert_eq!((place.file.to_str(), place.line), (Some("seed.yaml"), line), "{problem}");
            assert!(place.column > 0, "{problem}");
            assert!(problem.what.contains(words), "{problem}");
            assert!(!problem.to_string().contains("canary"), "{problem}");
            assert!(!problem.what.contains("at line"), "{problem}");
        }
        check("secrets:\n  A: [canary]\n", "expected", 2);
        check("secrets:\n  - canary\n", "expected", 2);
        check("secrets: canary\n", "expected", 1);
        check("secrets: {}\nsecret: { A: canary }\n", "unknown field `secret`", 2);
        check("sla_events:\n  - state: late\n", "unknown variant `late`", 2);
        check("custom_data:\n  - module: crm\n    table: contacts\n    records: []\n", "project_id", 4);
        check("rate_limit:\n  limit: canary\n", "", 2);
        check("rate_limit: { limit: 1, left: 2 }\n", "unknown field `left`", 1);
        check("sla_events: [canary]\n", "", 1);
        check("anchors:\n  - records: []\n", "at least one record", 2);
        check("anchors:\n  - records: [{ id: 1, content_hash: 0x12 }]\n", "the leaf has 2 hex digits", 2);
        check("anchors:\n  - records: [{ id: 1 }]\n    status: done\n", "unknown variant `done`", 3);
        check("raw_events:\n  - { sourceSystem: canary }\n", "the object `payload`", 2);
        check("raw_events: [canary]\n", "", 1);
        check("secrets: {\n", "unclosed bracket", 1);
    }
}
