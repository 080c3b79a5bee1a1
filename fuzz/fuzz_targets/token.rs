//! Any keys, token and body: nothing panics, only what the key signed is accepted, and the handler sees what was signed.
//!
//! ```text
//! 1700000000 5                                          the time of the receiver, and the leeway
//! {"keys":[{"kty":"EC","crv":"P-256","kid":"k",@}]}     the keys; an `@` is the point of the key that signs
//! {"alg":"ES256","kid":"k"}                             what is signed: the header
//! {"exp":1700000300,"iss":"kiket.dev","jti":"j"}        and the claims, which may be any bytes
//! {"authentication":{"runtime_token":"@"}}              the body, which ends the input; an `@` is the token
//! ```

#![no_main]

use std::{
    cell::OnceCell,
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use kiket_runtime::{
    Authentication, Clock, Context, Extension, Headers, Json, TokenRules, internals::dispatch_to,
};
use kiket_testing::TokenIssuer;
use libfuzzer_sys::{Corpus, fuzz_target};
use serde_json::{Map, Value, json, value::RawValue};

/// Key sets of which it is known whether a header may choose a key.
const NAMED: &str = r#"{"keys":[{"kty":"EC","crv":"P-256","kid":"k",@}]}"#;
const NAMELESS: &str = r#"{"keys":[{"kty":"EC","crv":"P-256",@}]}"#;

thread_local! {
    static RUNTIME: OnceCell<tokio::runtime::Runtime> = const { OnceCell::new() };
    static ISSUER: TokenIssuer = TokenIssuer::nameless();
}

fuzz_target!(|input: &[u8]| -> Corpus {
    let Some(trial) = Trial::read(input) else { return Corpus::Reject };
    let (keys, token) = ISSUER.with(|issuer| {
        let key = &issuer.jwks()["keys"][0];
        let point = format!("\"x\":{},\"y\":{}", key["x"], key["y"]);
        (trial.keys.replace('@', &point), issuer.sign_bytes(&trial.header, trial.claims))
    });
    let Some(extension) = extension(&trial, keys) else { return Corpus::Keep };
    let body = with_token(trial.body, &token);
    let ask = |body: &[u8]| {
        let body = Bytes::copy_from_slice(body);
        dispatch_to(&extension, "/v/v1/webhooks/a.b", Headers::default(), body)
    };
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let [first, again, other] = RUNTIME.with(|known| {
        known.get_or_init(runtime).block_on(async {
            let (first, again) = (ask(&body).await, ask(&body).await);
            // White space behind an object changes nothing but the bytes.
            [first, again, ask(&[&body[..], b" "].concat()).await].map(Option::unwrap)
        })
    });
    assert_eq!(extension.in_flight(), 0);
    assert_eq!(first, again, "a repeated delivery gets another response");
    let response = String::from_utf8(first.1.to_vec()).unwrap();
    assert!(!response.contains(&token), "{response}");
    if first.0 == 401 {
        assert_eq!(response, r#"{"error":"invalid signature"}"#);
        assert!(!trial.must_come_in(), "{trial:?} {:?}", extension.stats().token_refusals);
        return Corpus::Keep;
    }

    assert_eq!(other.0, 401, "the token came in with two bodies");
    assert!(trial.may_come_in(&body, &token), "{trial:?} {response}");
    if first.0 == 200 {
        let seen: Map<String, Value> = serde_json::from_str(&response).unwrap();
        assert_eq!(seen, trial.seen(), "{trial:?}");
    }
    Corpus::Keep
});

#[derive(Debug)]
struct Trial<'i> {
    now: u64,
    leeway: u64,
    keys: &'i str,
    header: Value,
    claims: &'i [u8],
    body: &'i [u8],
}

impl<'i> Trial<'i> {
    fn read(input: &'i [u8]) -> Option<Self> {
        let mut lines = input.splitn(5, |byte| *byte == b'\n');
        let times = str::from_utf8(lines.next()?).ok()?;
        let (now, leeway) = times.split_once(' ')?;
        Some(Self {
            now: now.parse().ok()?,
            leeway: leeway.parse().ok()?,
            keys: str::from_utf8(lines.next()?).ok()?,
            header: serde_json::from_slice(lines.next()?).ok()?,
            claims: lines.next()?,
            body: lines.next()?,
        })
    }

    /// A token that the wire contract refuses is refused.
    fn may_come_in(&self, body: &[u8], token: &str) -> bool {
        // A value behind a key of `serde_json`'s own protocols is read as something else.
        let odd = body.windows(7).any(|window| window == b"private");
        let body = object(body);
        let carried = odd || body["authentication"]["runtime_token"] == token;
        let key = match (&self.header["kid"], self.keys) {
            (Value::Null, NAMED | NAMELESS) => true,
            (kid, NAMED) => kid == "k",
            (_, keys) => keys != NAMELESS && keys.contains('@'),
        };
        carried && key && self.header["alg"] == "ES256" && self.header["crit"].is_null() && self.holds()
    }

    /// What is right in everything, and written plainly, comes in.
    fn must_come_in(&self) -> bool {
        let plain = self.body == br#"{"authentication":{"runtime_token":"@"}}"#;
        let known = match &self.header["kid"] {
            Value::Null => [NAMED, NAMELESS].contains(&self.keys),
            kid => self.keys == NAMED && kid == "k",
        };
        let claims = self.claims();
        // Neither a name twice, nor a type that the contract does not have.
        let once = claims.to_string().as_bytes() == self.claims;
        let text = |name: &str| claims[name].is_null() || claims[name].is_string();
        let id = |name: &str| text(name) || claims[name].is_u64();
        let typed = ["sub", "src", "aud"].into_iter().all(text)
            && ["org_id", "ext_id", "proj_id", "pi_id"].into_iter().all(id)
            && (claims["scopes"].is_null() || self.scopes().is_some());
        let short = self.claims.len() < 8000 && self.header.to_string().len() < 1000;
        let signed = self.header["alg"] == "ES256" && self.header["crit"].is_null();
        plain && known && once && typed && short && signed && self.holds()
    }

    fn claims(&self) -> Value {
        object(self.claims)
    }

    fn scopes(&self) -> Option<Vec<String>> {
        serde_json::from_value(self.claims()["scopes"].clone()).ok()
    }

    /// The rules of the wire contract, authentication-modes to token-single-use, one by one.
    fn holds(&self) -> bool {
        let claims = self.claims();
        let begun = |name: &str| {
            claims[name].is_null()
                || seconds(&claims[name]).is_some_and(|at| at <= self.now.saturating_add(self.leeway))
        };
        let live = seconds(&claims["exp"]).is_some_and(|at| self.now < at.saturating_add(self.leeway));
        let id = claims["jti"].as_str().is_some_and(|id| !id.trim().is_empty() && id.len() <= 256);
        claims["iss"] == "kiket.dev" && live && begun("nbf") && begun("iat") && id
            && !claims["ext_id"].is_null()
    }

    /// What the handler must see.
    fn seen(&self) -> Map<String, Value> {
        let claims = self.claims();
        // Numbers of any length are kept as they are written, which a `Value` does not.
        let id = |name: &str| match &claims[name] {
            Value::Number(number) if !number.is_u64() => json!("long"),
            Value::Number(number) => json!(number.to_string()),
            text => text.clone(),
        };
        let mut seen = seen(&claims["sub"], &claims["src"], &json!(self.scopes().unwrap_or_default()));
        for name in IDS {
            seen.insert(name.to_owned(), id(name));
        }
        for name in ["exp", "iat"] {
            seen.insert(name.to_owned(), json!(seconds(&claims[name]).and_then(|at| time(at).map(|_| at))));
        }
        seen
    }
}

/// An object, of which `null` stands for a field that no `Value` can be, like `1e400`: it need not be read.
fn object(json: &[u8]) -> Value {
    let fields: BTreeMap<String, Box<RawValue>> =
        str::from_utf8(json).ok().and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
    let fields = fields.into_iter();
    fields.map(|(name, raw)| (name, serde_json::from_str::<Value>(raw.get()).unwrap_or_default())).collect()
}

const IDS: [&str; 4] = ["org_id", "ext_id", "proj_id", "pi_id"];

fn seen(subject: &Value, source: &Value, scopes: &Value) -> Map<String, Value> {
    let seen = [("sub", subject), ("src", source), ("scopes", scopes)];
    seen.into_iter().map(|(name, value)| (name.to_owned(), value.clone())).collect()
}

/// Whole seconds, however they are written.
fn seconds(number: &Value) -> Option<u64> {
    number
        .as_u64()
        .or_else(|| number.as_f64().filter(|seconds| *seconds >= 0.0).map(|seconds| seconds as u64))
}

/// A time that a `SystemTime` can be.
fn time(seconds: u64) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

fn with_token(body: &[u8], token: &str) -> Vec<u8> {
    body.split(|byte| *byte == b'@').collect::<Vec<_>>().join(token.as_bytes())
}

/// One that knows the keys and tells whom a delivery acts for; none, where keys or leeway cannot be used.
fn extension(trial: &Trial<'_>, keys: String) -> Option<Extension> {
    let rules = TokenRules::new().keys(keys).leeway(Duration::from_secs(trial.leeway));
    let rules = rules.extension_number(match &trial.claims()["ext_id"] {
        Value::String(number) => number.clone(),
        number => number.to_string(),
    });
    let builder = Extension::builder()
        .authentication(Authentication::Token)
        .token_rules(rules)
        .clock(Clock::fixed(trial.now))
        .environment::<&str, &str>([])
        .telemetry(|telemetry| telemetry.enabled(false))
        .without_collected()
        .without_manifest()
        .on("a.b", "v1", tell);
    builder.build().ok()
}

async fn tell(context: Context) -> Json<Map<String, Value>> {
    let auth = context.auth().unwrap();
    assert!(auth.is_verified());
    let since = |time: Option<SystemTime>| Some(time?.duration_since(UNIX_EPOCH).ok()?.as_secs());
    let long = |id: &str| id.len() > 0 && id.parse::<u64>().is_err() && id.parse::<f64>().is_ok();
    let ids = [auth.organization_id(), auth.extension_id(), auth.project_id(), auth.pi_id()];
    let mut seen = seen(&json!(auth.subject()), &json!(auth.source()), &json!(auth.scopes()));
    for (name, id) in IDS.into_iter().zip(ids) {
        seen.insert(name.to_owned(), if id.is_some_and(long) { json!("long") } else { json!(id) });
    }
    seen.insert("exp".to_owned(), json!(since(auth.expires_at())));
    seen.insert("iat".to_owned(), json!(since(auth.issued_at())));
    Json(seen)
}
