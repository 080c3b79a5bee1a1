//! Each known mistake is named by its cause, and no other one.

use base64ct::{Base64, Encoding as _};
use kiket_runtime::{Headers, Secret, signature::sign};

use super::*;

const NOW: u64 = 1_700_000_000;
const SECRET: &str = "kiket_test_secret";
const BODY: &str = r#"{"id":"evt_1","type":"issue.created","data":{"title":"Grüße <3 1/2","n":1.0}}"#;

fn hex(mac: &[u8]) -> String {
    base16ct::lower::encode_string(mac)
}

fn verdict_of(headers: &[(&str, &str)], body: &[u8]) -> Verdict {
    let headers: Headers = headers.iter().copied().collect();
    diagnose(Evidence {
        headers: &headers,
        body,
        now: NOW,
        live: &[Secret::from(SECRET), Secret::from("\"kiket_second_secret\"")],
        retired: &[Secret::from("kiket_old_secret")],
        other_bodies: &[("b.json".to_owned(), b"{\"b\":2}".to_vec())],
    })
}

#[track_caller]
fn check(headers: &[(&str, &str)], body: &[u8], reason: &str, causes: &[&str]) {
    let verdict = verdict_of(headers, body);
    let found: Vec<_> = verdict.causes.iter().map(|cause| cause.id).collect();
    assert_eq!((verdict.reason, &*found), (Some(reason), causes), "{verdict:#?}");
}

/// `body` is received with the signature of `signed` under `secret`.
#[track_caller]
fn check_signed(secret: &str, signed: &[u8], body: &[u8], cause: &str) {
    let signature = sign(secret, NOW, signed);
    check(
        &[("X-Kiket-Timestamp", "1700000000"), ("X-Kiket-Signature", &signature)],
        body,
        "signature_mismatch",
        &[cause],
    );
}

#[test]
fn a_changed_body_is_named() {
    let body = BODY.as_bytes();
    let with = |end: &str| [body, end.as_bytes()].concat();
    check_signed(SECRET, &with("\n"), body, "body_newline_lost");
    check_signed(SECRET, body, &with("\n"), "body_newline_added");
    check_signed(SECRET, body, &with("\r\n"), "body_newline_added");
    check_signed(SECRET, body, &[b"  ", &*with(" \t\n\n")].concat(), "body_trimmed");
    check_signed(SECRET, &[b"\xef\xbb\xbf", body].concat(), body, "body_byte_order_mark");
    check_signed(SECRET, body, &[b"\xef\xbb\xbf", body].concat(), "body_byte_order_mark");
    check_signed(SECRET, b"{\r\n}", b"{\n}", "body_line_ends");
    check_signed(SECRET, b"{\n}", b"{\r\n}", "body_line_ends");
    check_signed(SECRET, b"", body, "body_empty");
    check_signed(SECRET, b"{\"a\":\"\xfc\"}", "{\"a\":\"ü\"}".as_bytes(), "body_latin1");
    check_signed(SECRET, b"{\"b\":2}", body, "other_body");
    for spelled in [
        r#"{"data":{"n":1.0,"title":"Grüße <3 1/2"},"id":"evt_1","type":"issue.created"}"#,
        r#"{"id": "evt_1", "type": "issue.created", "data": {"title": "Gr\u00fc\u00dfe <3 1/2", "n": 1.0}}"#,
        r#"{"id":"evt_1","type":"issue.created","data":{"title":"Grüße \u003c3 1/2","n":1.0}}"#,
        r#"{"id":"evt_1","type":"issue.created","data":{"title":"Gr\u00fc\u00dfe <3 1\/2","n":1.0}}"#,
        r#"{"id":"evt_1","type":"issue.created","data":{"title":"Gr\u00FC\u00DFe \u003C3 1/2","n":1.0}}"#,
        r#"{"id":"evt_1","type":"issue.created","data":{"title":"Grüße <3 1/2","n":1}}"#,
    ] {
        check_signed(SECRET, spelled.as_bytes(), body, "body_reserialised");
    }
}

#[test]
fn another_secret_is_named() {
    let body = BODY.as_bytes();
    for (secret, cause) in [
        ("kiket_test_secret\n", "secret_newline"),
        ("kiket_test_secret ", "secret_newline"),
        ("\"kiket_test_secret\"", "secret_quotes"),
        ("kiket_second_secret", "secret_quotes"),
        ("KIKET_TEST_SECRET", "secret_case"),
        ("", "secret_empty"),
        ("changeme", "secret_placeholder"),
        ("${KIKET_WEBHOOK_SECRET}", "secret_placeholder"),
        ("kiket_old_secret", "other_secret"),
    ] {
        check_signed(secret, body, body, cause);
    }
    let headers: Headers =
        [("X-Kiket-Timestamp", "1700000000"), ("X-Kiket-Signature", &*sign("AB", NOW, b"{}"))]
            .into_iter()
            .collect();
    let live = [Secret::from("4142")];
    let (retired, other_bodies) = (&[], &[]);
    let decoded =
        diagnose(Evidence { headers: &headers, body: b"{}", now: NOW, live: &live, retired, other_bodies });
    assert_eq!(decoded.causes[0].id, "secret_decoded");
}

