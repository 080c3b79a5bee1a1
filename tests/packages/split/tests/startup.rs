//! What an extension is built from, and everything that keeps it from being built.
//!
//! The annotated handlers of this program are those of the library `split`, as they are of its own program.

#![allow(clippy::needless_raw_string_hashes)] // expect-test writes them

use std::{collections::BTreeSet, fs, path::PathBuf, time::Duration};

use expect_test::{Expect, expect};
use kiket::prelude::*;
use serde_json::{Value, json};
use split as _;
use tempfile::TempDir;

const SECRET: (&str, &str) = ("KIKET_WEBHOOK_SECRET", "sh_environment_0");

/// An extension with a secret and one handler, independent of what surrounds it.
fn alone() -> ExtensionBuilder {
    Extension::builder().environment([SECRET]).without_manifest().without_collected().on(
        "issue.created",
        "v1",
        on_issue_created,
    )
}

async fn on_issue_created() {}

/// A manifest on disk.
struct OnDisk {
    directory: TempDir,
    path: PathBuf,
}

fn manifest(text: &str) -> OnDisk {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("extension.yaml");
    fs::write(&path, text).unwrap();
    OnDisk { directory, path }
}

/// The text of the error that `builder` ends with.
#[track_caller]
fn refusal(builder: ExtensionBuilder) -> String {
    match builder.build() {
        Ok(extension) => panic!("it starts: {extension:?}"),
        Err(error) => error.to_string(),
    }
}

/// `builder` is refused for as many reasons as there are `parts`, and they say them.
#[track_caller]
fn check(builder: ExtensionBuilder, parts: &[&str]) {
    let error = builder.build().unwrap_err();
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert_eq!(error.problems().len(), parts.len(), "{text}");
}

/// What a person reads; lines and columns of Rust files, which move, are left out.
#[track_caller]
fn check_text(text: &str, expected: &Expect) {
    let mut pieces = text.split(".rs:");
    let mut shown = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        shown += ".rs:…";
        shown += piece.trim_start_matches(|c: char| c.is_ascii_digit() || c == ':');
    }
    expected.assert_eq(&shown);
}

#[test]
fn nothing_more_than_a_secret_and_a_handler_is_needed() {
    let extension = alone().build().unwrap();
    assert_eq!(extension.events(), ["issue.created"]);
    assert_eq!((extension.id(), extension.version()), (None, None));
    assert_eq!((extension.config().host(), extension.config().port()), ("127.0.0.1", 8000));
    assert!(extension.report().warnings.is_empty());
}

