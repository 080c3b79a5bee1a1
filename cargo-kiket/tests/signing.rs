//! `sign` and `verify` as processes: the frozen signature cases, the causes, the secrets, the text of the docs.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
};

use base64ct::{Base64, Encoding as _};
use serde::Deserialize;
use serde_json::Value;

const SECRET: &str = "kiket_test_secret";
/// The signature of an empty body at 1700000000.
const EMPTY_SIGNED: &str = "641769d76382d207a4d39d76c27c8b22a50d83d0b808d9c894110f92499f06ca";

/// The tool, which has these secrets, the current one first, and no other variable of kiket.
struct Tool<'s> {
    secrets: &'s [&'s str],
    folder: tempfile::TempDir,
}

impl<'s> Tool<'s> {
    fn new(secrets: &'s [&'s str]) -> Self {
        Self { secrets, folder: tempfile::tempdir().unwrap() }
    }

    fn run(&self, arguments: &[&str], input: &[u8]) -> Output {
        let mut tool = Command::new(env!("CARGO_BIN_EXE_cargo-kiket"));
        tool.args(arguments).current_dir(self.folder.path()).env("NO_COLOR", "1");
        tool.env_remove("KIKET_WEBHOOK_SECRET_FILE").env_remove("KIKET_WEBHOOK_SECRET_PREVIOUS_FILE");
        for (at, name) in ["KIKET_WEBHOOK_SECRET", "KIKET_WEBHOOK_SECRET_PREVIOUS"].into_iter().enumerate() {
            match self.secrets.get(at) {
                Some(secret) => tool.env(name, secret),
                None => tool.env_remove(name),
            };
        }
        let piped = tool.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut running = piped.spawn().unwrap();
        // A tool that refuses its command line does not read.
        let _ = running.stdin.take().unwrap().write_all(input);
        running.wait_with_output().unwrap()
    }

    fn file(&self, name: &str, contents: &[u8]) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, contents).unwrap();
        path.display().to_string()
    }
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

#[derive(Deserialize)]
struct Vectors {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    id: String,
    expect: String,
    secrets: Vec<String>,
    now: u64,
    headers: Vec<(String, String)>,
    body_b64: String,
}

/// What `verify` names for each case that it can explain.
#[rustfmt::skip]
const CAUSES: [(&str, &[&str]); 44] = [
    ("no-sig", &["header_missing"]), ("no-ts", &["header_missing"]),
    ("empty-sig", &["signature_format"]), ("prefix-only", &["signature_format"]),
    ("wrong-prefix", &["signature_prefix"]), ("truncated-sig", &["signature_truncated"]),
    ("sig-63", &["signature_truncated"]), ("sig-65", &["signature_too_long"]), ("sig-flip", &["signature_damaged"]),
    ("sig-nonhex", &["signature_format"]), ("sig-base64", &["signature_base64"]), ("sig-space", &["signature_spaces"]),
    ("empty-secret-mac", &["secret_empty"]), ("secret-newline", &["secret_newline"]),
    ("body-only-mac", &["timestamp_not_signed"]), ("body-then-ts-mac", &["order_swapped"]),
    ("slack-mac", &["other_scheme"]), ("no-dot-mac", &["no_dot"]), ("ts-tampered", &["timestamp_changed"]),
    ("old-301", &["timestamp_old"]), ("future-301", &["timestamp_ahead"]),
    ("ts-empty", &["timestamp_format"]), ("ts-plus", &["timestamp_format"]), ("ts-zero-pad", &["timestamp_format"]),
    ("ts-space", &["timestamp_format"]), ("ts-float", &["timestamp_format"]), ("ts-sci", &["timestamp_format"]),
    ("ts-hex", &["timestamp_format"]), ("ts-ms", &["timestamp_unit"]), ("ts-neg", &["timestamp_format"]),
    ("ts-iso", &["timestamp_format"]), ("ts-word", &["timestamp_format"]), ("ts-i64min", &["timestamp_format"]),
    ("ts-i64max", &["timestamp_format"]), ("ts-i64ovf", &["timestamp_format"]), ("ts-u64ovf", &["timestamp_format"]),
    ("ts-abs-min", &["timestamp_format"]), ("ts-arabic-digits", &["timestamp_format"]),
    ("ts-underscore", &["timestamp_format"]), ("ts-list", &["timestamp_format"]),
    ("ts-plus-canonical", &["timestamp_format", "timestamp_respelled"]),
    ("ts-pad-canonical", &["timestamp_format", "timestamp_respelled"]),
    ("dot-shift", &["timestamp_format"]), ("dup-sig-headers", &["header_repeated"]),
];