#[test]
fn another_scheme_is_named() {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    use sha2::{Digest as _, Sha256};

    let mac = |text: &str| {
        let keyed = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap().chain_update(text);
        hex(&keyed.finalize().into_bytes())
    };
    let hash = |text: &str| hex(&Sha256::digest(text));
    for (signature, cause) in [
        (mac(BODY), "timestamp_not_signed"),
        (mac(&format!("{NOW}{BODY}")), "no_dot"),
        (mac(&format!("{BODY}.{NOW}")), "order_swapped"),
        (mac(&format!("{BODY}{NOW}")), "order_swapped"),
        (mac(&format!("v0:{NOW}:{BODY}")), "other_scheme"),
        (mac(&format!("msg_1.{NOW}.{BODY}")), "other_scheme"),
        (hash(&format!("{SECRET}{BODY}")), "no_hmac"),
    ] {
        let headers = [
            ("X-Kiket-Timestamp", "1700000000"),
            ("X-Kiket-Signature", &*signature),
            ("webhook-id", "msg_1"),
        ];
        check(&headers, BODY.as_bytes(), "signature_mismatch", &[cause]);
    }
    // Two mistakes at once are both named.
    let both = mac(&format!("{BODY}\n"));
    let headers = [("X-Kiket-Timestamp", "1700000000"), ("X-Kiket-Signature", &*both)];
    check(&headers, BODY.as_bytes(), "signature_mismatch", &["timestamp_not_signed", "body_newline_lost"]);
}

#[track_caller]
fn malformed(signature: &str, causes: &[&str]) {
    let headers = [("X-Kiket-Timestamp", "1700000000"), ("X-Kiket-Signature", signature)];
    check(&headers, BODY.as_bytes(), "signature_malformed", causes);
}

#[test]
fn another_form_is_named() {
    let right = sign(SECRET, NOW, BODY.as_bytes());
    let mac = base16ct::lower::decode_vec(&right).unwrap();
    let base64 = Base64::encode_string(&mac);
    malformed(&base64, &["signature_base64"]);
    malformed(base64.trim_end_matches('='), &["signature_base64"]);
    malformed(&format!("v1,{base64}"), &["signature_prefix", "signature_base64"]);
    malformed(&format!("v1={right}"), &["signature_prefix"]);
    malformed(&format!("SHA256={right}"), &["signature_prefix"]);
    malformed(&format!("{},{right}", "0".repeat(64)), &["signature_list"]);
    malformed(&format!("{right},{right}"), &["signature_list"]);
    malformed(&format!("{} {}", &right[..32], &right[32..]), &["signature_spaces"]);
    malformed(&format!("\"{right}\""), &["signature_spaces"]);
    malformed(&right[..16], &["signature_truncated"]);
    malformed(&right[..63], &["signature_truncated"]);
    malformed(&format!("{right}0"), &["signature_too_long"]);
    malformed(&"ab".repeat(20), &["signature_algorithm"]);
    malformed(&"ab".repeat(64), &["signature_algorithm"]);
    malformed(&"z".repeat(64), &["signature_format"]);
    malformed("", &["signature_format"]);
    let damaged = format!("{}{}", &right[..63], if right.ends_with('0') { '1' } else { '0' });
    let headers = [("X-Kiket-Timestamp", "1700000000"), ("X-Kiket-Signature", &*damaged)];
    check(&headers, BODY.as_bytes(), "signature_mismatch", &["signature_damaged"]);
}