#[test]
fn two_handlers_of_one_version_are_reported_with_both_places() {
    let collected = || Extension::builder().environment([SECRET]).without_manifest().state(());
    let text = refusal(alone().on("issue.created", "1.0", async || ()));
    check_text(
        &text,
        &expect![[r#"
        the extension does not start

        `startup::two_handlers_of_one_version_are_reported_with_both_places::{{closure}}` and `startup::on_issue_created` both handle `issue.created` in version `1.0`
          --> tests/packages/split/tests/startup.rs:…
           = help: remove one of them, or give it another version; the other is at tests/packages/split/tests/startup.rs:…
    "#]],
    );
    // One with the attribute, one without.
    let error = collected().on("issue.created", "v1", on_issue_created).build().unwrap_err();
    let duplicate = error.problems().iter().find(|problem| problem.what.contains("both handle")).unwrap();
    assert!(duplicate.what.contains("`split::issues::on_issue_created`"), "{duplicate}");
    assert!(duplicate.what.contains("`startup::on_issue_created`"), "{duplicate}");
    let text = duplicate.to_string();
    assert!(text.contains("tests/startup.rs:") && text.contains("src/issues.rs:"), "{text}");
    // Other versions are other handlers.
    assert!(alone().on("issue.created", "v2", async || ()).build().is_ok());
}

#[test]
fn a_missing_state_is_reported_with_its_handler() {
    async fn on_count(count: State<u64>) {
        let _ = count;
    }
    async fn on_two(count: State<u64>, name: State<String>) {
        let _ = (count, name);
    }
    let builder = || alone().on("count", "v1", on_count);
    check_text(
        &refusal(builder()),
        &expect![[r#"
        the extension does not start

        no value for `State<u64>`, required by `startup::a_missing_state_is_reported_with_its_handler::on_count`
          --> tests/packages/split/tests/startup.rs:…
           = help: give a value of that type to the builder: `builder.state(value)` in `kiket::main!(setup = …)`
    "#]],
    );
    check(builder().state(1_u32), &["`startup::a_missing_state_is_reported_with_its_handler::on_count`"]);
    check(alone().on("two", "v1", on_two), &["`State<u64>`", "`State<alloc::string::String>`"]);
    assert!(builder().state(1_u64).build().is_ok());
    // A handler with the attribute asks in the same way.
    check(
        Extension::builder().environment([SECRET]).without_manifest(),
        &["no value for `State<split::comments::Count>`, required by `split::comments::on_comment_created`"],
    );
}

#[tokio::test]
async fn the_setup_of_a_program_gives_what_its_handlers_ask_for() {
    let builder = split::setup(Extension::builder().environment([SECRET]).without_manifest()).await.unwrap();
    let extension = builder.build().unwrap();
    let functions: Vec<_> = extension.report().handlers.iter().map(|handler| &handler.function).collect();
    assert_eq!(functions.len(), 8, "{functions:?}");
    assert!(functions.iter().all(|function| function.starts_with("split::")), "{functions:?}");
}

#[test]
fn an_extension_without_handlers_does_not_start() {
    let builder = Extension::builder().environment([SECRET]).without_manifest().without_collected();
    check_text(
        &refusal(builder),
        &expect![[r#"
        the extension does not start

        there are no handlers
           = help: annotate a function: `#[kiket::webhook("issue.created", version = "v1")]`; handlers in a library crate are linked when the program names it: `kiket::main!(crates = [my_library])`
    "#]],
    );
}

#[test]
fn a_manifest_that_is_named_must_be_there() {
    let directory = tempfile::tempdir().unwrap();
    let there = directory.path().display().to_string();
    let text = refusal(alone().manifest(directory.path().join("extension.yaml"))).replace(&there, "…");
    check_text(
        &text,
        &expect![[r#"
            the extension does not start

            the manifest cannot be read: No such file or directory (os error 2)
              --> …/extension.yaml
               = help: check that the path is right, like `extension.yaml`, and that the file may be read
        "#]],
    );
    check(alone().manifest(directory.path()), &["the manifest is no regular file, found a directory"]);
}

#[test]
fn the_manifest_of_the_working_directory_is_found() {
    let searched = || Extension::builder().environment([SECRET]).without_collected();
    let extension = searched().on("issue.created", "v1", on_issue_created).build().unwrap();
    assert_eq!(extension.report().manifest.as_deref(), Some("extension.yaml".as_ref()));
    assert_eq!(extension.id(), Some("com.example.split"));
}

#[test]
fn disagreements_are_warnings_unless_strict() {
    let OnDisk { directory: _directory, path } = manifest("hooks: [issue.create]\ndelivery_secret: s\n");
    let extension = alone().manifest(&path).build().unwrap();
    let warnings: Vec<_> = extension.report().warnings.iter().map(|warning| warning.what.as_str()).collect();
    let [undeclared, unhandled] = warnings.as_slice() else { panic!("{warnings:?}") };
    assert!(
        undeclared.starts_with("`issue.created` is handled by `startup::on_issue_created`"),
        "{undeclared}"
    );
    assert_eq!(*unhandled, "`issue.create` is declared and has no handler");
    check(
        alone().manifest(&path).strict(true),
        &["did you mean `issue.create`?", "did you mean `issue.created`?"],
    );
    assert!(alone().strict(true).build().is_ok());
}

/// The warnings of an extension with this manifest and these variables.
#[track_caller]
fn warnings(text: &str, variables: &[(&'static str, &'static str)]) -> Vec<String> {
    let OnDisk { directory: _directory, path } = manifest(text);
    let extension = alone().environment([&[SECRET], variables].concat()).manifest(path).build().unwrap();
    extension.report().warnings.iter().map(ToString::to_string).collect()
}

/// What the files that extensions ship with look like around a part of them.
const FORMS: [&str; 5] = [
    "id: com.example.mail\nversion: 1.0.0\n…\n",
    "model_version: '1.0'\nextension: { id: com.example.mail, version: 1.0.0, delivery: http }\n…\n",
    "extension:\n  id: com.example.mail\n  delivery: http\n  …\n",
    "apiVersion: kiket.dev/v1\nkind: Extension\nmetadata: { key: mail, version: 1.0.0 }\nspec:\n  …\n",
    "apiVersion: kiket.dev/v1\nkind: Extension\nmetadata: { key: mail, version: 1.0.0 }\n…\n",
];

#[test]
fn a_required_secret_of_a_list_is_warned_of() {
    let list =
        "secrets: [{ key: MAIL_HOOK_TOKEN, required: false }, { name: MAIL_API_TOKEN, required: true }]";
    let lists = [list.to_owned(), format!("configuration: {{ {list} }}")];
    for (form, list) in FORMS.iter().flat_map(|form| lists.iter().map(move |list| (form, list))) {
        let text = form.replace('…', list);
        let [warning] = &warnings(&text, &[])[..] else { panic!("{text}: {:?}", warnings(&text, &[])) };
        let parts =
            ["requires the setting `MAIL_API_TOKEN`", "extension.yaml:", "KIKET_SECRET_MAIL_API_TOKEN"];
        assert!(parts.iter().all(|part| warning.contains(part)), "{text}: {warning}");
        for variable in ["MAIL_API_TOKEN", "KIKET_SECRET_MAIL_API_TOKEN"] {
            assert!(warnings(&text, &[(variable, "t")]).is_empty(), "{text}: {variable}");
        }
    }
}

#[test]
fn a_required_setting_is_warned_of_until_it_is_set() {
    for form in FORMS {
        let text = form.replace('…', "configuration: { REGION: { type: string, required: true } }");
        for variables in [&[][..], &[("region", "eu")]] {
            let warnings = warnings(&text, variables);
            let [warning] = &warnings[..] else { panic!("{text}: {warnings:?}") };
            let parts = ["requires the setting `REGION`", "extension.yaml:", "KIKET_SETTING_REGION"];
            assert!(parts.iter().all(|part| warning.contains(part)), "{text}: {warning}");
        }
        for variable in ["REGION", "KIKET_SETTING_REGION", "KIKET_SECRET_REGION"] {
            assert_eq!(warnings(&text, &[(variable, "eu")]), Vec::<String>::new(), "{text}: {variable}");
        }
        let OnDisk { directory: _directory, path } = manifest(&text);
        let set = alone().manifest(path).setting("REGION", "eu").strict(true);
        assert!(set.build().is_ok(), "{text}");
    }
}

#[test]
fn an_action_without_a_handler_is_named() {
    let actions = [
        ("setup: [{ test: { action: parse.connectMailbox, label: Connect } }]", "parse.connectMailbox"),
        ("commands: [{ id: sync.issueNow, name: Sync }]", "sync.issueNow"),
    ];
    for (form, (action, event)) in FORMS.iter().flat_map(|form| actions.map(|action| (form, action))) {
        let text = form.replace('…', action);
        let [warning] = &warnings(&text, &[])[..] else { panic!("{text}: {:?}", warnings(&text, &[])) };
        assert!(
            warning.starts_with(&format!("`{event}` is declared and has no handler")),
            "{text}: {warning}"
        );
        // With one it is a delivery by that name, also in strict mode.
        let OnDisk { directory: _directory, path } = manifest(&text);
        let strict = alone().manifest(path).strict(true).on(event, "v1", async || ());
        assert!(strict.build().is_ok(), "{text}");
    }
}

#[test]
fn lists_in_json_are_read_as_those_in_yaml() {
    let lists = r#"{ "secrets": [{ "key": "CHAT_TOKEN", "required": false }], "settings": [{ "key": "CHAT_REGION", "default": "eu" }] }"#;
    let texts = [
        format!(r#"{{ "id": "com.example.lists", "version": "1.0.0", "configuration": {lists} }}"#),
        format!(r#"{{ "extension": {{ "id": "com.example.lists", "configuration": {lists} }} }}"#),
        "id: com.example.lists\nconfiguration:\n  secrets:\n    - { key: CHAT_TOKEN, required: false }\n  settings:\n    - { key: CHAT_REGION, default: eu }\n".to_owned(),
    ];
    for text in texts {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("configuration-lists.json");
        fs::write(&path, &text).unwrap();
        let variables = [SECRET, ("CHAT_TOKEN", "c1")];
        let extension = alone().environment(variables).manifest(path).strict(true).build().unwrap();
        assert_eq!(extension.id(), Some("com.example.lists"), "{text}");
        let settings = extension.config().settings();
        assert_eq!(settings.get::<String>("CHAT_REGION").unwrap(), "eu", "{text}");
        assert_eq!(settings.secret("CHAT_TOKEN").map(kiket::Secret::expose), Some("c1"), "{text}");
    }
}

#[test]
fn an_invalid_name_is_reported_with_its_place() {
    check_text(
        &refusal(alone().on("issue created", "latest", async || ())),
        &expect![[r#"
        the extension does not start, for 2 reasons

        `issue created` is not the name of an event
          --> tests/packages/split/tests/startup.rs:…
           = help: an event name is one to eight segments of letters, digits, `_` and `-` joined by dots, at most 128 bytes, like `issue.created`

        `latest` is not the version of an event
          --> tests/packages/split/tests/startup.rs:…
           = help: an event version is a `v` and digits, or digits with dots, at most 16 bytes, like `v1`
    "#]],
    );
    for (event, version) in [("", "v1"), ("a..b", "v1"), ("a", ""), ("a", "v"), ("a", "v1a")] {
        check(alone().on(event, version, async || ()), &["tests/startup.rs:"]);
    }
}

#[test]
fn a_prefix_is_a_path() {
    for prefix in ["", "/kiket", "/hooks/kiket", "/v1.0/a_b-c~"] {
        assert!(alone().http(|http| http.prefix(prefix)).build().is_ok(), "{prefix}");
    }
    for prefix in ["kiket", "/", "/kiket/", "/a//b", "/{id}", "/a b", "/a?b", "/a%20b", "//"] {
        check(alone().http(|http| http.prefix(prefix)), &[&format!("`{prefix}` is not a prefix of paths")]);
    }
}

const LAYERED: &str = "
id: com.example.manifest
version: 1.0.0
delivery_secret: sh_manifest
settings:
  - { key: RETRIES, default: 3 }
  - { key: API_KEY, secret: true, default: api_manifest }
hooks:
  - { event: issue.created, timeout: 4000 }
";

/// The secrets, the id, the version, `RETRIES` and `API_KEY` of an extension.
fn layered(builder: ExtensionBuilder) -> Value {
    let extension = builder.build().unwrap();
    let config = extension.config();
    let secrets: Vec<_> = config.webhook_secrets().iter().map(kiket::Secret::expose).collect();
    json!({
        "id": config.extension_id(),
        "version": config.extension_version(),
        "secrets": secrets,
        "retries": config.settings().get::<Value>("RETRIES").ok(),
        "key": config.settings().secret("API_KEY").map(kiket::Secret::expose),
        "port": config.port(),
    })
}

#[test]
fn settings_come_from_builder_environment_manifest_default() {
    let OnDisk { directory: _directory, path } = manifest(LAYERED);
    let nothing = || alone().environment([("", ""); 0]);
    let environment =
        [SECRET, ("KIKET_SECRET_API_KEY", "api_environment"), ("PORT", "9"), ("KIKET_SECRET_RETRIES", "9")];
    let given = |builder: ExtensionBuilder| {
        let builder = builder
            .id("com.example.builder")
            .version("2.0.0")
            .webhook_secret("sh_builder")
            .http(|http| http.port(10));
        builder.setting("RETRIES", 5).setting("API_KEY", "api_builder")
    };

    assert_eq!(
        layered(alone()),
        json!({ "id": null, "version": null, "secrets": ["sh_environment_0"], "retries": null, "key": null, "port": 8000 })
    );
    assert_eq!(
        layered(nothing().manifest(&path)),
        json!({
            "id": "com.example.manifest", "version": "1.0.0", "secrets": ["sh_manifest"],
            "retries": 3, "key": "api_manifest", "port": 8000,
        })
    );
    // A variable fills every setting, with its text.
    assert_eq!(
        layered(alone().environment(environment).manifest(&path)),
        json!({
            "id": "com.example.manifest", "version": "1.0.0", "secrets": ["sh_environment_0"],
            "retries": "9", "key": "api_environment", "port": 9,
        })
    );
    assert_eq!(
        layered(given(alone().environment(environment).manifest(&path))),
        json!({
            "id": "com.example.builder", "version": "2.0.0", "secrets": ["sh_builder"],
            "retries": 5, "key": "api_builder", "port": 10,
        })
    );
}

#[test]
fn a_timeout_is_the_hooks_else_the_callbacks_else_the_builders() {
    #[track_caller]
    fn check(text: Option<&str>, change: impl FnOnce(ExtensionBuilder) -> ExtensionBuilder, expected: u64) {
        let on_disk = text.map(manifest);
        let builder = match &on_disk {
            Some(OnDisk { path, .. }) => alone().manifest(path),
            None => alone(),
        };
        let extension = change(builder).build().unwrap();
        assert_eq!(extension.report().handlers[0].timeout, Duration::from_secs(expected), "{text:?}");
    }
    let longer = |builder: ExtensionBuilder| builder.handler_timeout(Duration::from_secs(20));
    let callback = "extension: { callback: { timeout: 7000 } }";
    let both = "extension: { callback: { timeout: 7000 }, hooks: [{ event: issue.created, timeout: 4000 }] }";
    check(None, |builder| builder, 10);
    check(None, longer, 20);
    check(Some(callback), longer, 7);
    check(Some(both), longer, 4);
}

#[test]
fn named_crates_are_those_that_have_the_handlers() {
    let functions = |builder: ExtensionBuilder| -> BTreeSet<String> {
        let extension = builder.environment([SECRET]).without_manifest().build().unwrap();
        extension.report().handlers.iter().map(|handler| handler.function.clone()).collect()
    };
    // What the library asks for is its own affair; this program cannot provide it.
    let unmet = "required by `split::comments::on_comment_created`";
    let builder = || Extension::builder().environment([SECRET]).without_manifest();
    check(builder(), &[unmet]);
    check(builder().crates(["split"]), &[unmet]);
    check(builder().crates(["another"]), &["the crate `split` has handlers and is not named"]);
    check(builder().crates(["split-"]), &["the crate `split` has handlers and is not named"]);
    check(builder().crates([""; 0]), &["the crate `split` has handlers and is not named"]);
    // One that has none was dropped by the linker, or does not exist.
    let dropped = "the crate `startup` is named as part of this extension and has no handlers";
    check(builder().crates(["split", "startup"]).strict(true), &[unmet, dropped]);
    let extension =
        builder().crates(["split", "startup"]).without_collected().on("a", "v1", on_issue_created);
    assert!(extension.build().unwrap().report().warnings.is_empty());
    let own = functions(Extension::builder().without_collected().on("a", "v1", on_issue_created));
    assert_eq!(own.into_iter().collect::<Vec<_>>(), ["startup::on_issue_created"]);
}

#[test]
fn all_problems_are_reported_at_once() {
    async fn on_count(count: State<u64>) {
        let _ = count;
    }
    let OnDisk { directory, path } = manifest("id: [1]\nhooks: [issue created]\n");
    let builder = Extension::builder()
        .environment([("PORT", "http"), ("KIKET_WEBHOOK_SECRET", "canary\n")])
        .manifest(&path)
        .crates(["another"])
        .on("issue created", "v1", async || ())
        .on("count", "v1", on_count)
        .on("count", "v1.0", async || ())
        .http(|http| http.prefix("kiket"));
    let text = refusal(builder);
    assert!(!text.contains("canary"), "{text}");
    check_text(
        &text.replace(&directory.path().display().to_string(), "…"),
        &expect![[r#"
            the extension does not start, for 9 reasons

            `issue created` is not the name of an event
              --> tests/packages/split/tests/startup.rs:…
               = help: an event name is one to eight segments of letters, digits, `_` and `-` joined by dots, at most 128 bytes, like `issue.created`

            `id` is text, found a list
              --> …/extension.yaml:1:1
               |
             1 | id: [1]
               | ^
               = help: write one line of text, in quotes if need be

            an event is named like `issue.created`, found `issue created`
              --> …/extension.yaml:2:9
               |
             2 | hooks: [issue created]
               |         ^
               = help: write one to eight words of letters, digits, `_` and `-`, joined by dots

            the webhook secret has white space at an end; it comes from `KIKET_WEBHOOK_SECRET`
               = help: give exactly the text that Kiket shows, without white space at its ends

            `PORT` is not a port: expected 0 to 65535
               = help: set it to a number, or unset it to listen on 8000

            the crate `split` has handlers and is not named as part of this extension: `split::comments::on_comment_created`, `split::issues::on_issue_created`, `split::issues::on_issue_created_v2`, `split::work::blocking`, `split::work::broken`, `split::work::endless`, `split::work::held`, `split::work::slow`
              --> tests/packages/split/src/comments.rs:…
               = help: name it, if its handlers belong here: `kiket::main!(crates = [split])`, or `.crates([…])` on the builder; where `Cargo.toml` renames it, `crates = [name_here = "split"]`

            no value for `State<u64>`, required by `startup::all_problems_are_reported_at_once::on_count`
              --> tests/packages/split/tests/startup.rs:…
               = help: give a value of that type to the builder: `builder.state(value)` in `kiket::main!(setup = …)`

            `kiket` is not a prefix of paths
               = help: write it like `/kiket` or `/hooks/kiket`: a slash before every segment, none at the end

            `startup::all_problems_are_reported_at_once::{{closure}}` and `startup::all_problems_are_reported_at_once::on_count` both handle `count` in version `v1.0`
              --> tests/packages/split/tests/startup.rs:…
               = help: remove one of them, or give it another version; the other is at tests/packages/split/tests/startup.rs:…
        "#]],
    );
}

#[test]
fn a_secret_is_missed_unless_the_manifest_may_have_had_it() {
    let nothing = || alone().environment([("", ""); 0]);
    check(nothing(), &["there is no webhook secret"]);
    check(nothing().on("a b", "v1", async || ()), &["an event name is", "there is no webhook secret"]);
    let OnDisk { directory: _directory, path } = manifest("id: [1]\n");
    check(nothing().manifest(&path), &["`id` is text, found a list"]);
    let OnDisk { directory: _directory, path } = manifest("delivery_secret: env:NOT_THERE\n");
    check_text(
        &refusal(nothing().manifest(&path)).replace(&path.display().to_string(), "extension.yaml"),
        &expect![[r#"
            the extension does not start

            the manifest takes the webhook secret from `NOT_THERE`, which is not set
              --> extension.yaml:1:18
               = help: set `NOT_THERE`, or `KIKET_WEBHOOK_SECRET`
        "#]],
    );
}