/// Refused without a known mistake: another secret, another body.
const UNEXPLAINED: [&str; 3] = ["wrong-secret", "retired-secret", "body-tampered"];
/// Refused, and explained by what is seen and by what fits.
const FURTHER: [(&str, &[&str]); 2] =
    [("dup-ts-headers", &["header_repeated"]), ("sig-list", &["signature_list"])];
/// With these secrets there is nothing to verify with.
const UNUSABLE: [&str; 2] = ["no-secrets", "blank-secret"];

#[test]
fn every_frozen_case_holds_on_the_command_line() {
    let vectors: Vectors = serde_json::from_str(include_str!("../../tests/signature-vectors.json")).unwrap();
    assert_eq!(vectors.cases.len(), 69, "a case was lost or added");
    let (mut accepted, mut refused, mut unusable) = (0, 0, 0);
    for case in &vectors.cases {
        let secrets: Vec<_> = case.secrets.iter().map(String::as_str).collect();
        let tool = Tool::new(&secrets);
        let body = Base64::decode_vec(&case.body_b64).unwrap();
        let now = case.now.to_string();
        if UNUSABLE.contains(&&*case.id) {
            for arguments in [&["sign"][..], &["verify", "-H", "a: b"]] {
                let output = tool.run(arguments, &body);
                assert_eq!((output.status.code(), text(&output)), (Some(65), String::new()), "{}", case.id);
            }
            unusable += 1;
            continue;
        }
        // The headers as they are, in JSON; as arguments, with the white space that HTTP removes.
        let headers = tool.file("headers.json", serde_json::to_string(&case.headers).unwrap().as_bytes());
        let output = tool.run(&["--json", "verify", "--headers", &headers, "--now", &now], &body);
        let mut arguments: Vec<_> = vec!["verify".to_owned(), "--now".to_owned(), now.clone()];
        for (name, value) in &case.headers {
            arguments.extend(["-H".to_owned(), format!("{name}: {value}")]);
        }
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let from_arguments = tool.run(&arguments, &body);
        let verdict = json(&output);
        let causes: Vec<_> =
            verdict["causes"].as_array().unwrap().iter().map(|cause| cause["id"].as_str().unwrap()).collect();
        if case.expect == "accept" {
            accepted += 1;
            assert_eq!(output.status.code(), Some(0), "{}: {verdict}", case.id);
            assert!(text(&from_arguments).starts_with("accepted: "), "{}: {from_arguments:?}", case.id);
            assert_eq!(verdict["secret"], u64::from(case.id == "ok-rotation-old"), "{}", case.id);
            check_signed(&tool, case, &body);
        } else {
            refused += 1;
            assert_eq!(output.status.code(), Some(1), "{}: {verdict}", case.id);
            assert!(text(&from_arguments).starts_with("refused: "), "{}: {from_arguments:?}", case.id);
            let known =
                CAUSES.iter().chain(&FURTHER).find(|(id, _)| *id == case.id).map(|(_, causes)| *causes);
            assert_eq!(known.is_none(), UNEXPLAINED.contains(&&*case.id), "{}", case.id);
            assert_eq!(causes, known.unwrap_or_default(), "{}: {verdict}", case.id);
            if known.is_none() {
                assert_eq!(verdict["explained"], false, "{}", case.id);
            }
        }
    }
    assert_eq!((accepted, refused, unusable), (18, 49, 2));
}

/// What `sign` makes of the case's body is the case's signature, and `verify` accepts it.
fn check_signed(tool: &Tool<'_>, case: &Case, body: &[u8]) {
    let timestamp = &case.headers[0].1;
    let at = ["--at", timestamp];
    let output = if case.id == "ok-rotation-old" {
        let old = tool.file("old", case.secrets[1].as_bytes());
        tool.run(&["sign", "--secret-file", &old, at[0], at[1]], body)
    } else {
        tool.run(&["sign", at[0], at[1]], body)
    };
    let signature = case.headers[1].1.trim_start_matches("sha256=").to_ascii_lowercase();
    assert_eq!(
        text(&output),
        format!("X-Kiket-Timestamp: {timestamp}\nX-Kiket-Signature: {signature}\n"),
        "{}",
        case.id
    );
    let headers = tool.file("headers.txt", &output.stdout);
    let now = case.now.to_string();
    let verified = tool.run(&["verify", "--headers", &headers, "--now", &now], body);
    assert_eq!(verified.status.code(), Some(0), "{}: {verified:?}", case.id);
}

