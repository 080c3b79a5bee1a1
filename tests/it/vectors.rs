//! The frozen signature cases, at the verifier and through the running server.

use std::collections::BTreeMap;

use kiket::{
    Extension, Headers, Json, RawBody, Secret,
    config::Clock,
    signature::{SecretError, Verifier},
};
use serde::Deserialize;

use crate::running::{Response, Running, UNSIGNED, builder, head};

#[derive(Deserialize)]
struct Vectors {
    tolerance_seconds: u64,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    id: String,
    expect: Expect,
    secrets: Vec<String>,
    now: u64,
    headers: Vec<(String, String)>,
    body_b64: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Expect {
    Accept,
    Reject,
}

/// Signed well, and then no JSON object: 400 and not 401.
const NO_OBJECTS: [&str; 3] = ["ok-empty-body", "ok-non-utf8", "ok-dots-in-body"];
/// With these secrets there is no extension.
const UNUSABLE: [(&str, SecretError); 2] =
    [("no-secrets", SecretError::Missing), ("blank-secret", SecretError::Blank)];

fn vectors() -> Vec<Case> {
    let vectors: Vectors = serde_json::from_str(include_str!("../signature-vectors.json")).unwrap();
    assert_eq!(vectors.tolerance_seconds, kiket::signature::TOLERANCE_SECONDS);
    assert_eq!(vectors.cases.len(), 69, "a case was lost or added");
    vectors.cases
}

impl Case {
    fn body(&self) -> Vec<u8> {
        base64(&self.body_b64)
    }

    fn verifier(&self) -> Result<Verifier, SecretError> {
        let secrets: Vec<_> = self.secrets.iter().map(|secret| Secret::new(secret.as_str())).collect();
        Verifier::new(&secrets)
    }

    fn unusable(&self) -> Option<SecretError> {
        UNUSABLE.iter().find(|(id, _)| *id == self.id).map(|(_, unusable)| *unusable)
    }
}

#[test]
fn every_case_holds_at_the_verifier() {
    let (mut accepted, mut refused, mut unusable) = (0, 0, 0);
    for case in vectors() {
        if let Some(expected) = case.unusable() {
            assert_eq!(case.verifier().unwrap_err(), expected, "{}", case.id);
            unusable += 1;
            continue;
        }
        let headers: Headers = case.headers.iter().map(|(name, value)| (name, value)).collect();
        let verified = case.verifier().unwrap().verify(&headers, &case.body(), case.now);
        assert_eq!(verified.is_ok(), case.expect == Expect::Accept, "{}: {verified:?}", case.id);
        match case.expect {
            Expect::Accept => accepted += 1,
            Expect::Reject => refused += 1,
        }
        if let Ok(verified) = verified {
            let position = usize::from(case.id == "ok-rotation-old");
            assert_eq!(verified.secret(), position, "{}", case.id);
        }
    }
    assert_eq!((accepted, refused, unusable), (18, 49, 2));
}

#[test]
fn no_extension_is_built_without_a_usable_secret() {
    let cases = vectors();
    for (id, _) in UNUSABLE {
        let case = cases.iter().find(|case| case.id == id).unwrap();
        let builder =
            Extension::builder().without_collected().without_manifest().environment::<&str, &str>([]);
        let builder = builder.on("issue.created", "v1", echo);
        let builder =
            case.secrets.iter().fold(builder, |builder, secret| builder.webhook_secret(secret.as_str()));
        let error = builder.build().unwrap_err().to_string();
        assert!(error.contains("webhook secret"), "{id}: {error}");
    }
}

async fn echo(body: RawBody) -> Json<String> {
    Json(String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn every_case_holds_through_the_running_server() {
    let mut groups = BTreeMap::<_, Vec<_>>::new();
    for case in vectors().into_iter().filter(|case| case.unusable().is_none()) {
        groups.entry((case.secrets.clone(), case.now)).or_default().push(case);
    }
    let (mut accepted, mut refused) = (0, 0);
    for ((secrets, now), cases) in groups {
        // The builder comes with a secret of its own, which is the current one of nearly every case.
        assert_eq!(secrets[0], crate::running::SECRET);
        let builder = builder().clock(Clock::fixed(now)).on("issue.created", "v1", echo);
        let builder = secrets.into_iter().skip(1).fold(builder, kiket::ExtensionBuilder::webhook_secret);
        let running = Running::start(builder);
        let (mut here, mut refusals) = (0, None::<Response>);
        for case in cases {
            let response = running.ask(&on_the_wire(&case)).await;
            match case.expect {
                Expect::Accept => {
                    accepted += 1;
                    check_accepted(&case, &response);
                }
                Expect::Reject => {
                    here += 1;
                    check_refused(&case, &response, &mut refusals);
                }
            }
        }
        let counted: u64 =
            running.extension().stats().signature_refusals.iter().map(|(_, count)| count).sum();
        assert_eq!(counted, here, "every refusal is counted");
        refused += here;
        running.stop().await;
    }
    assert_eq!((accepted, refused), (18, 49));
}

/// The case as a request, its headers in their order, number and spelling.
fn on_the_wire(case: &Case) -> Vec<u8> {
    let body = case.body();
    let length = ("content-length".to_owned(), body.len().to_string());
    let head = head("POST", "/v/v1/webhooks/issue.created", case.headers.iter().chain([&length]));
    [head, body].concat()
}

#[track_caller]
fn check_accepted(case: &Case, response: &Response) {
    response.is_well_formed();
    if NO_OBJECTS.contains(&case.id.as_str()) {
        assert_eq!(
            (response.status, response.code().as_str()),
            (400, "not_json"),
            "{}: {response:?}",
            case.id
        );
    } else {
        assert_eq!(response.status, 200, "{}: {response:?}", case.id);
        assert_eq!(response.json().as_str().unwrap().as_bytes(), case.body(), "{}", case.id);
    }
}

/// All refusals are the same response but for the date: the sender learns no cause.
#[track_caller]
fn check_refused(case: &Case, response: &Response, first: &mut Option<Response>) {
    assert_eq!((response.status, response.text()), (401, UNSIGNED), "{}", case.id);
    let mut response = response.clone();
    response.headers.retain(|(name, _)| name != "date");
    assert_eq!(*first.get_or_insert_with(|| response.clone()), response, "{}", case.id);
}

fn base64(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::new();
    let (mut bits, mut held) = (0u32, 0);
    for digit in text.bytes().filter(|digit| *digit != b'=') {
        let value = ALPHABET.iter().position(|known| *known == digit).expect("base64");
        bits = (bits << 6) | u32::try_from(value).unwrap();
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from((bits >> held) & 0xff).unwrap());
        }
    }
    bytes
}
