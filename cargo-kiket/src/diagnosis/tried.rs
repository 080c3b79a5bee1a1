//! Tries the known mistakes: every secret, time, scheme and body that may have been signed, up to two mistakes at once.

use base64ct::{Base64, Encoding as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use super::{
    evidence::Evidence,
    mistake::{self, Cause},
    received::{Received, meant},
    spelling::spellings,
};

/// How much is hashed at most, in bytes.
const BUDGET: usize = if cfg!(test) { 1 << 20 } else { 256 << 20 };
/// How large a body may be for others to be made of it, in bytes; each is a copy.
const LARGEST: usize = 8 << 20;
/// How far another time is looked for, in seconds.
const NEAR: u64 = 600;
/// How many digits of a signature may be damaged.
const DAMAGED: usize = 4;

/// Something that may have been used, and the mistake that it would be.
struct Choice<T> {
    value: T,
    cause: Option<Cause>,
}

impl<T> Choice<T> {
    fn right(value: T) -> Self {
        Self { value, cause: None }
    }

    fn wrong(value: T, cause: Cause) -> Self {
        Self { value, cause: Some(cause) }
    }

    fn mistakes(&self) -> usize {
        usize::from(self.cause.is_some())
    }
}

/// What is hashed, and how.
#[derive(Clone)]
enum Scheme {
    /// HMAC of time, dot, body.
    Right,
    Body,
    NoDot,
    /// HMAC of body, this text, time.
    Swapped(&'static str),
    /// HMAC of this text, time, this text, body.
    Around(String, &'static str),
    /// SHA-256 of these, in this order.
    Hash(&'static [Part]),
}

#[derive(Clone, Copy)]
enum Part {
    Key,
    Time,
    Dot,
    Body,
}

/// All that is tried.
pub(super) struct Trials<'t> {
    received: &'t Received<'t>,
    keys: Vec<Choice<Vec<u8>>>,
    times: Vec<Choice<String>>,
    schemes: Vec<Choice<Scheme>>,
    bodies: Vec<Choice<Vec<u8>>>,
    hashed: usize,
}

impl<'t> Trials<'t> {
    pub(super) fn new(evidence: &Evidence<'_>, received: &'t Received<'t>) -> Self {
        Self {
            received,
            keys: keys(evidence),
            times: times(evidence, received),
            schemes: schemes(evidence),
            bodies: bodies(evidence),
            hashed: 0,
        }
    }

    pub(super) fn is_exhaustive(&self) -> bool {
        self.hashed < BUDGET && self.bodies.first().is_some_and(|body| body.value.len() <= LARGEST)
    }

    /// The mistakes that explain the signature, the fewest that do.
    pub(super) fn run(&mut self) -> Option<Vec<Cause>> {
        if self.received.claims.is_empty() {
            return None;
        }
        self.with_mistakes(0)
            .or_else(|| self.damaged())
            .or_else(|| self.with_mistakes(1))
            .or_else(|| self.at_another_time())
            .or_else(|| self.with_mistakes(2))
    }

    fn with_mistakes(&mut self, count: usize) -> Option<Vec<Cause>> {
        let mut hashed = self.hashed;
        for key in &self.keys {
            for time in &self.times {
                for scheme in &self.schemes {
                    let before_body = key.mistakes() + time.mistakes() + scheme.mistakes();
                    let left = count.checked_sub(before_body).filter(|left| *left <= 1);
                    let Some(left) = left else { continue };
                    for body in self.bodies.iter().filter(|body| body.mistakes() == left) {
                        if hashed >= BUDGET {
                            self.hashed = hashed;
                            return None;
                        }
                        hashed += body.value.len() + 128;
                        let mac = scheme.value.mac(&key.value, time.value.as_bytes(), &body.value);
                        if let Some(form) = self.form(&mac) {
                            let found = [&key.cause, &scheme.cause, &time.cause, &body.cause];
                            let found = found.into_iter().flatten().cloned();
                            return Some(form.iter().cloned().chain(found).collect());
                        }
                    }
                }
            }
        }
        self.hashed = hashed;
        None
    }

    /// The form of the received signature that is `mac`.
    fn form(&self, mac: &[u8; 32]) -> Option<&[Cause]> {
        let claimed = self.received.claims.iter().find(|claim| mac.starts_with(&claim.mac));
        claimed.map(|claim| &*claim.form)
    }

    /// A signature that is right but for a few digits.
    fn damaged(&self) -> Option<Vec<Cause>> {
        let right = |choice: &&Choice<Vec<u8>>| choice.cause.is_none();
        let (time, body) = (self.times.first()?, self.bodies.first()?);
        let damaged = self.keys.iter().filter(right).any(|key| {
            let mac = Scheme::Right.mac(&key.value, time.value.as_bytes(), &body.value);
            self.received.claims.iter().any(|claim| {
                let digits = |byte: u8| [byte >> 4, byte & 15];
                let pairs = mac.iter().zip(&claim.mac);
                let wrong = pairs.flat_map(|(one, other)| {
                    std::iter::zip(digits(*one), digits(*other)).filter(|(one, other)| one != other)
                });
                claim.mac.len() == mac.len() && wrong.count() <= DAMAGED
            })
        });
        damaged.then(|| vec![mistake::damaged()])
    }

    /// A signature that was made at another second than the header says.
    fn at_another_time(&mut self) -> Option<Vec<Cause>> {
        let body = &self.bodies.first()?.value;
        let stated: u64 = self.times.first()?.value.parse().ok()?;
        for distance in 1..=NEAR {
            for (time, direction) in [(stated.checked_sub(distance), -1), (stated.checked_add(distance), 1)] {
                let Some(time) = time else { continue };
                for key in self.keys.iter().filter(|key| key.cause.is_none()) {
                    if self.hashed >= BUDGET {
                        return None;
                    }
                    self.hashed += body.len() + 128;
                    let mac = Scheme::Right.mac(&key.value, time.to_string().as_bytes(), body);
                    if let Some(form) = self.form(&mac) {
                        let time = mistake::other_time(distance.cast_signed() * direction);
                        return Some(form.iter().cloned().chain([time]).collect());
                    }
                }
            }
        }
        None
    }
}

impl Scheme {
    fn mac(&self, key: &[u8], time: &[u8], body: &[u8]) -> [u8; 32] {
        let parts: &[&[u8]] = match self {
            Self::Right => &[time, b".", body],
            Self::Body => &[body],
            Self::NoDot => &[time, body],
            Self::Swapped(between) => &[body, between.as_bytes(), time],
            Self::Around(before, between) => &[before.as_bytes(), time, between.as_bytes(), body],
            Self::Hash(parts) => {
                let mut hash = Sha256::new();
                for part in *parts {
                    hash.update(match part {
                        Part::Key => key,
                        Part::Time => time,
                        Part::Dot => b".",
                        Part::Body => body,
                    });
                }
                return hash.finalize().into();
            }
        };
        let keyed = Hmac::<Sha256>::new_from_slice(key);
        let mut keyed = keyed.unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
        for part in parts {
            keyed.update(part);
        }
        keyed.finalize().into_bytes().into()
    }
}

/// Texts that stand in examples, in place of a secret.
const PLACEHOLDERS: [&str; 8] = [
    "KIKET_WEBHOOK_SECRET",
    "env:KIKET_WEBHOOK_SECRET",
    "$KIKET_WEBHOOK_SECRET",
    "${KIKET_WEBHOOK_SECRET}",
    "your-webhook-secret",
    "changeme",
    "secret",
    "null",
];

fn keys(evidence: &Evidence<'_>) -> Vec<Choice<Vec<u8>>> {
    let live = evidence.live.iter().map(kiket_runtime::Secret::expose);
    let mut keys: Vec<_> = live.clone().map(|text| Choice::right(text.into())).collect();
    keys.extend(
        evidence.retired.iter().map(|text| Choice::wrong(text.expose().into(), mistake::secret_other())),
    );
    for text in live {
        let mut add = |key: Vec<u8>, cause: Cause| {
            if key != text.as_bytes() && !key.is_empty() {
                keys.push(Choice::wrong(key, cause));
            }
        };
        for end in ["\n", "\r\n", " ", "\r"] {
            add(format!("{text}{end}").into(), mistake::secret_line_end());
        }
        for quote in ['"', '\'', '`'] {
            add(format!("{quote}{text}{quote}").into(), mistake::secret_quotes());
        }
        add(text.trim_matches(['"', '\'', '`']).into(), mistake::secret_quotes());
        add(text.to_ascii_lowercase().into(), mistake::secret_case());
        add(text.to_ascii_uppercase().into(), mistake::secret_case());
        let encoded = text.strip_prefix("whsec_").unwrap_or(text);
        add(base16ct::mixed::decode_vec(encoded).unwrap_or_default(), mistake::secret_decoded());
        add(Base64::decode_vec(encoded).unwrap_or_default(), mistake::secret_decoded());
    }
    keys.push(Choice::wrong(Vec::new(), mistake::secret_empty()));
    keys.extend(PLACEHOLDERS.map(|text| Choice::wrong(text.into(), mistake::secret_placeholder(text))));
    keys
}

fn times(evidence: &Evidence<'_>, received: &Received<'_>) -> Vec<Choice<String>> {
    let mut times: Vec<Choice<String>> = Vec::new();
    let stated = received.times.first();
    // Without a time, only what is made without one can fit as it is.
    times.push(Choice::right(stated.map(|text| text.clone().into_owned()).unwrap_or_default()));
    let mut add = |text: String, cause: Cause| {
        if times.iter().all(|known| known.value != text) {
            times.push(Choice::wrong(text, cause));
        }
    };
    for other in received.times.iter().skip(1) {
        add(other.clone().into_owned(), mistake::repeated("X-Kiket-Timestamp"));
    }
    let mean = stated.and_then(|text| meant(text));
    for unit in [1, 1000, 1_000_000, 1_000_000_000] {
        let mean = mean.as_ref().and_then(|text| text.parse::<u64>().ok());
        if let Some(number) = mean.map(|number| number / unit).filter(|number| *number > 0) {
            add(number.to_string(), mistake::respelled_time());
        }
    }
    let body: Option<serde_json::Value> = serde_json::from_slice(evidence.body).ok();
    for key in
        ["timestamp", "occurred_at", "occurredAt", "created_at", "createdAt", "received_at", "receivedAt"]
    {
        match body.as_ref().and_then(|body| body.get(key)) {
            Some(serde_json::Value::String(text)) => add(text.clone(), mistake::time_of_body()),
            Some(serde_json::Value::Number(number)) => add(number.to_string(), mistake::time_of_body()),
            _ => {}
        }
    }
    times
}

fn schemes(evidence: &Evidence<'_>) -> Vec<Choice<Scheme>> {
    let around = |before: &str, between| Scheme::Around(before.to_owned(), between);
    let mut schemes = vec![
        Choice::right(Scheme::Right),
        Choice::wrong(Scheme::Body, mistake::body_only()),
        Choice::wrong(Scheme::NoDot, mistake::no_dot()),
        Choice::wrong(Scheme::Swapped("."), mistake::swapped()),
        Choice::wrong(Scheme::Swapped(""), mistake::swapped()),
        Choice::wrong(around("v0:", ":"), mistake::other_scheme("Slack: `v0:`, timestamp, `:`, body")),
        Choice::wrong(around("", ":"), mistake::other_scheme("others: timestamp, `:`, body")),
        Choice::wrong(around("", "\n"), mistake::other_scheme("others: timestamp, line end, body")),
        Choice::wrong(Scheme::Hash(&[Part::Body]), mistake::no_hmac()),
        Choice::wrong(Scheme::Hash(&[Part::Key, Part::Body]), mistake::no_hmac()),
        Choice::wrong(Scheme::Hash(&[Part::Body, Part::Key]), mistake::no_hmac()),
        Choice::wrong(Scheme::Hash(&[Part::Key, Part::Time, Part::Dot, Part::Body]), mistake::no_hmac()),
    ];
    for id in ["webhook-id", "svix-id", "x-kiket-delivery", "x-kiket-invocation"] {
        if let Some(id) = evidence.headers.get(id) {
            let whose = "Standard Webhooks: id, `.`, timestamp, `.`, body";
            schemes.push(Choice::wrong(around(&format!("{id}."), "."), mistake::other_scheme(whose)));
        }
    }
    schemes
}

fn bodies(evidence: &Evidence<'_>) -> Vec<Choice<Vec<u8>>> {
    let body = evidence.body;
    let mut bodies = vec![Choice::right(body.to_vec())];
    for (name, other) in evidence.other_bodies {
        if other != body {
            bodies.push(Choice::wrong(other.clone(), mistake::other_body(name)));
        }
    }
    if body.len() > LARGEST {
        return bodies;
    }
    let mut add = |other: Vec<u8>, cause: Cause| {
        if other != body {
            bodies.push(Choice::wrong(other, cause));
        }
    };
    for end in ["\n", "\r\n"] {
        add([body, end.as_bytes()].concat(), mistake::line_end_lost());
    }
    let without_end = body.strip_suffix(b"\n").unwrap_or(body);
    add(without_end.to_vec(), mistake::line_end_added());
    add(without_end.strip_suffix(b"\r").unwrap_or(without_end).to_vec(), mistake::line_end_added());
    add(body.trim_ascii_end().to_vec(), mistake::trimmed());
    add(body.trim_ascii().to_vec(), mistake::trimmed());
    let mark = "\u{feff}".as_bytes();
    add(body.strip_prefix(mark).unwrap_or(body).to_vec(), mistake::byte_order_mark());
    add([mark, body].concat(), mistake::byte_order_mark());
    if let Ok(text) = std::str::from_utf8(body) {
        let unix = text.replace("\r\n", "\n");
        add(unix.replace('\n', "\r\n").into(), mistake::line_ends());
        add(unix.into(), mistake::line_ends());
        let latin: Option<Vec<u8>> = text.chars().map(|letter| u8::try_from(letter).ok()).collect();
        add(latin.unwrap_or_else(|| body.to_vec()), mistake::encoded());
    }
    add(Vec::new(), mistake::no_body());
    for spelling in spellings(body) {
        add(spelling.text, mistake::respelled(&spelling.name));
    }
    bodies
}