#[test]
fn what_is_signed_now_is_accepted_now() {
    let tool = Tool::new(&[SECRET]);
    let body = tool.file("body.json", b"{\"a\":1}\n");
    let signed = tool.run(&["sign", "--file", &body, "--json"], b"");
    let value = json(&signed);
    assert_eq!(value["headers"]["X-Kiket-Timestamp"], value["timestamp"].as_u64().unwrap().to_string());
    let headers = tool.file("headers.json", &signed.stdout);
    let verify =
        |more: &[&str]| tool.run(&[&["verify", "--headers", &headers, "--file", &body], more].concat(), b"");
    assert!(text(&verify(&[])).starts_with("accepted: made with the current secret, "));
    let late = verify(&["--now", "+10m", "--json"]);
    assert_eq!((late.status.code(), &json(&late)["causes"][0]["id"]), (Some(1), &"timestamp_old".into()));
    // The same with a secret in a file, which ends in a line end.
    let file = tool.file("secret", format!("{SECRET}\n").as_bytes());
    let tool = Tool { secrets: &[], ..tool };
    let signed = tool.run(&["sign", "--file", &body, "--secret-file", &file, "--at", "0"], b"");
    let signature = kiket_runtime::signature::sign(SECRET, 0, b"{\"a\":1}\n");
    assert_eq!(text(&signed), format!("X-Kiket-Timestamp: 0\nX-Kiket-Signature: {signature}\n"));
}

#[test]
fn a_captured_request_is_verified_whole() {
    let tool = Tool::new(&[SECRET]);
    let signed = text(&tool.run(&["sign", "--at", "1700000000"], b"{}"));
    let head = format!("POST /v/v1/webhooks/a.b HTTP/1.1\r\nHost: x\r\n{}", signed.replace('\n', "\r\n"));
    for (end, code) in
        [("\r\n{}", Some(0)), ("\r\n{}\n", Some(1)), ("Content-Length: 2\r\n\r\n{}\n", Some(0))]
    {
        let output =
            tool.run(&["verify", "--request", "-", "--now", "1700000000"], format!("{head}{end}").as_bytes());
        assert_eq!(output.status.code(), code, "{end:?}: {output:?}");
    }
}

#[test]
fn known_secrets_and_bodies_of_others_are_tried() {
    let tool = Tool::new(&[SECRET]);
    let old = tool.file("old", b"kiket_old_secret");
    let other = tool.file("other.json", b"{\"b\":2}");
    let verify = |signed: &Output, more: [&str; 2]| {
        let headers = tool.file("headers.txt", &signed.stdout);
        let arguments = ["--json", "verify", "--headers", &headers, "--now", "1700000000", more[0], more[1]];
        json(&tool.run(&arguments, b"{\"a\":1}"))
    };
    let by_old = tool.run(&["sign", "--at", "1700000000", "--secret-file", &old], b"{\"a\":1}");
    assert_eq!(verify(&by_old, ["--other-secret-file", &old])["causes"][0]["id"], "other_secret");
    let of_other = tool.run(&["sign", "--at", "1700000000", "--file", &other], b"");
    let verdict = verify(&of_other, ["--other-body", &other]);
    assert_eq!(verdict["causes"][0]["id"], "other_body");
    assert!(verdict["causes"][0]["what"].as_str().unwrap().contains("other.json"), "{verdict}");
}

