//! What the two headers say: the times, and the MACs in whatever form they have.

use std::borrow::Cow;

use base64ct::{Base64, Base64Unpadded, Base64Url, Base64UrlUnpadded, Encoding as _};
use kiket_runtime::{
    Headers,
    signature::{SIGNATURE_HEADER, TIMESTAMP_HEADER, TOLERANCE_SECONDS},
};

use super::mistake::{self, Cause};

/// The two headers, read leniently.
pub(super) struct Received<'h> {
    /// The timestamps, as they are written.
    pub(super) times: Vec<Cow<'h, str>>,
    /// How old the first one is, in seconds, if it is a time.
    pub(super) age: Option<i64>,
    /// The MACs that the signatures may mean.
    pub(super) claims: Vec<Claim>,
    signature: Cow<'h, str>,
}

/// A MAC, or the start of one, and what is wrong with its form.
pub(super) struct Claim {
    pub(super) mac: Vec<u8>,
    pub(super) form: Vec<Cause>,
}

impl<'h> Received<'h> {
    pub(super) fn read(headers: &'h Headers, now: u64) -> Self {
        let all = |name| headers.all(name).map(String::from_utf8_lossy).collect::<Vec<_>>();
        let (times, signatures) = (all(TIMESTAMP_HEADER), all(SIGNATURE_HEADER));
        let seconds = times.first().and_then(|text| seconds(text));
        let age = seconds.map(|seconds| now.cast_signed().saturating_sub(seconds.cast_signed()));
        let claims = signatures.iter().flat_map(|text| claims(text)).collect();
        Self { times, age, claims, signature: signatures.into_iter().next().unwrap_or_default() }
    }

    /// Why the first timestamp is refused.
    pub(super) fn time_cause(&self) -> Cause {
        let text = self.times.first().map_or("", |text| text);
        let Some(seconds) = seconds(text) else { return malformed_time(text) };
        match (self.age.unwrap_or_default(), seconds) {
            (_, 100_000_000_000..100_000_000_000_000) => mistake::time_unit("milliseconds"),
            (_, 100_000_000_000_000..) => mistake::time_unit("microseconds"),
            (age, _) if age > TOLERANCE_SECONDS.cast_signed() => mistake::old(age.unsigned_abs()),
            (age, _) => mistake::ahead(age.unsigned_abs()),
        }
    }

    /// Why the first signature is malformed, where it fits nothing.
    pub(super) fn form_cause(&self) -> Cause {
        let digits = self.signature.strip_prefix("sha256=").unwrap_or(&self.signature);
        let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        match digits.len() {
            32 if is_hex => mistake::algorithm("MD5"),
            40 if is_hex => mistake::algorithm("HMAC-SHA1"),
            96 if is_hex => mistake::algorithm("HMAC-SHA384"),
            128 if is_hex => mistake::algorithm("HMAC-SHA512"),
            _ => {
                let form = self.claims.iter().find_map(|claim| claim.form.first());
                form.cloned().unwrap_or_else(mistake::malformed)
            }
        }
    }
}

/// The seconds of a timestamp that is well-formed.
fn seconds(text: &str) -> Option<u64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_plain && text.len() <= 15)
}

fn malformed_time(text: &str) -> Cause {
    let trimmed = text.trim();
    let digits = trimmed.bytes().all(|byte| byte.is_ascii_digit());
    let how = match trimmed {
        "" => "is empty",
        _ if trimmed.len() != text.len() => "has white space at an end",
        _ if digits && trimmed.starts_with('0') => "has leading zeros",
        _ if digits => match trimmed.len() {
            16 => return mistake::time_unit("microseconds"),
            19 if trimmed.starts_with(['1', '2']) => return mistake::time_unit("nanoseconds"),
            _ => "has more than 15 digits",
        },
        _ if trimmed.contains(',') => "is a list: it was there twice, and something on the way joined both",
        _ if trimmed.starts_with(['+', '-']) => "has a sign",
        _ if trimmed.starts_with("0x") => "is hexadecimal",
        _ if trimmed.contains(':') => "is a date",
        _ if trimmed.contains('_') => "has `_` between its digits",
        _ if trimmed.chars().all(char::is_numeric) => "has digits that are not ASCII",
        _ if trimmed.parse::<f64>().is_ok_and(f64::is_finite) => "is a number with a fraction or an exponent",
        _ => "is no number",
    };
    mistake::time_format(how)
}

/// The number that a malformed timestamp may mean, in the spelling that a signature has.
pub(super) fn meant(text: &str) -> Option<String> {
    let text = text.split(',').next()?.trim().replace('_', "");
    if let Some(hex) = text.strip_prefix("0x") {
        return u64::from_str_radix(hex, 16).ok().map(|number| number.to_string());
    }
    let whole = text.trim_start_matches('+').parse::<u64>().ok().map(|number| number.to_string());
    // Of a number with a fraction or an exponent, the whole seconds are meant.
    let cut = || text.parse::<f64>().ok().filter(|number| (0.0..1e15).contains(number));
    whole.or_else(|| cut().map(|number| format!("{:.0}", number.trunc())))
}

/// The MACs that a signature may mean.
fn claims(text: &str) -> Vec<Claim> {
    let mut claims = Vec::new();
    if let Some((mac, form)) = claim(text) {
        claims.push(Claim { mac, form });
    }
    let joined: String = text.chars().filter(|c| !c.is_whitespace() && !"\"'".contains(*c)).collect();
    if joined != text
        && let Some((mac, mut form)) = claim(&joined)
    {
        form.push(mistake::spaced());
        claims.push(Claim { mac, form });
    }
    let parts: Vec<_> = text.split([',', ';', ' ']).map(str::trim).filter(|part| part.len() >= 40).collect();
    if parts.len() > 1 {
        claims.extend(parts.into_iter().filter_map(claim).map(|(mac, mut form)| {
            form.push(mistake::list());
            Claim { mac, form }
        }));
    }
    claims
}

/// The longest name of a scheme before a signature, like `sha256` and `v1`, in bytes.
const LONGEST_PREFIX: usize = 12;

/// One MAC, in hex or in base64, perhaps behind a prefix, or the start of one.
fn claim(text: &str) -> Option<(Vec<u8>, Vec<Cause>)> {
    if let Some(found) = unprefixed(text.strip_prefix("sha256=").unwrap_or(text)) {
        return Some(found);
    }
    let mark = text.find(['=', ':', ',']).filter(|at| *at <= LONGEST_PREFIX)?;
    let (prefix, rest) = text.split_at(mark + 1);
    let (mac, mut form) = unprefixed(rest)?;
    let prefix = prefix.escape_default().to_string();
    form.insert(0, mistake::prefix(&prefix));
    Some((mac, form))
}

fn unprefixed(text: &str) -> Option<(Vec<u8>, Vec<Cause>)> {
    if text.len() >= 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let form = match text.len() {
            64 => Vec::new(),
            ..64 => vec![mistake::truncated()],
            _ => vec![mistake::too_long()],
        };
        let whole = &text[..text.len().min(64) / 2 * 2];
        return Some((base16ct::mixed::decode_vec(whole).ok()?, form));
    }
    let decoded = Base64::decode_vec(text)
        .or_else(|_| Base64Unpadded::decode_vec(text))
        .or_else(|_| Base64Url::decode_vec(text))
        .or_else(|_| Base64UrlUnpadded::decode_vec(text));
    let mac = decoded.ok().filter(|mac| mac.len() == 32)?;
    Some((mac, vec![mistake::base64()]))
}
