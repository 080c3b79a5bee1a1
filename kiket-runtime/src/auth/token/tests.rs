//! Tests of tokens: real signatures, keys from a scripted host, a virtual clock.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use futures_util::FutureExt as _;
use kiket_testing::TokenIssuer; // of another build of this crate: only its texts and JSON are taken
use serde_json::{Value, json};

use super::{
    BaseUrl, Keyring, Known, TokenError, TokenRefusal, TokenVerifier, jwks::KeySet, rules::TokenRules,
};
use crate::client::{
    Fetcher,
    transport::{Outgoing, Response, Sending, Transport},
};

const NOW: u64 = 1_768_690_100;

fn claims() -> Value {
    json!({
        "iss": "kiket.dev", "sub": "installation:1", "org_id": 3, "ext_id": 7, "proj_id": "27",
        "pi_id": 123_456_789_012_345_678_901_234_567_890_f64, "scopes": ["issues:read"], "src": "webhook",
        "iat": NOW - 100, "exp": NOW + 200, "jti": "j-1",
    })
}

/// The claims with `change` merged in; null takes a claim away.
fn with(change: &Value) -> Value {
    let mut claims = claims();
    for (name, value) in change.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

fn given(rules: TokenRules, issuer: &TokenIssuer) -> TokenVerifier {
    TokenVerifier::new(&rules.keys(issuer.jwks().to_string()), &BaseUrl::default()).unwrap()
}

#[tokio::test]
async fn a_valid_token_says_what_it_allows() {
    let issuer = TokenIssuer::new();
    let token = issuer.sign(&with(&json!({ "pi_id": 11 })));
    let auth = given(TokenRules::new(), &issuer).verify(&token, NOW).await.unwrap();
    assert!(auth.is_verified() && auth.allows("issues.read") && !auth.allows("issues.write"));
    assert_eq!((auth.organization_id(), auth.extension_id()), (Some("3"), Some("7")));
    assert_eq!((auth.project_id(), auth.pi_id()), (Some("27"), Some("11")));
    assert_eq!((auth.subject(), auth.source()), (Some("installation:1"), Some("webhook")));
}

#[tokio::test]
async fn ids_are_kept_digit_by_digit() {
    let issuer = TokenIssuer::new();
    let huge = "123456789012345678901234567890123456789";
    let text = claims().to_string().replace("\"org_id\":3", &format!("\"org_id\":{huge}"));
    let token = issuer.sign_bytes(&json!({ "alg": "ES256", "kid": issuer.key_id() }), text.as_bytes());
    let auth = given(TokenRules::new(), &issuer).verify(&token, NOW).await.unwrap();
    assert_eq!(auth.organization_id(), Some(huge));
}

#[tokio::test]
async fn claims_are_checked_one_by_one() {
    use TokenError::{Expired, NotYetValid, WrongAudience, WrongClaims, WrongExtension, WrongIssuer};

    let issuer = TokenIssuer::new();
    let check = async |rules: TokenRules, change: Value, expected: Option<TokenError>| {
        let verified = given(rules, &issuer).verify(&issuer.sign(&with(&change)), NOW).await;
        assert_eq!(verified.err(), expected.map(TokenRefusal::Wrong), "{change}");
    };
    let lenient = || TokenRules::new().leeway(Duration::from_secs(60));
    let rules = TokenRules::new;
    for (rules, change, expected) in [
        (rules(), json!({}), None),
        (rules(), json!({ "iss": "kiket.dev.evil.example" }), Some(WrongIssuer)),
        (rules(), json!({ "iss": null }), Some(WrongClaims)),
        (rules(), json!({ "iss": ["kiket.dev"] }), Some(WrongClaims)),
        (rules().issuer("other"), json!({ "iss": "other" }), None),
        (rules(), json!({ "exp": null }), Some(WrongClaims)),
        (rules(), json!({ "exp": "1999999999" }), Some(WrongClaims)),
        (rules(), json!({ "exp": -1 }), Some(WrongClaims)),
        (rules(), json!({ "exp": NOW }), Some(Expired)),
        (rules(), json!({ "exp": NOW + 1 }), None),
        (rules(), json!({ "exp": 1e300 }), None),
        (rules(), json!({ "exp": u64::MAX }), None),
        (lenient(), json!({ "exp": NOW - 59 }), None),
        (lenient(), json!({ "exp": NOW - 60 }), Some(Expired)),
        (rules(), json!({ "nbf": NOW }), None),
        (rules(), json!({ "nbf": NOW + 1 }), Some(NotYetValid)),
        (rules(), json!({ "iat": NOW + 1 }), Some(NotYetValid)),
        (lenient(), json!({ "iat": NOW + 60 }), None),
        (rules(), json!({ "iat": "now" }), Some(WrongClaims)),
        (rules().audience("a"), json!({ "aud": "a" }), None),
        (rules().audience("a"), json!({ "aud": ["b", "a"] }), None),
        (rules().audience("a"), json!({ "aud": "b" }), Some(WrongAudience)),
        (rules().audience("a"), json!({}), Some(WrongAudience)),
        (rules(), json!({ "aud": "another" }), None),
        (rules().extension_number(7), json!({}), None),
        (rules().extension_number("7"), json!({ "ext_id": "7" }), None),
        (rules().extension_number(7), json!({ "ext_id": 8 }), Some(WrongExtension)),
        (rules().extension_number(7), json!({ "ext_id": null }), Some(WrongExtension)),
        (rules(), json!({ "ext_id": { "a": 1 } }), Some(WrongClaims)),
        (rules(), json!({ "jti": null }), Some(WrongClaims)),
        (rules(), json!({ "jti": " " }), Some(WrongClaims)),
        (rules(), json!({ "jti": "x".repeat(257) }), Some(WrongClaims)),
        (rules(), json!({ "scopes": "issues:read" }), Some(WrongClaims)),
        (rules(), json!({ "scopes": null, "more": { "of": ["everything"] } }), None),
    ] {
        check(rules, change, expected).await;
    }
}

#[tokio::test]
async fn a_token_that_the_key_did_not_sign_is_refused() {
    use TokenError::{Malformed, SignatureMismatch, UnknownKey, WrongAlgorithm, WrongClaims};

    let (issuer, other) = (TokenIssuer::new(), TokenIssuer::new());
    let kid = issuer.key_id().to_owned();
    let payload = claims().to_string();
    let good = issuer.sign(&claims());
    let parts: Vec<_> = good.split('.').collect();
    let unsigned = |header: &Value| {
        let encoded = issuer.sign_bytes(header, payload.as_bytes());
        encoded.rsplit_once('.').unwrap().0.to_owned() + "."
    };
    let raw = |header: &Value, payload: &str| issuer.sign_bytes(header, payload.as_bytes());
    let es256 = json!({ "alg": "ES256", "kid": kid });
    for (token, expected) in [
        (String::new(), Malformed),
        ("a.b".into(), Malformed),
        ("..".into(), Malformed),
        (format!("{good}."), Malformed),
        (format!(".{good}"), Malformed),
        (format!("{good}="), Malformed),
        (format!(" {good}"), Malformed),
        (good.replace('.', "\n."), Malformed),
        ("x".repeat(20_000), Malformed),
        (format!("{}.{}.{}", parts[0], parts[1], &parts[2][..40]), Malformed),
        (unsigned(&json!({ "alg": "ES256" })), Malformed),
        (unsigned(&json!({ "alg": "none" })), WrongAlgorithm),
        (unsigned(&json!({ "alg": "None" })), WrongAlgorithm),
        (raw(&json!({ "alg": "es256" }), &payload), WrongAlgorithm),
        (raw(&json!({ "alg": "ES384", "kid": kid }), &payload), WrongAlgorithm),
        (raw(&json!({ "alg": ["ES256"] }), &payload), Malformed),
        (raw(&json!({}), &payload), Malformed),
        (raw(&json!(["ES256", kid]), &payload), Malformed),
        (raw(&json!({ "alg": "ES256", "kid": 7 }), &payload), Malformed),
        (raw(&json!({ "alg": "ES256", "crit": ["b64"], "b64": false }), &payload), Malformed),
        (raw(&es256, "[1]"), WrongClaims),
        (raw(&es256, "null"), WrongClaims),
        (raw(&es256, ""), WrongClaims),
        (issuer.sign_bytes(&es256, &not_utf8(&payload)), WrongClaims),
        (raw(&es256, &payload.replace("\"iss\"", "\"iss\":\"evil\",\"iss\"")), WrongClaims),
        (hs256_with_the_public_key(&issuer), WrongAlgorithm),
        (raw(&json!({ "alg": "ES256", "kid": "another" }), &payload), UnknownKey),
        (other.sign_bytes(&es256, payload.as_bytes()), SignatureMismatch),
        (
            other.sign_bytes(
                &json!({ "alg": "ES256", "kid": kid, "jwk": other.jwks()["keys"][0] }),
                payload.as_bytes(),
            ),
            SignatureMismatch,
        ),
        (
            format!("{}.{}.{}", parts[0], parts[1], other.sign(&claims()).rsplit('.').next().unwrap()),
            SignatureMismatch,
        ),
        (format!("{}.{}.{}", parts[0], parts[1], "A".repeat(86)), SignatureMismatch),
    ] {
        let verified = given(TokenRules::new(), &issuer).verify(&token, NOW).await;
        assert_eq!(verified.err(), Some(TokenRefusal::Wrong(expected)), "{token}");
    }
}

/// The claims with another one, which is not UTF-8.
fn not_utf8(payload: &str) -> Vec<u8> {
    [b"{\"more\":\"\xff\",", &payload.as_bytes()[1..]].concat()
}

/// The public key as the secret of an HMAC: the best known attack on JWT libraries.
fn hs256_with_the_public_key(issuer: &TokenIssuer) -> String {
    use base64ct::{Base64UrlUnpadded, Encoding as _};
    use hmac::{Hmac, KeyInit as _, Mac as _};

    let key = issuer.jwks().to_string();
    let encode = |bytes: &[u8]| Base64UrlUnpadded::encode_string(bytes);
    let header = json!({ "alg": "HS256", "kid": issuer.key_id() }).to_string();
    let signed = format!("{}.{}", encode(header.as_bytes()), encode(claims().to_string().as_bytes()));
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(signed.as_bytes());
    format!("{signed}.{}", encode(&mac.finalize().into_bytes()))
}

#[test]
fn keys_of_other_kinds_are_no_keys() {
    let issuer = TokenIssuer::new();
    let key = issuer.jwks()["keys"][0].clone();
    let set = |keys: Value| KeySet::read(json!({ "keys": keys }).to_string().as_bytes());
    let changed = |name: &str, value: Value| {
        let mut key = key.clone();
        key[name] = value;
        key
    };
    assert!(set(json!([key])).is_ok());
    for odd in [
        changed("kty", json!("RSA")),
        changed("crv", json!("P-384")),
        changed("use", json!("enc")),
        changed("alg", json!("ES384")),
        changed("key_ops", json!(["sign"])),
        changed("x", json!("AAAA")),
        changed("x", json!(null)),
        changed("y", json!("!".repeat(43))),
        changed("kid", json!(7)),
        json!(["EC", "P-256"]),
        json!(null),
    ] {
        assert!(set(json!([odd])).is_err(), "{odd}");
        assert!(set(json!([odd, key])).is_ok(), "{odd}");
    }
    for text in ["", "[]", "{}", "{\"keys\":[]}", "{\"keys\":{}}", "<html>"] {
        assert!(KeySet::read(text.as_bytes()).is_err(), "{text}");
    }
    assert!(set(Value::from(vec![key.clone(); 101])).is_err());

    let set = set(json!([changed("kid", json!("a")), changed("kid", json!("b"))])).unwrap();
    assert!(set.has(Some("a")) && set.has(Some("b")) && !set.has(Some("c")) && !set.has(None));
}

/// A scripted host of keys, which counts its requests.
#[derive(Clone, Default)]
struct Host {
    response: Arc<Mutex<Option<Result<Value, u16>>>>,
    asked: Arc<Mutex<Vec<Outgoing>>>,
}

impl Host {
    fn with(keys: &TokenIssuer) -> Self {
        let host = Self::default();
        host.has(Some(Ok(keys.jwks())));
        host
    }

    /// Sets the response; without one the host hangs.
    fn has(&self, response: Option<Result<Value, u16>>) {
        *self.response.lock().unwrap() = response;
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    fn verifier(&self) -> TokenVerifier {
        let fetcher = Fetcher::over(Box::new(self.clone()), "https://kiket.dev/.well-known/jwks.json".into());
        TokenVerifier { rules: TokenRules::new(), keyring: Keyring::over(fetcher), known: Known::default() }
    }
}

impl Transport for Host {
    fn send(&self, outgoing: Outgoing) -> Sending<'_> {
        self.asked.lock().unwrap().push(outgoing);
        let response = self.response.lock().unwrap().clone();
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let Some(response) = response else { return std::future::pending().await };
            let (status, body) = match response {
                Ok(body) => (200, body.to_string()),
                Err(status) => (status, "no".to_owned()),
            };
            let status = http::StatusCode::from_u16(status).unwrap();
            Ok(Response { status, headers: http::HeaderMap::new(), body: body.into() })
        })
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A token of its own, so that none is known from before.
fn token(issuer: &TokenIssuer, id: &str) -> String {
    issuer.sign(&with(&json!({ "jti": id, "exp": NOW + 1_000_000 })))
}

fn wrong(error: TokenError) -> TokenRefusal {
    TokenRefusal::Wrong(error)
}

#[tokio::test(start_paused = true)]
async fn two_hundred_at_once_fetch_once_and_send_no_token() {
    let issuer = TokenIssuer::new();
    let host = Host::with(&issuer);
    let verifier = Arc::new(host.verifier());
    let tasks: Vec<_> = (0..200)
        .map(|number| {
            let (verifier, token) = (Arc::clone(&verifier), token(&issuer, &number.to_string()));
            tokio::spawn(async move { verifier.verify(&token, NOW).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(host.asked(), 1);
    let asked = host.asked.lock().unwrap();
    assert_eq!(asked[0].url, "https://kiket.dev/.well-known/jwks.json");
    assert!(!asked[0].headers.contains_key("authorization"));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_disconnects_does_not_stop_the_fetch() {
    let issuer = TokenIssuer::new();
    let host = Host::with(&issuer);
    let verifier = host.verifier();
    let (one, two) = (token(&issuer, "1"), token(&issuer, "2"));
    assert!(tokio::time::timeout(Duration::from_millis(50), verifier.verify(&one, NOW)).await.is_err());
    assert!(verifier.verify(&two, NOW).await.is_ok());
    assert_eq!(host.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_new_key_is_fetched_when_a_token_names_it() {
    let (old, new) = (TokenIssuer::new(), TokenIssuer::new());
    let host = Host::with(&old);
    let verifier = host.verifier();
    assert!(verifier.verify(&token(&old, "1"), NOW).await.is_ok());
    host.has(Some(Ok(new.jwks())));
    tokio::time::advance(seconds(10)).await;
    assert!(verifier.verify(&token(&new, "2"), NOW).await.is_ok());
    assert_eq!(host.asked(), 2);
    assert_eq!(
        verifier.verify(&token(&old, "3"), NOW).await.err(),
        Some(TokenRefusal::Undecided(Duration::from_millis(9900)))
    );
}

#[tokio::test(start_paused = true)]
async fn an_unknown_key_is_fetched_once_and_then_refused() {
    let (issuer, stranger, another) = (TokenIssuer::new(), TokenIssuer::new(), TokenIssuer::new());
    let host = Host::with(&issuer);
    let verifier = host.verifier();
    // Nothing is known yet: the first fetch decides.
    assert_eq!(
        verifier.verify(&token(&stranger, "1"), NOW).await.unwrap_err(),
        wrong(TokenError::UnknownKey)
    );
    assert_eq!(
        verifier.verify(&token(&stranger, "2"), NOW).await.unwrap_err(),
        wrong(TokenError::UnknownKey)
    );
    assert_eq!(host.asked(), 1);
    // Another key, about which no fetch has decided, is neither refused nor fetched at once.
    let undecided = verifier.verify(&token(&another, "3"), NOW).await.err();
    assert!(matches!(undecided, Some(TokenRefusal::Undecided(wait)) if wait <= seconds(10)), "{undecided:?}");
    assert_eq!(host.asked(), 1);
    tokio::time::advance(seconds(10)).await;
    assert_eq!(verifier.verify(&token(&another, "3"), NOW).await.unwrap_err(), wrong(TokenError::UnknownKey));
    assert_eq!(host.asked(), 2);
    // It may be published later: after the cooldown it is fetched again.
    host.has(Some(Ok(another.jwks())));
    tokio::time::advance(seconds(10)).await;
    assert!(verifier.verify(&token(&another, "4"), NOW).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_only_key_may_change_without_a_name() {
    let (old, new) = (TokenIssuer::nameless(), TokenIssuer::nameless());
    let host = Host::with(&old);
    let verifier = host.verifier();
    assert!(verifier.verify(&token(&old, "1"), NOW).await.is_ok());
    host.has(Some(Ok(new.jwks())));
    tokio::time::advance(seconds(10)).await;
    assert!(verifier.verify(&token(&new, "2"), NOW).await.is_ok());
    tokio::time::advance(seconds(10)).await;
    assert_eq!(
        verifier.verify(&token(&old, "3"), NOW).await.unwrap_err(),
        wrong(TokenError::SignatureMismatch)
    );
    assert_eq!(host.asked(), 3);

    let both = json!({ "keys": [old.jwks()["keys"][0], new.jwks()["keys"][0]] });
    host.has(Some(Ok(both)));
    tokio::time::advance(seconds(10)).await;
    assert_eq!(verifier.verify(&token(&old, "4"), NOW).await.unwrap_err(), wrong(TokenError::UnknownKey));
}

#[tokio::test(start_paused = true)]
async fn while_the_host_is_down_no_token_is_refused() {
    let issuer = TokenIssuer::new();
    for down in [
        Some(Err(503)),
        Some(Err(404)),
        Some(Err(302)),
        Some(Ok(json!({ "keys": [] }))),
        Some(Ok(json!("x"))),
        None,
    ] {
        let host = Host::default();
        host.has(down.clone());
        let verifier = host.verifier();
        let from = tokio::time::Instant::now();
        let undecided = verifier.verify(&token(&issuer, "1"), NOW).await.err();
        assert!(matches!(undecided, Some(TokenRefusal::Undecided(_))), "{down:?} {undecided:?}");
        assert!(from.elapsed() <= seconds(5));
        assert!(verifier.verify(&token(&issuer, "2"), NOW).await.is_err());
        assert_eq!(host.asked(), 1, "{down:?}");
        // A token with wrong claims is still refused.
        let expired = issuer.sign(&with(&json!({ "exp": NOW })));
        assert_eq!(verifier.verify(&expired, NOW).await.unwrap_err(), wrong(TokenError::Expired));

        host.has(Some(Ok(issuer.jwks())));
        tokio::time::advance(seconds(10)).await;
        assert!(verifier.verify(&token(&issuer, "3"), NOW).await.is_ok(), "{down:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn stale_keys_are_used_for_a_day_while_no_fetch_succeeds() {
    let issuer = TokenIssuer::new();
    let host = Host::with(&issuer);
    let verifier = host.verifier();
    assert!(verifier.verify(&token(&issuer, "1"), NOW).await.is_ok());
    tokio::time::advance(seconds(3599)).await;
    assert!(verifier.verify(&token(&issuer, "2"), NOW).await.is_ok());
    assert_eq!(host.asked(), 1);

    host.has(None);
    tokio::time::advance(seconds(2)).await;
    let from = tokio::time::Instant::now();
    assert!(verifier.verify(&token(&issuer, "3"), NOW).await.is_ok());
    assert_eq!(from.elapsed(), Duration::ZERO, "no delivery waits for a host that hangs");
    tokio::time::sleep(seconds(6)).await;
    assert_eq!(host.asked(), 2);
    tokio::time::advance(seconds(80_000)).await;
    assert!(verifier.verify(&token(&issuer, "4"), NOW).await.is_ok());
    tokio::time::sleep(seconds(6)).await;

    host.has(Some(Err(500)));
    tokio::time::advance(seconds(3_000)).await;
    assert!(verifier.verify(&token(&issuer, "5"), NOW).await.is_err(), "a day is over");
}

/// A worker of its own: its clock and its tasks stop while the test does not drive it.
fn worker() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

#[test]
fn a_fetch_that_is_lost_with_its_worker_decides_nothing() {
    let (old, new) = (TokenIssuer::new(), TokenIssuer::new());
    let host = Host::with(&old);
    let verifier = host.verifier();
    let lost = worker();
    lost.block_on(async {
        assert!(verifier.verify(&token(&old, "1"), NOW).await.is_ok());
        host.has(Some(Ok(new.jwks())));
        tokio::time::advance(seconds(10)).await;
        let (patience, token) = (Duration::from_millis(50), token(&new, "2"));
        assert!(tokio::time::timeout(patience, verifier.verify(&token, NOW)).await.is_err());
    });
    drop(lost);
    worker().block_on(async {
        let undecided = verifier.verify(&token(&new, "2"), NOW).await.err();
        assert!(matches!(undecided, Some(TokenRefusal::Undecided(_))), "{undecided:?}");
        tokio::time::advance(seconds(30)).await;
        assert!(verifier.verify(&token(&new, "2"), NOW).await.is_ok());
    });
    assert_eq!(host.asked(), 3);
}

#[test]
fn a_worker_that_hangs_while_it_fetches_delays_no_other() {
    let issuer = TokenIssuer::new();
    let host = Host::with(&issuer);
    let verifier = host.verifier();
    let (hanging, other) = (worker(), worker());
    let one = token(&issuer, "1");
    hanging.block_on(async {
        let patience = Duration::from_millis(50);
        assert!(tokio::time::timeout(patience, verifier.verify(&one, NOW)).await.is_err());
    });
    other.block_on(async {
        let undecided = tokio::time::timeout(seconds(6), verifier.verify(&one, NOW)).await;
        assert!(matches!(undecided, Ok(Err(TokenRefusal::Undecided(_)))), "{undecided:?}");
        tokio::time::advance(seconds(10)).await;
        let auth = tokio::time::timeout(seconds(6), verifier.verify(&one, NOW)).await;
        assert!(matches!(auth, Ok(Ok(_))), "{auth:?}");
    });
    assert_eq!(host.asked(), 2);
}

#[test]
fn a_worker_that_blocks_while_keys_come_delays_no_other() {
    let (issuer, listener) = (TokenIssuer::new(), TcpListener::bind("127.0.0.1:0").unwrap());
    let kiket = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let (keys, (block, is_blocked)) = (issuer.jwks().to_string(), mpsc::channel::<()>());
    let server = std::thread::spawn(move || {
        let mut stream = BufReader::new(listener.accept().unwrap().0);
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            assert!(stream.read_line(&mut line).unwrap() > 0, "a whole request");
        }
        let _ = is_blocked.recv();
        let response = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{keys}", keys.len());
        stream.get_mut().write_all(response.as_bytes()).unwrap();
    });
    let keyring = Keyring::of(&kiket);
    let verifier = TokenVerifier { rules: TokenRules::new(), keyring, known: Known::default() };
    let worker = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (blocked, other, one) = (worker(), worker(), token(&issuer, "1"));
    blocked.block_on(async { assert!(Box::pin(verifier.verify(&one, NOW)).now_or_never().is_none()) });
    drop(block);
    let result = other.block_on(verifier.verify(&one, NOW));
    assert!(result.is_ok(), "{:?}", result.err());
    server.join().unwrap();
}