#[test]
fn secrets_are_judged_as_the_start_judges_them() {
    #[track_caller]
    fn check(secret: &str, expected: &str) {
        let output = Tool::new(&[secret]).run(&["sign"], b"{}");
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(65), "{error}");
        assert!(error.contains(expected) && !error.contains("canary"), "{error}");
    }
    check("canary_secret_12345 ", "white space at an end; it comes from `KIKET_WEBHOOK_SECRET`");
    check("canary\nsecret", "control character");
    check("${canary_secret}", "is a reference that nothing replaced");
    check("<canary-secret>", "is a placeholder, and public");
    let quoted = Tool::new(&["'canary_secret_12345'"]).run(&["sign"], b"{}");
    let note = String::from_utf8(quoted.stderr).unwrap();
    assert!(
        quoted.status.success() && note.contains("note: the webhook secret has quotes around it"),
        "{note}"
    );
    assert!(!note.contains("canary"), "{note}");

    let tool = Tool::new(&[]);
    let unset = tool.run(&["sign"], b"{}");
    let error = String::from_utf8(unset.stderr).unwrap();
    assert!(unset.status.code() == Some(65) && error.contains("set `KIKET_WEBHOOK_SECRET`"), "{error}");
    let lost = tool.run(&["sign", "--secret-file", "absent"], b"{}");
    let error = String::from_utf8(lost.stderr).unwrap();
    assert!(error.contains("the file `absent` that `--secret-file` names"), "{error}");
    // As `cargo run` has it.
    std::fs::create_dir(tool.folder.path().join(".cargo")).unwrap();
    tool.file(".cargo/config.toml", format!("[env]\nKIKET_WEBHOOK_SECRET = \"{SECRET}\"\n").as_bytes());
    let signed = text(&tool.run(&["sign", "--at", "1700000000"], b""));
    assert!(signed.contains(EMPTY_SIGNED), "{signed}");
    std::fs::remove_file(tool.folder.path().join(".cargo/config.toml")).unwrap();
    // As at the start, the previous secret is none without a current one.
    let refused = Tool::new(&["", SECRET]).run(&["sign"], b"{}");
    let error = String::from_utf8(refused.stderr).unwrap();
    assert!(refused.status.code() == Some(65) && error.contains("there is no webhook secret"), "{error}");
    // The manifest of the folder says where the secret is.
    tool.file("extension.yaml", b"id: com.example.m\ndelivery_secret: env:KIKET_WEBHOOK_SECRET_PREVIOUS\n");
    let tool = Tool { secrets: &["", SECRET], ..tool };
    let signed = text(&tool.run(&["sign", "--at", "1700000000"], b""));
    assert!(signed.contains(EMPTY_SIGNED), "{signed}");
}

#[test]
fn a_wrong_command_line_is_refused() {
    let tool = Tool::new(&[SECRET]);
    for arguments in [
        &["sign", "--at", "yesterday"][..],
        &["sign", "--secret", "x"],
        &["verify", "-H", "no colon"],
        &["verify", "--request", "a", "--headers", "b"],
        &["verify", "--now", "1.5"],
    ] {
        assert_eq!(tool.run(arguments, b"").status.code(), Some(64), "{arguments:?}");
    }
    for arguments in [&["sign", "--file", "absent"][..], &["verify", "--headers", "absent"]] {
        assert_eq!(tool.run(arguments, b"").status.code(), Some(65), "{arguments:?}");
    }
}

#[test]
fn no_secret_is_printed() {
    const CANARY: &str = "canary-9f8e7d6c5b4a3210";
    let retired = "canary-retired-0123456789";
    let tool = Tool::new(&[CANARY, "canary-previous-01234567"]);
    let other = tool.file("other", retired.as_bytes());
    for secret in [&other, "canary"] {
        for flags in [&[][..], &["--json"]] {
            for command in [
                &["sign", "--secret-file", secret][..],
                &["sign"],
                &["verify", "-H", "X-Kiket-Signature: 00", "--other-secret-file", secret],
                &["verify", "--secret-file", secret, "-H", "X-Kiket-Timestamp: 1"],
            ] {
                let output = tool.run(&[flags, command].concat(), b"{}");
                let printed = [output.stdout, output.stderr].concat();
                let printed = String::from_utf8(printed).unwrap();
                // The path of a file that is absent is shown.
                let printed = printed.replace("the file `canary`", "");
                assert!(!printed.contains("canary"), "{command:?}: {printed}");
            }
        }
    }
}

/// The text block of the docs is what the tool prints.
#[test]
fn the_docs_show_what_verify_prints() {
    let docs =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/developer-tool.md"))
            .unwrap();
    let tool = Tool::new(&[SECRET]);
    let signed = tool.run(&["sign", "--at", "1700000000"], b"{\"issue\": {\"id\": 7}}");
    let headers = tool.file("headers.txt", &signed.stdout);
    let refused =
        tool.run(&["verify", "--headers", &headers, "--now", "1700000000"], b"{\"issue\":{\"id\":7}}");
    let block = format!("```text\n{}```\n", text(&refused));
    assert!(docs.contains(&block), "docs/developer-tool.md lacks:\n{block}");
    let ids = include_str!("../src/diagnosis/mistake.rs").split("Cause::new(").skip(2);
    let ids = ids.filter_map(|rest| rest.split('"').nth(1));
    let missing: Vec<_> = ids.filter(|id| !docs.contains(&format!("`{id}`"))).collect();
    assert!(missing.is_empty(), "docs/developer-tool.md lacks causes: {missing:?}");
}