#[test]
fn a_wrong_time_is_named() {
    #[track_caller]
    fn check_time(timestamp: &str, signed: u64, reason: &str, causes: &[&str]) {
        let signature = sign(SECRET, signed, BODY.as_bytes());
        let headers = [("X-Kiket-Timestamp", timestamp), ("X-Kiket-Signature", &*signature)];
        check(&headers, BODY.as_bytes(), reason, causes);
    }
    let (outside, malformed) = ("timestamp_outside_window", "timestamp_malformed");
    check_time("1699999699", 1_699_999_699, outside, &["timestamp_old"]);
    check_time("1700000301", 1_700_000_301, outside, &["timestamp_ahead"]);
    check_time("1700000000123", 1_700_000_000_123, outside, &["timestamp_unit"]);
    check_time("1700000000123", 1_700_000_000, outside, &["timestamp_unit", "timestamp_respelled"]);
    check_time("1700000000123456789", 1_700_000_000_123_456_789, malformed, &["timestamp_unit"]);
    check_time("+1700000000", NOW, malformed, &["timestamp_format", "timestamp_respelled"]);
    check_time("0001700000000", NOW, malformed, &["timestamp_format", "timestamp_respelled"]);
    check_time("1700000000.5", NOW, malformed, &["timestamp_format", "timestamp_respelled"]);
    check_time("1700000010", NOW, "signature_mismatch", &["timestamp_changed"]);
    check_time("1699999999", NOW, "signature_mismatch", &["timestamp_changed"]);
    // Nothing fits: only what can be seen is named.
    check_time("hello", NOW, malformed, &["timestamp_format"]);
    assert!(
        !verdict_of(&[("X-Kiket-Timestamp", "1"), ("X-Kiket-Signature", &"0".repeat(64))], b"").explained
    );
    let body = br#"{"timestamp":1699999000}"#;
    let signature = sign(SECRET, 1_699_999_000, body);
    let headers = [("X-Kiket-Timestamp", "1700000000"), ("X-Kiket-Signature", &*signature)];
    check(&headers, body, "signature_mismatch", &["timestamp_of_body"]);
}

#[test]
fn a_wrong_header_is_named() {
    let right = sign(SECRET, NOW, BODY.as_bytes());
    let (time, signature) = (("X-Kiket-Timestamp", "1700000000"), ("X-Kiket-Signature", &*right));
    let zeros = "0".repeat(64);
    let body = BODY.as_bytes();
    check(&[time], body, "signature_missing", &["header_missing"]);
    check(&[signature], body, "timestamp_missing", &["header_missing"]);
    check(&[time, ("X_KIKET_SIGNATURE", &*right)], body, "signature_missing", &["header_renamed"]);
    check(
        &[("X-Slack-Request-Timestamp", "1700000000"), signature],
        body,
        "timestamp_missing",
        &["header_renamed"],
    );
    check(
        &[time, ("X-Kiket-Signature", &*zeros), signature],
        body,
        "signature_repeated",
        &["header_repeated"],
    );
    check(
        &[time, ("X-Kiket-Timestamp", "1700000001"), signature],
        body,
        "timestamp_repeated",
        &["header_repeated"],
    );
    check(&[("X-Kiket-Timestamp", "1"), time, signature], body, "timestamp_repeated", &["header_repeated"]);
    // The body alone was signed, and so no timestamp was sent.
    let alone = sign_body(body);
    check(
        &[("X-Kiket-Signature", &*alone)],
        body,
        "timestamp_missing",
        &["header_missing", "timestamp_not_signed"],
    );
}

fn sign_body(body: &[u8]) -> String {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    hex(&Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes())
        .unwrap()
        .chain_update(body)
        .finalize()
        .into_bytes())
}

#[test]
fn what_is_right_is_accepted_with_its_secret_and_age() {
    let signature = sign("\"kiket_second_secret\"", NOW - 300, BODY.as_bytes());
    let verdict = verdict_of(
        &[("x-kiket-timestamp", "1699999700"), ("x-kiket-signature", &signature.to_uppercase())],
        BODY.as_bytes(),
    );
    assert_eq!((verdict.accepted, verdict.secret, verdict.age), (true, Some(1), Some(300)));
    assert!(verdict.causes.is_empty() && verdict.reason.is_none());
}

#[test]
fn no_expected_mac_and_no_secret_is_in_a_verdict() {
    let body = BODY.as_bytes();
    let expected = sign(SECRET, NOW, body);
    let zeros = "0".repeat(64);
    for signature in [&*zeros, &sign_body(body), "x", &sign("changeme", NOW, body)] {
        let headers = [("X-Kiket-Timestamp", "1700000000"), ("X-Kiket-Signature", signature)];
        let text = format!("{:?}", verdict_of(&headers, body));
        for hidden in [&*expected, &expected[..16], SECRET, "kiket_second_secret", "kiket_old_secret"] {
            assert!(!text.contains(hidden), "{text}");
        }
    }
}

#[test]
fn a_large_body_is_judged_within_a_budget() {
    let body = vec![b' '; 1 << 18];
    let headers = [("X-Kiket-Timestamp", "1700000000"), ("X-Kiket-Signature", &*"0".repeat(64))];
    let verdict = verdict_of(&headers, &body);
    assert!(!verdict.exhaustive && !verdict.explained);
    // The likely mistakes are tried first.
    let signature = sign(SECRET, NOW, &body);
    check(
        &[("X-Kiket-Timestamp", "1700000301"), ("X-Kiket-Signature", &*signature)],
        b"{}",
        "timestamp_outside_window",
        &["timestamp_ahead"],
    );
}
