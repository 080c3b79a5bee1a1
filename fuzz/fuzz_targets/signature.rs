//! Whatever the headers, the body and the time: nothing panics, and what is accepted is what `sign` makes.
//!
//! The line is the time of the receiver and, behind a space, the older of its two secrets.

#![no_main]

mod request;

use kiket_runtime::{
    Secret,
    signature::{
        SIGNATURE_HEADER, SignatureError, TIMESTAMP_HEADER, TOLERANCE_SECONDS, Verifier, sign, verify,
    },
};
use libfuzzer_sys::{Corpus, fuzz_target};
use request::Request;

const CURRENT: &str = "the current secret";

fuzz_target!(|input: &[u8]| -> Corpus {
    let Some(mut request) = Request::read(input) else { return Corpus::Reject };
    let (now, previous) = request.line.split_once(' ').unwrap_or((request.line, ""));
    let Ok(now) = now.parse::<u64>() else { return Corpus::Reject };

    let secrets = [Secret::from(CURRENT), Secret::from(previous)];
    let usable = !previous.trim().is_empty() && previous.trim() == previous;
    let both = Verifier::new(&secrets);
    assert_eq!(both.is_ok(), usable);
    assert!(!format!("{both:?}").contains(CURRENT));
    let verifier = both.or_else(|_| Verifier::new(&secrets[..1])).unwrap();
    let live = if usable { vec![CURRENT, previous] } else { vec![CURRENT] };

    // An `@` is the signature of the one secret or the other.
    request.sign(live[input.len() % live.len()]);
    let found = verifier.verify(&request.headers(), request.body, now);
    let expected = model(&request, &live, now);
    assert_eq!(found.map(|verified| (verified.timestamp(), verified.secret())).ok(), expected);

    // One secret, asked by itself, says the same of the headers that are there once.
    let (times, signatures) = (request.all(TIMESTAMP_HEADER), request.all(SIGNATURE_HEADER));
    if let ([time], [signature]) = (&times[..], &signatures[..])
        && let (Ok(time), Ok(signature)) = (str::from_utf8(time), str::from_utf8(signature))
    {
        let positions = live.iter().map(|secret| verify(secret, time, signature, request.body, now).is_ok());
        let first = positions.into_iter().position(|accepted| accepted);
        assert_eq!(first, expected.map(|(_, secret)| secret));
        let blank = verify(" ", time, signature, request.body, now);
        assert_eq!(blank, Err(SignatureError::NoSecret));
    }
    Corpus::Keep
});

/// The contract, word by word: the time and the position of the secret of what is accepted.
fn model(request: &Request<'_>, secrets: &[&str], now: u64) -> Option<(u64, usize)> {
    let ([time], [signature]) = (&request.all(TIMESTAMP_HEADER)[..], &request.all(SIGNATURE_HEADER)[..])
    else {
        return None;
    };
    let (time, signature) = (str::from_utf8(time).ok()?, str::from_utf8(signature).ok()?);
    let seconds: u64 = time.parse().ok()?;
    let plain = seconds.to_string() == time && time.len() <= 15;
    let near = seconds.abs_diff(now) <= TOLERANCE_SECONDS;
    let hex = signature.strip_prefix("sha256=").unwrap_or(signature).to_ascii_lowercase();
    let secret = secrets.iter().position(|secret| sign(secret, seconds, request.body) == hex)?;
    (plain && near).then_some((seconds, secret))
}
