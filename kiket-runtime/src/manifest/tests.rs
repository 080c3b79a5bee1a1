//! Tests of whole manifests: how problems are shown, that secrets are not, and that no text panics.

#![allow(clippy::needless_raw_string_hashes, reason = "expect-test writes them")]

use std::path::Path;

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::Manifest;

/// A manifest without problems.
#[track_caller]
pub(crate) fn manifest(text: &str) -> Manifest {
    Manifest::parse(text, Path::new("extension.yaml")).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// The problems of a manifest, each as `line:column what`.
#[track_caller]
pub(super) fn problems(text: &str) -> Vec<String> {
    let problems = Manifest::parse(text, Path::new("extension.yaml")).err().unwrap_or_default();
    let line = |problem: &crate::error::Problem| {
        let place = problem.place.as_ref().expect("a problem of a manifest has a place");
        assert!(problem.help.as_deref().is_some_and(|mend| !mend.is_empty()), "{problem}");
        format!("{}:{} {}", place.line, place.column, problem.what)
    };
    problems.iter().map(line).collect()
}

/// Checks the problems as they are printed.
#[track_caller]
fn check_shown(text: &str, expected: &Expect) {
    let problems = Manifest::parse(text, Path::new("extension.yaml")).unwrap_err();
    let shown: Vec<_> = problems.iter().map(ToString::to_string).collect();
    expected.assert_eq(&shown.join("\n"));
}

#[test]
fn problems_of_a_file_have_a_place_and_advice() {
    check_shown(
        "",
        &expect![[r#"
        the manifest is empty
          --> extension.yaml
           = help: start with `id: com.example.my-extension` and `version: 1.0.0`
    "#]],
    );
    check_shown(
        "id: com.example.crm\nhooks:\n\t- issue.created\n",
        &expect![[r#"
        the file is not YAML: tabs disallowed within this context (block indentation)
          --> extension.yaml:3:2
           |
         3 | 	- issue.created
           | 	^
           = help: indent with spaces
    "#]],
    );
    check_shown(
        "id: com.example.crm\nname: the \"best\": CRM\n",
        &expect![[r#"
        the file is not YAML: mapping values are not allowed in this context
          --> extension.yaml:2:17
           |
         2 | name: the "best": CRM
           |                 ^
           = help: check the indentation, and quote a text that contains `: `
    "#]],
    );
    check_shown(
        "extension:\n  id: a\napiVersion: kiket.dev/v2\n",
        &expect![[r#"
        a manifest with `apiVersion` and `kind` keeps everything under `metadata` and `spec`, found `extension`
          --> extension.yaml:1:1
           |
         1 | extension:
           | ^
           = help: remove `extension`, or remove `apiVersion` and `kind`

        `apiVersion` and `kind` come together, found only `apiVersion`
          --> extension.yaml:3:1
           |
         3 | apiVersion: kiket.dev/v2
           | ^
           = help: add `kind: Extension`, or remove `apiVersion`

        `apiVersion` is `kiket.dev/v1`, found `kiket.dev/v2`
          --> extension.yaml:3:13
           |
         3 | apiVersion: kiket.dev/v2
           |             ^
           = help: write `apiVersion: kiket.dev/v1`
    "#]],
    );
}

#[test]
fn problems_of_values_have_a_place_and_advice() {
    check_shown(
        "id: com.example.crm\ndelivery_secret: \" sh_123\"\nhooks:\n  - issue created\n  - event: issue.closed\n    timeout: 0\n",
        &expect![[r#"
            `delivery_secret` has white space at an end
              --> extension.yaml:2:18
               = help: write it on one line, without white space around it

            an event is named like `issue.created`, found `issue created`
              --> extension.yaml:4:5
               |
             4 |   - issue created
               |     ^
               = help: write one to eight words of letters, digits, `_` and `-`, joined by dots

            `timeout` of `issue.closed` is a time from 1 ms to an hour, found `0`
              --> extension.yaml:6:14
               |
             6 |     timeout: 0
               |              ^
               = help: write milliseconds, like `5000`, or a unit, like `5s`
        "#]],
    );
    check_shown(
        "extension:\n  id: com.example.crm\n  configuration:\n    RETRIES:\n      type: integer\n      default: abc\n    TOKEN:\n      type: integer\n      secret: yes\n      default: hush\n",
        &expect![[r#"
            the default of `RETRIES` does not fit its type `integer`: expected a whole number, found `abc`
              --> extension.yaml:6:16
               |
             6 |       default: abc
               |                ^
               = help: write a whole number, or change the `type`

            `secret` of `TOKEN` is `true` or `false`, found text
              --> extension.yaml:9:15
               = help: write `secret: true` or `secret: false`

            the default of `TOKEN` does not fit its type `integer`: expected a whole number, found text
              --> extension.yaml:10:16
               = help: write a whole number, or change the `type`
        "#]],
    );
    check_shown(
        "id: a\nextension:\n  id: b\n  callback: { secret: \"env:A\" }\n  delivery: { callback: { secret: \"env:B\" } }\n",
        &expect![[r#"
            the extension has two ids, `b` and `a`
              --> extension.yaml:1:5
               |
             1 | id: a
               |     ^
               = help: keep the one on line 3

            there are two different secrets, `extension.callback.secret` and `extension.delivery.callback.secret`
              --> extension.yaml:5:35
               = help: keep one; the other is on line 4
        "#]],
    );
    check_shown(
        "settings:\n  - default: 3\n  - { key: A, default: 1 }\n  - { key: A, default: 2 }\n",
        &expect![[r#"
        a setting has a `key`, found none
          --> extension.yaml:2:5
           |
         2 |   - default: 3
           |     ^
           = help: add `key: NAME`

        the setting `A` is declared twice, differently
          --> extension.yaml:4:5
           |
         4 |   - { key: A, default: 2 }
           |     ^
           = help: keep one of them; the other is on line 3
    "#]],
    );
}

#[test]
fn a_secret_is_never_shown() {
    const SECRET: &str = "hushhush";
    #[track_caller]
    fn check(text: &str) {
        let shown = match Manifest::parse(text, Path::new("extension.yaml")) {
            Ok(manifest) => format!("{manifest:?} {} {:?}", manifest.raw, manifest.warnings),
            Err(problems) => format!("{problems:?}"),
        };
        assert!(!shown.contains(SECRET), "{text}\n{shown}");
    }

    // Valid.
    check("delivery_secret: hushhush");
    check("delivery_secret: hushhush\ndelivery_secret: hushhush");
    check("extension: { callback: { secret: hushhush } }");
    check("callback: { secret: \"${A:-hushhush}\" }");
    check("settings: [{ key: A, secret: true, default: hushhush }]");
    check("settings: [{ key: A, type: secret, default: hushhush }]");
    check("configuration: { A: { type: password, default: hushhush } }");
    check("bot_token: hushhush\nmail: { SMTP_PASSWORD: hushhush }");
    check("x: &s hushhush\ndelivery_secret: *s");
    // Wrong, in the secret itself.
    check("delivery_secret: ' hushhush'");
    check("delivery_secret: [hushhush]");
    check("delivery_secret: { hushhush: 1 }");
    check("delivery_secret: env:hush-hushhush");
    check("delivery_secret: ${hushhush");
    check("callback: { secret: |\n    hushhush\n  }");
    check("delivery_secret: hushhush\ncallback: { secret: other }");
    check("settings: [{ key: A, secret: hushhush }]");
    check("settings: [{ key: A, secret: yes, default: hushhush }]");
    check("settings: [{ key: A, secret: true, type: integer, default: hushhush }]");
    check("settings: [{ key: A, secret: true, default: [hushhush] }]");
    check("settings: [{ key: A, secret: true, default: 1 }, { key: A, secret: true, default: hushhush }]");
    // Wrong, on the same line.
    check("{ id: '', delivery_secret: hushhush }");
    check("settings: [{ secret: true, default: hushhush }]");
    check("hooks: [{ timeout: 0, secret: hushhush }]");
    // Not YAML.
    check("delivery_secret: hushhush: x");
    check("delivery_secret: \"hushhush");
    check("delivery_secret: 'a\n\n  hushhush' x");
    check("delivery_secret: |\n  a\n hushhush: - x");
    check("delivery_secret:\n  hushhush: : x");
    check("settings:\n  - key: A\n    secret: true\n    default: hushhush: x");
    check("hushhush");
    check("[hushhush]");
}

#[test]
fn a_secret_behind_a_misspelt_key_is_not_shown() {
    #[track_caller]
    fn check(text: &str) {
        let shown = match Manifest::parse(text, Path::new("extension.yaml")) {
            Ok(manifest) => {
                assert!(!manifest.warnings.is_empty(), "{text}");
                let warnings: String = manifest.warnings.iter().map(ToString::to_string).collect();
                format!("{warnings} {:?} {}", manifest.warnings, manifest.raw)
            }
            Err(problems) => format!("{problems:?}"),
        };
        assert!(!shown.contains("hush"), "{text}\n{shown}");
    }
    check("delivery_secert: hush");
    check("delivery-secret: hush");
    check("delivery_secrets: |\n  hush\n");
    check("{ versoin: 1, dlivery_secret: hush }");
    check("settings: [{ key: A, secert: true, default: hush }]");
    check("settings:\n  - key: A\n    secert: true\n    default: hush\n");
    check("settings:\n  - key: A\n    secret: true\n    defualt: hush\n");
    check("settings: [{ key: A, secert: true, type: integer, default: hush }]");
    check("settings:\n  - key: A\n    secert: hush\n");
    // Not YAML.
    check("delivery_secert: hush: x");
    check("{ id: a, delivery-secert: \"hush }");
}

#[test]
fn a_line_is_shown_without_control_characters() {
    let problems = Manifest::parse("hooks: [\"\u{9b}31m x\"]", Path::new("x.yaml")).unwrap_err();
    assert!(!problems[0].to_string().contains('\u{9b}'), "{}", problems[0]);
}

/// A document in the shape of real ones, which tests change at random.
const REAL_SHAPE: &str = r#"model_version: "1.0"
extension:
  id: dev.example.crm
  version: 1.10
  delivery: http
  callback: &callback
    url: ${BASE:-https://example.com}/hook
    secret: env.KIKET_WEBHOOK_SECRET
    timeout: 30000
  activationEvents: [issue.created, workflow.sla_breach]
  hooks:
    - event: issue.created
      version: v1
      timeout: 5000
    - issue.closed
  contributes:
    commands:
      - command: crm.sync
        handler: { type: extension_event, event: crm.sync }
  configuration:
    RETRIES: { type: integer, default: "3" }
    TEMPLATE:
      type: template
      default: |
        <b>{{ issue.title }}</b>
    TOKEN: { type: string, secret: true, default: "${CRM_TOKEN}" }
  setup:
    - configure:
        fields:
          - { key: channel, type: text, required: true }
  other:
    <<: *callback
"#;

#[test]
fn the_document_that_tests_change_is_valid() {
    let manifest = manifest(REAL_SHAPE);
    assert_eq!((manifest.settings.len(), manifest.events.len()), (4, 4));
    assert_eq!(manifest.raw["extension"]["other"]["timeout"], 30000);
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        let _ = Manifest::parse(&text, Path::new("x"));
    }

    #[test]
    fn no_text_of_yaml_characters_makes_it_panic(text in "[-:{}\\[\\],#&*!|>'\"%@` a1.$\n\r\t]{0,60}") {
        let _ = Manifest::parse(&text, Path::new("x"));
    }

    #[test]
    fn no_change_to_a_manifest_makes_it_panic(
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0..12_usize, "[-:{}\\[\\],#&*!|>'\"<~ a0.$\n\r\té]{0,4}"), 1..4),
    ) {
        let mut text: Vec<char> = REAL_SHAPE.chars().collect();
        for (at, length, instead) in cuts {
            let start = at.index(text.len());
            let end = text.len().min(start + length);
            text.splice(start..end, instead.chars());
        }
        let text: String = text.into_iter().collect();
        let shown = match Manifest::parse(&text, Path::new("x")) {
            Ok(manifest) => format!("{manifest:?}"),
            Err(problems) => problems.iter().map(ToString::to_string).collect(),
        };
        prop_assert!(!shown.is_empty());
    }
}
