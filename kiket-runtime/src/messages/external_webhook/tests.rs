//! Tests of external webhooks: signatures, headers and bodies.

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::error::{ErrorKind, HandlerError};
use crate::messages::external_webhook::*;

/// The default of `received_at`.
const RECEIVED: u64 = 1_700_000_000;

/// A webhook that Kiket received.
#[track_caller]
fn webhook(body: &str, headers: impl IntoIterator<Item = (impl Into<String>, Value)>) -> ExternalWebhook {
    received_at(RECEIVED, body, headers)
}

#[track_caller]
fn received_at(
    time: impl Into<Value>,
    body: &str,
    headers: impl IntoIterator<Item = (impl Into<String>, Value)>,
) -> ExternalWebhook {
    let headers: Map<_, _> = headers.into_iter().map(|(name, value)| (name.into(), value)).collect();
    let request = json!({ "body": body, "headers": headers });
    serde_json::from_value(json!({ "external_webhook": request, "received_at": time.into() })).unwrap()
}

/// A webhook that a provider signed.
struct Signed {
    provider: Box<dyn Provider>,
    /// The same with another secret.
    other: Box<dyn Provider>,
    received: u64,
    body: &'static str,
    headers: &'static [(&'static str, &'static str)],
}

impl Signed {
    fn headers(&self) -> Vec<(String, Value)> {
        self.headers.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect()
    }

    #[track_caller]
    fn check(&self, body: &str, headers: &[(String, Value)], reason: Option<VerificationErrorKind>) {
        let webhook = received_at(self.received, body, headers.to_vec());
        let refused = webhook.verify(&*self.provider).err();
        assert_eq!(refused.as_ref().map(VerificationError::kind), reason, "{headers:?}: {refused:?}");
    }
}

const HELLO: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

/// The examples that GitHub, Slack and Standard Webhooks document, and one of Stripe that OpenSSL signed.
fn documented() -> [Signed; 4] {
    [
        Signed {
            provider: Box::new(GitHub::new("It's a Secret to Everybody")),
            other: Box::new(GitHub::new("it's a secret to everybody")),
            received: RECEIVED,
            body: "Hello, World!",
            headers: &[("X-Hub-Signature-256", HELLO)],
        },
        Signed {
            provider: Box::new(Slack::new("8f742231b10e8888abcd99yyyzzz85a5")),
            other: Box::new(Slack::new("8F742231B10E8888ABCD99YYYZZZ85A5")),
            received: 1_531_420_618,
            body: "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V\
                &channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=\
                &response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN\
                &trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c",
            headers: &[
                ("X-Slack-Signature", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"),
                ("X-Slack-Request-Timestamp", "1531420618"),
            ],
        },
        Signed {
            provider: Box::new(StandardWebhooks::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")),
            other: Box::new(StandardWebhooks::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSW")),
            received: 1_614_265_330,
            body: r#"{"test": 2432232314}"#,
            headers: &[
                ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
                ("webhook-timestamp", "1614265330"),
                ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
            ],
        },
        Signed {
            provider: Box::new(Stripe::new("whsec_test_secret")),
            other: Box::new(Stripe::new("whsec_other_secret")),
            received: 1_700_000_000,
            body: r#"{"id":"evt_1"}"#,
            headers: &[(
                "Stripe-Signature",
                "t=1700000000,v1=248a374f50f943a28b0f6ab50faf9a7e7e29b710fa26df9fb1618b9bf8ea9c9a",
            )],
        },
    ]
}

#[test]
fn what_its_provider_signed_is_verified() {
    for signed in documented() {
        signed.check(signed.body, &signed.headers(), None);
        // However the names are written, and as a list of one.
        let lower = signed.headers.iter().map(|(name, value)| (name.to_lowercase(), json!([value])));
        let lower: Map<_, _> = lower.collect();
        let request = json!({ "body": signed.body, "headers": lower });
        let webhook: ExternalWebhook =
            serde_json::from_value(json!({ "external_webhook": request, "received_at": signed.received }))
                .unwrap();
        assert_eq!(webhook.verify(&*signed.provider), Ok(()));
    }
}

#[test]
fn another_body_or_secret_is_refused() {
    for signed in documented() {
        let (first, rest) = signed.body.split_at(1);
        for body in [
            String::new(),
            rest.to_owned(),
            format!("{}\n", signed.body),
            format!(" {}", signed.body),
            format!("{rest}{first}"),
            signed.body.repeat(20_000),
        ] {
            signed.check(&body, &signed.headers(), Some(VerificationErrorKind::Mismatch));
        }
        let webhook = received_at(signed.received, signed.body, signed.headers());
        let refused = webhook.verify(&*signed.other).unwrap_err();
        assert_eq!(refused.kind(), VerificationErrorKind::Mismatch);
        // Neither the secret nor what would have been right.
        let printed = format!("{refused:?} {refused}");
        for (_, value) in signed.headers {
            assert!(!printed.contains(value), "{printed}");
        }
    }
}

#[test]
fn every_header_must_be_there_once_and_whole() {
    for signed in documented() {
        for (at, (name, value)) in signed.headers.iter().enumerate() {
            let with = |replaced: Value| {
                let mut headers = signed.headers();
                headers[at].1 = replaced;
                headers
            };
            let mut without = signed.headers();
            without.remove(at);
            signed.check(signed.body, &without, Some(VerificationErrorKind::Missing));
            signed.check(signed.body, &with(json!([])), Some(VerificationErrorKind::Missing));
            signed.check(signed.body, &with(Value::Null), Some(VerificationErrorKind::Missing));
            signed.check(signed.body, &with(json!([value, value])), Some(VerificationErrorKind::Repeated));
            let mut twice = signed.headers();
            twice.push((name.to_uppercase(), json!(value)));
            signed.check(signed.body, &twice, Some(VerificationErrorKind::Repeated));
            signed.check(signed.body, &with(json!("")), Some(VerificationErrorKind::Malformed));
            if *name == "webhook-id" {
                signed.check(
                    signed.body,
                    &with(json!("msg_p5jXN8AQM9LWM0D4loKWxJe.")),
                    Some(VerificationErrorKind::Malformed),
                );
                signed.check(signed.body, &with(json!("msg_other")), Some(VerificationErrorKind::Mismatch));
                continue;
            }
            for wrong in [
                " ".to_owned(),
                format!(" {value}"),
                format!("{value}\n"),
                format!("{value},"),
                value.to_uppercase() + "=",
                "x".repeat(1_000_000),
                "v1,".repeat(100_000),
            ] {
                // White space and empty parts mean nothing in a list.
                let in_list = match *name {
                    "Stripe-Signature" => wrong.trim().trim_end_matches(',') == *value,
                    "webhook-signature" => wrong.trim() == *value,
                    _ => false,
                };
                let reason = (!in_list).then_some(VerificationErrorKind::Malformed);
                signed.check(signed.body, &with(json!(wrong)), reason);
            }
            if name.to_lowercase().ends_with("timestamp") {
                let next = value.parse::<u64>().unwrap() + 1;
                signed.check(
                    signed.body,
                    &with(json!(next.to_string())),
                    Some(VerificationErrorKind::Mismatch),
                );
                signed.check(
                    signed.body,
                    &with(json!(format!("0{value}"))),
                    Some(VerificationErrorKind::Malformed),
                );
                signed.check(
                    signed.body,
                    &with(json!("99999999999999999999")),
                    Some(VerificationErrorKind::Malformed),
                );
                signed.check(
                    signed.body,
                    &with(json!("999999999999999")),
                    Some(VerificationErrorKind::OutsideWindow),
                );
            } else {
                signed.check(
                    signed.body,
                    &with(json!(&value[..value.len() - 1])),
                    Some(VerificationErrorKind::Malformed),
                );
            }
        }
    }
}

#[test]
fn a_time_is_near_when_kiket_received_the_webhook() {
    for signed in documented().into_iter().skip(1) {
        let at = |received: Value| {
            let webhook = received_at(received, signed.body, signed.headers());
            webhook.verify(&*signed.provider).err().map(|refused| refused.kind())
        };
        for (received, reason) in [
            (json!(signed.received - 300), None),
            (json!(signed.received + 300), None),
            (json!(signed.received - 301), Some(VerificationErrorKind::OutsideWindow)),
            (json!(signed.received + 301), Some(VerificationErrorKind::OutsideWindow)),
            (json!(0), Some(VerificationErrorKind::OutsideWindow)),
            (Value::Null, Some(VerificationErrorKind::Untimed)),
            (json!("soon"), Some(VerificationErrorKind::Untimed)),
            (json!(-5), Some(VerificationErrorKind::Untimed)),
        ] {
            assert_eq!(at(received.clone()), reason, "{received}");
        }
    }
    // GitHub signs no time.
    let untimed = received_at(Value::Null, "Hello, World!", [("X-Hub-Signature-256", json!(HELLO))]);
    assert_eq!(untimed.verify(&GitHub::new("It's a Secret to Everybody")), Ok(()));
}

#[test]
fn one_of_several_signatures_must_match() {
    const OURS: &str = "v1=248a374f50f943a28b0f6ab50faf9a7e7e29b710fa26df9fb1618b9bf8ea9c9a";
    const OTHER: &str = "v1=1d5df318037183db6465b14ebf3e9b33ed4901478e5e2a0d4d9dfa761d91de66";
    #[track_caller]
    fn stripe(signature: &str, reason: Option<VerificationErrorKind>) {
        let webhook = webhook(r#"{"id":"evt_1"}"#, [("Stripe-Signature", json!(signature))]);
        let refused = webhook.verify(&Stripe::new("whsec_test_secret")).err();
        assert_eq!(refused.map(|refused| refused.kind()), reason, "{signature}");
    }
    let t = "t=1700000000";
    stripe(&format!("{t},{OTHER},{OURS}"), None);
    stripe(&format!("{OURS},v0=ab,{t},{OTHER},v2=text"), None);
    stripe(&format!("{t},{}", OURS.to_uppercase().replace('V', "v")), None);
    stripe(&format!("{t},{OTHER}"), Some(VerificationErrorKind::Mismatch));
    stripe(&format!("{t},{}", OURS.replace("v1", "v0")), Some(VerificationErrorKind::Malformed));
    stripe(&format!("{t},{t},{OURS}"), Some(VerificationErrorKind::Malformed));
    for unread in ["x", "v1=abc", "v1=zz", "v1=", "=", "v9", "", " "] {
        stripe(&format!("{t},{OURS},{unread}"), None);
        stripe(&format!("{t}, {unread} , {OURS}"), None);
        stripe(&format!("{t},{OTHER},{unread}"), Some(VerificationErrorKind::Mismatch));
        stripe(&format!("{t},{unread}"), Some(VerificationErrorKind::Malformed));
    }
    stripe(OURS, Some(VerificationErrorKind::Malformed));
    stripe(t, Some(VerificationErrorKind::Malformed));
    stripe(&format!("t=1700000001,{OURS}"), Some(VerificationErrorKind::Mismatch));

    let [.., standard, _] = documented();
    let [ours, other] = [
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        "v1,jd8+iQvkzvHYyjEbijSF2QRLr7jKlx7Y0PC1Y/q4gRM=",
    ];
    let check = |signature: String, reason: Option<VerificationErrorKind>| {
        let mut headers = standard.headers();
        headers[2].1 = signature.into();
        standard.check(standard.body, &headers, reason);
    };
    check(format!("{other} {ours}"), None);
    check(format!("v1a,ed25519 {ours} v2,text"), None);
    check(other.to_owned(), Some(VerificationErrorKind::Mismatch));
    check(ours.replace("v1,", "v2,"), Some(VerificationErrorKind::Malformed));
    for unread in ["v1,!!!", "v1,AAAA", "v1,bm9wZQ==", "v1,", "v1", "v2", ",", "", "\t"] {
        check(format!("{unread} {ours}"), None);
        check(format!("{ours}  {unread} "), None);
        check(format!("{unread} {other}"), Some(VerificationErrorKind::Mismatch));
        check(unread.to_owned(), Some(VerificationErrorKind::Malformed));
    }
    check(ours.replace('+', "-").replace('/', "_"), Some(VerificationErrorKind::Malformed));
    check(ours.replace("g0h", "G0h"), Some(VerificationErrorKind::Mismatch));
    // The same bytes, if the unused bits of base64 were ignored.
    check(ours.replace("OE=", "OF="), Some(VerificationErrorKind::Malformed));
}

#[test]
fn a_text_of_any_script_is_signed_by_its_bytes() {
    // Signed by OpenSSL.
    let signature = "sha256=9A558704376077FA3E529ABE904375FB6506844C05D7204FB24A63DB380AE4C2";
    let webhook = webhook(r#"{"emoji":"✓"}"#, [("X-Hub-Signature-256", json!(signature))]);
    assert_eq!(webhook.verify(&GitHub::new("схема")), Ok(()));
}

#[test]
fn a_secret_that_cannot_be_used_verifies_nothing_and_is_retried() {
    #[track_caller]
    fn check(provider: &dyn Provider) {
        // An attacker who knows that the secret is blank could sign this.
        let mac = crate::auth::MacKey::new(b"").mac(&[b"Hello, World!"]);
        let mut hex = [0; 64];
        let signature = format!("sha256={}", base16ct::lower::encode_str(&mac, &mut hex).unwrap());
        let webhook = webhook(
            "Hello, World!",
            [
                ("X-Hub-Signature-256", json!(signature)),
                ("X-Slack-Signature", json!(signature.replace("sha256", "v0"))),
                ("X-Slack-Request-Timestamp", json!("1700000000")),
                ("Stripe-Signature", json!(signature.replace("sha256", "t=1700000000,v1"))),
                ("webhook-id", json!("msg_1")),
                ("webhook-timestamp", json!("1700000000")),
                ("webhook-signature", json!("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")),
            ],
        );
        let refused = webhook.verify(provider).unwrap_err();
        assert_eq!(refused.kind(), VerificationErrorKind::InvalidSecret);
        assert!(!refused.to_string().contains("canary"));
        assert_eq!(HandlerError::from(refused).kind(), ErrorKind::Retryable);
    }
    let mismatched = SharedToken::header("X-Hub-Signature-256", "canary\n");
    check(&mismatched);
    for secret in ["", " ", " canary", "canary\n"] {
        check(&GitHub::new(secret));
        check(&Slack::new(secret));
        check(&Stripe::new(secret));
        check(&StandardWebhooks::new(secret));
    }
    for secret in ["whsec_", "whsec_canary!", "whsec_Y2FuYXJ5Cg", "whsec_whsec_Y2FuYXJ5"] {
        check(&StandardWebhooks::new(secret));
    }
}

#[test]
fn a_forgery_is_permanent_and_its_response_names_no_cause() {
    let forged = webhook("Hello", [("X-Hub-Signature-256", json!(HELLO))]);
    let error = HandlerError::from(forged.verify(&GitHub::new("secret")).unwrap_err()).into_error();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Permanent, None));
}

#[test]
fn providers_and_webhooks_do_not_print_what_they_know() {
    let webhook: ExternalWebhook = serde_json::from_value(json!({
        "event": "external.webhook.github",
        "secrets": { "KEY": "canary" },
        "external_webhook": {
            "body": "canary", "headers": { "Authorization": "canary" }, "query_params": { "token": "canary" },
            "original_url": "https://kiket.dev/webhooks/ext/canary/github", "ip": "canary",
        },
    }))
    .unwrap();
    let providers = (GitHub::new("canary"), Slack::new("canary"), Stripe::new("canary"));
    let printed = format!("{webhook:?} {providers:?} {:?}", StandardWebhooks::new("whsec_canary=="));
    assert!(!printed.contains("canary"), "{printed}");
    assert_eq!(webhook.action(), Some("github"));
    assert_eq!(webhook.request_extra()["ip"], "canary");
}

#[test]
fn what_is_kept_of_a_webhook_is_not_of_the_envelope() {
    let webhook: ExternalWebhook = serde_json::from_value(json!({
        "authentication": { "runtime_token": "canary" }, "secrets": { "KEY": "canary" }, "api": {}, "secret_status": {},
        "tenant": 7, "receivedAt": "2026-05-02T09:10:00Z",
        "externalWebhook": { "body": "", "secrets": "canary", "ip": "::1", "queryParams": { "a": "b" }, "contentType": "text/plain" },
    }))
    .unwrap();
    let kept = |fields: &Map<String, Value>| fields.keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        (kept(webhook.extra()), kept(webhook.request_extra())),
        (vec!["tenant".into()], vec!["ip".into()])
    );
    assert_eq!((webhook.query("a"), webhook.content_type()), (Some("b"), Some("text/plain")));
    assert!(webhook.received_at().is_some());
}

/// The headers that Svix sent before the standard had names of its own.
#[test]
fn older_names_of_the_standard_are_read() {
    let [.., standard, _] = documented();
    let named = |prefix: &str| -> Vec<(String, Value)> {
        let headers = standard.headers().into_iter();
        headers.map(|(name, value)| (name.replace("webhook", prefix), value)).collect()
    };
    let older = named("Svix");
    standard.check(standard.body, &older, None);
    standard.check("{}", &older, Some(VerificationErrorKind::Mismatch));
    for missing in 0..3 {
        let mut older = older.clone();
        older.remove(missing);
        standard.check(standard.body, &older, Some(VerificationErrorKind::Missing));
    }
    // The names are not mixed.
    let mixed = [&older[..2], &standard.headers()[2..]].concat();
    standard.check(standard.body, &mixed, Some(VerificationErrorKind::Missing));
    standard.check(standard.body, &[older, standard.headers()].concat(), None);
}

#[test]
fn a_shared_token_is_in_a_header_or_the_query() {
    #[track_caller]
    #[allow(clippy::needless_pass_by_value)] // it is written in the call
    fn check(provider: &SharedToken, request: Value, reason: Option<VerificationErrorKind>) {
        let webhook: ExternalWebhook =
            serde_json::from_value(json!({ "external_webhook": request })).unwrap();
        let refused = webhook.verify(provider).err();
        assert_eq!(refused.as_ref().map(VerificationError::kind), reason, "{request}");
        assert!(!format!("{refused:?} {provider:?}").contains("canary"), "{refused:?}");
    }
    use VerificationErrorKind::{InvalidSecret, Malformed, Mismatch, Missing, Repeated};
    let header = SharedToken::header("X-Mail-Token", "canary");
    for (value, reason) in [
        (json!("canary"), None),
        (json!(["canary"]), None),
        (json!("canary2"), Some(Mismatch)),
        (json!("canar"), Some(Mismatch)),
        (json!("Canary"), Some(Mismatch)),
        (json!(" canary"), Some(Mismatch)),
        (json!(""), Some(Mismatch)),
        (json!(["canary", "canary"]), Some(Repeated)),
        (json!([]), Some(Missing)),
    ] {
        check(&header, json!({ "headers": { "x-mail-token": value } }), reason);
    }
    let query = SharedToken::query("token", "canary");
    for (value, reason) in [
        (json!("canary"), None),
        (json!("canary2"), Some(Mismatch)),
        (json!(["canary"]), Some(Repeated)),
        (json!(7), Some(Malformed)),
        (Value::Null, Some(Missing)),
    ] {
        check(&query, json!({ "query_params": { "token": value } }), reason);
    }
    check(&query, json!({ "headers": { "token": "canary" } }), Some(Missing));
    for blank in ["", " ", "canary "] {
        check(
            &SharedToken::query("token", blank),
            json!({ "query_params": { "token": blank } }),
            Some(InvalidSecret),
        );
    }
}

/// The example of Twilio's documentation, and others that OpenSSL signed with the same token.
#[test]
fn what_twilio_signed_is_verified() {
    const FORM: &str = "application/x-www-form-urlencoded";
    const BODY: &str =
        "CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234&From=%2B14158675309&To=%2B18005551212";
    const URL: &str = "https://mycompany.com/myapp.php?foo=1&bar=2";
    const SIGNED: &str = "RSOYDt4T1cUTdK1PDd93/VVr8B8=";
    #[track_caller]
    #[allow(clippy::needless_pass_by_value)] // it is written in the call
    fn check(twilio: &Twilio, request: Value, reason: Option<VerificationErrorKind>) {
        let webhook: ExternalWebhook =
            serde_json::from_value(json!({ "external_webhook": request })).unwrap();
        let refused = webhook.verify(twilio).err();
        assert_eq!(refused.as_ref().map(VerificationError::kind), reason, "{request}: {refused:?}");
    }
    use VerificationErrorKind::{InvalidSecret, Malformed, Mismatch, Missing};
    let request = |url: &str, kind: &str, body: &str, signature: &str| json!({ "original_url": url, "content_type": kind, "body": body, "headers": { "X-Twilio-Signature": signature } });
    let twilio = Twilio::new("12345");
    check(&twilio, request(URL, FORM, BODY, SIGNED), None);
    let shuffled = "To=%2B18005551212&Digits=1234&From=%2B14158675309&Caller=%2B14158675309&CallSid=CA1234567890ABCDE&Digits=1234";
    check(&twilio, request(URL, FORM, shuffled, SIGNED), None);
    check(&twilio, request("https://mycompany.com:443/myapp.php?foo=1&bar=2", FORM, BODY, SIGNED), None);
    for (url, kind, body, signature, reason) in [
        ("http://mycompany.com/myapp.php?foo=1&bar=2", FORM, BODY, SIGNED, Mismatch),
        (URL, FORM, "To=1", SIGNED, Mismatch),
        (URL, "application/json", BODY, SIGNED, Mismatch),
        (URL, FORM, BODY, "RSOYDt4T1cUTdK1PDd93/VVr8B9=", Malformed),
        (URL, FORM, BODY, "c2hvcnQ=", Malformed),
        (URL, FORM, BODY, "", Malformed),
    ] {
        check(&twilio, request(url, kind, body, signature), Some(reason));
    }
    check(&Twilio::new("54321"), request(URL, FORM, BODY, SIGNED), Some(Mismatch));
    check(&Twilio::new(" "), request(URL, FORM, BODY, SIGNED), Some(InvalidSecret));
    // Behind a proxy: the URL is given, and its query is that of the request.
    let behind = request("http://10.0.0.1/in?foo=1&bar=2", FORM, BODY, SIGNED);
    check(&twilio, behind.clone(), Some(Mismatch));
    check(&twilio.clone().url("https://mycompany.com/myapp.php"), behind, None);
    let mut without = request(URL, FORM, BODY, SIGNED);
    without["original_url"] = Value::Null;
    check(&twilio, without.clone(), Some(Missing));
    check(&twilio.clone().url(URL), without, None);

    // A body that is no form is signed by its hash in the URL, and not at all without it.
    let json_url =
        "https://mycompany.com/j?bodySHA256=44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    check(&twilio, request(json_url, "application/json", "{}", "/UfpSClGlhTm8DYIJX2g6+GK5QU="), None);
    check(
        &twilio,
        request(json_url, "application/json", "[]", "/UfpSClGlhTm8DYIJX2g6+GK5QU="),
        Some(Mismatch),
    );
    check(&twilio, request(URL, "application/json", "{}", "zYQTYrRWXE7LtzbG4PfP7/bkkGo="), Some(Mismatch));
    check(&twilio, request(URL, "", "", "zYQTYrRWXE7LtzbG4PfP7/bkkGo="), None);
}

#[test]
fn what_is_missing_is_absent_and_what_is_no_webhook_is_refused() {
    let webhook: ExternalWebhook = serde_json::from_value(
        json!({ "external_webhook": { "body": null, "headers": null, "query_params": null } }),
    )
    .unwrap();
    assert_eq!((webhook.text(), webhook.action(), webhook.content_type()), ("", None, None));
    assert_eq!((webhook.method(), webhook.original_url(), webhook.received_at()), (None, None, None));
    for json in [
        json!({}),
        json!({ "external_webhook": null }),
        json!({ "external_webhook": { "body": {} } }),
        json!({ "external_webhook": { "headers": "A: 1" } }),
        json!({ "external_webhook": { "method": 5 } }),
    ] {
        assert!(serde_json::from_value::<ExternalWebhook>(json.clone()).is_err(), "{json}");
    }
}

/// A body of a kind, in the field or in the header.
#[track_caller]
fn body(content_type: &str, body: &str) -> ExternalWebhook {
    let read = |request: Value| -> ExternalWebhook {
        serde_json::from_value(json!({ "external_webhook": request })).unwrap()
    };
    let webhook = read(json!({ "body": body, "content_type": content_type }));
    let of_header = read(json!({ "body": body, "headers": { "Content-Type": content_type } }));
    let [one, other] =
        [&webhook, &of_header].map(|webhook| webhook.decode::<Value>().map_err(|error| error.to_string()));
    assert_eq!(one, other);
    webhook
}

#[test]
fn a_body_is_decoded_by_its_content_type() {
    #[track_caller]
    fn check(content_type: &str, text: &str, expected: &Value) {
        assert_eq!(body(content_type, text).decode::<Value>().unwrap(), *expected, "{content_type}");
    }
    for json in ["application/json", " Application/JSON ; charset=utf-8", "application/vnd.api+json"] {
        check(json, r#"{"a":[1,null]}"#, &json!({ "a": [1, null] }));
    }
    let form = "application/x-www-form-urlencoded";
    check(form, "a=1&b=%E2%9C%93+x&c", &json!({ "a": "1", "b": "✓ x", "c": "" }));
    check(form, "", &json!({}));
    check(form, "%zz=%ff", &json!({ "%zz": "\u{fffd}" }));
    for text in ["text/plain", "application/xml", "", "json", "multipart/form-data; boundary=x"] {
        check(text, r#"{"a":1}"#, &json!(r#"{"a":1}"#));
    }
}

#[test]
fn a_body_decodes_as_a_type_of_the_user() {
    #[derive(Deserialize, Debug, PartialEq)]
    struct Call<'b> {
        #[serde(borrow)]
        sid: std::borrow::Cow<'b, str>,
        duration: u32,
    }
    let call = || Call { sid: "CA1".into(), duration: 3 };
    let form = body("application/x-www-form-urlencoded", "sid=CA1&duration=3&other=x");
    assert_eq!(form.decode::<Call>().unwrap(), call());
    for mark in ["", "\u{feff}"] {
        let json = body("text/plain", &format!("{mark}{}", r#"{"sid":"CA1","duration":3}"#));
        assert_eq!(json.json::<Call>().unwrap(), call());
    }
    let json = body("text/plain", r#"{"sid":"CA1","duration":3}"#);
    assert_eq!(json.json::<Call>().unwrap(), call());
    assert_eq!(json.decode::<&str>().unwrap(), json.text());
    let repeated = body("", "a=1&b=2&a=3");
    let fields: Vec<_> = repeated.form_fields().collect();
    assert_eq!(fields, [("a".into(), "1".into()), ("b".into(), "2".into()), ("a".into(), "3".into())]);
}

#[test]
fn a_body_that_does_not_decode_says_where_like_a_payload() {
    #[derive(Deserialize, Debug)]
    #[expect(dead_code, reason = "decoding it is what is asked for")]
    struct Issue {
        number: u32,
    }
    #[track_caller]
    fn check(webhook: &ExternalWebhook, text: &str) {
        let error = webhook.decode::<std::collections::BTreeMap<String, Issue>>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Undecodable);
        assert_eq!(error.message(), Some(text));
    }
    let json = "application/json";
    check(&body(json, r#"{"issue":{}}"#), "external_webhook.body.issue: missing field `number`");
    check(&body(json, r#"{"issue":{"number":1}} x"#), "external_webhook.body: trailing characters");
    check(&body(json, "<xml>"), "external_webhook.body: expected value");
    check(&body(json, ""), "external_webhook.body: EOF while parsing a value");
    check(&body("text/plain", "hi"), "external_webhook.body: invalid type: string \"hi\", expected a map");
    // What is not known of the path is left out.
    let keys = body(json, "{1:2}").decode::<Value>().unwrap_err();
    assert_eq!(keys.message(), Some("external_webhook.body: key must be a string"));
    let keys = body(json, r#"{"a":[{"b":{1:2}}]}"#).decode::<Value>().unwrap_err();
    assert_eq!(keys.message(), Some("external_webhook.body.a[0].b: key must be a string"));
    let deep = body(json, &"[".repeat(200)).decode::<Value>().unwrap_err();
    assert_eq!(
        (deep.kind(), deep.code()),
        (ErrorKind::Rejected(http::StatusCode::BAD_REQUEST), Some("too_deep"))
    );
    let borrowed = body(json, r#""a\nb""#).decode::<&str>().unwrap_err();
    assert!(borrowed.message().unwrap().contains("Cow<'_, str>"), "{borrowed}");
    let form = body("application/x-www-form-urlencoded", "number=three");
    let error = form.decode::<Issue>().unwrap_err();
    assert_eq!(error.message(), Some("external_webhook.body.number: invalid digit found in string"));
}

proptest! {
    #[test]
    fn no_header_makes_a_verifier_panic_or_believe(
        one in any::<String>(),
        two in "[tv01=,. a-f0-9+/]{0,120}",
        text in any::<String>(),
        time in any::<u64>(),
    ) {
        let [one, two] = [json!(one), json!(two)];
        for (signature, timestamp) in [(&one, &two), (&two, &one), (&two, &json!("1700000000"))] {
            let webhook = received_at(time, &text, [
                ("X-Hub-Signature-256", signature.clone()),
                ("X-Slack-Signature", signature.clone()),
                ("X-Slack-Request-Timestamp", timestamp.clone()),
                ("Stripe-Signature", signature.clone()),
                ("webhook-id", json!("msg_1")),
                ("webhook-timestamp", timestamp.clone()),
                ("webhook-signature", signature.clone()),
            ]);
            for signed in documented() {
                prop_assert!(webhook.verify(&*signed.provider).is_err());
            }
        }
    }

    #[test]
    fn any_changed_bit_of_a_body_is_refused(bit in any::<prop::sample::Index>()) {
        for signed in documented() {
            let mut changed = signed.body.as_bytes().to_vec();
            let bit = bit.index(changed.len() * 8);
            changed[bit / 8] ^= 1 << (bit % 8);
            // Kiket passes text on.
            let Ok(body) = String::from_utf8(changed) else { continue };
            signed.check(&body, &signed.headers(), Some(VerificationErrorKind::Mismatch));
        }
    }
}
