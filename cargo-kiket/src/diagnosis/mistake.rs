//! The known mistakes of senders, proxies and operators, each with what to do about it.

use serde::Serialize;

/// A mistake that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Cause {
    /// The stable name of the mistake.
    pub(crate) id: &'static str,
    /// What is wrong, in one sentence.
    pub(crate) what: String,
    /// What to do, as an imperative.
    pub(crate) fix: &'static str,
}

impl Cause {
    fn new(id: &'static str, what: impl Into<String>, fix: &'static str) -> Self {
        Self { id, what: what.into(), fix }
    }
}

const RAW_BODY: &str = "sign the bytes that are sent, and verify the bytes that were received, before anything parses, \
                        trims or decodes them; `curl --data-binary` sends a file as it is, `--data` does not";
const SCHEME: &str =
    "sign the timestamp, a dot and the body, in this order: `HMAC-SHA256(secret, timestamp + \".\" + body)`";
const SECRET: &str = "give both sides exactly the text that Kiket shows";
const FORMAT: &str = "send `X-Kiket-Signature` as 64 hex digits, alone or after `sha256=`";
const TIME: &str = "send `X-Kiket-Timestamp` as Unix seconds in plain digits, like `date +%s` prints";
const ONCE: &str =
    "send each of the two headers once: set it, in place of adding it, and look at the proxies on the way";

// The body.

pub(super) fn respelled(how: &str) -> Cause {
    let what = format!("the signature is of the same JSON as another program writes it: {how}");
    Cause::new("body_reserialised", what, RAW_BODY)
}

pub(super) fn line_end_lost() -> Cause {
    Cause::new(
        "body_newline_lost",
        "the signature is of the body with a line end after it, which was cut",
        RAW_BODY,
    )
}

pub(super) fn line_end_added() -> Cause {
    Cause::new("body_newline_added", "the signature is of the body without the line end after it", RAW_BODY)
}

pub(super) fn trimmed() -> Cause {
    Cause::new("body_trimmed", "the signature is of the body without the white space around it", RAW_BODY)
}

pub(super) fn line_ends() -> Cause {
    Cause::new("body_line_ends", "the signature is of the body with other line ends (CRLF or LF)", RAW_BODY)
}

pub(super) fn byte_order_mark() -> Cause {
    Cause::new(
        "body_byte_order_mark",
        "the signature differs from the body by a byte order mark before it",
        RAW_BODY,
    )
}

pub(super) fn encoded() -> Cause {
    Cause::new(
        "body_latin1",
        "the signature is of the body in Latin-1, which was decoded and written as UTF-8",
        RAW_BODY,
    )
}

pub(super) fn no_body() -> Cause {
    Cause::new(
        "body_empty",
        "the signature is of an empty body: something read the body before it was signed",
        RAW_BODY,
    )
}

pub(super) fn other_body(name: &str) -> Cause {
    Cause::new(
        "other_body",
        format!("the signature is that of another delivery: {name}"),
        "keep the headers and the body of a delivery together",
    )
}

// What is signed.

pub(super) fn body_only() -> Cause {
    Cause::new("timestamp_not_signed", "the signature is of the body alone, without the timestamp", SCHEME)
}

pub(super) fn no_dot() -> Cause {
    Cause::new("no_dot", "the signature is of the timestamp and the body without a dot between them", SCHEME)
}

pub(super) fn swapped() -> Cause {
    Cause::new("order_swapped", "the signature is of the body and then the timestamp", SCHEME)
}

pub(super) fn other_scheme(whose: &str) -> Cause {
    Cause::new("other_scheme", format!("the signature follows the scheme of {whose}"), SCHEME)
}

pub(super) fn no_hmac() -> Cause {
    Cause::new("no_hmac", "the signature is a plain SHA-256, and no HMAC", SCHEME)
}

// The secret.

pub(super) fn secret_line_end() -> Cause {
    Cause::new(
        "secret_newline",
        "the sender's secret has a line end or a space after it",
        "write the sender's secret without one: `printf %s`, in place of `echo`",
    )
}

pub(super) fn secret_quotes() -> Cause {
    Cause::new("secret_quotes", "one of the two secrets has quotes around it, and the other has none", SECRET)
}

pub(super) fn secret_decoded() -> Cause {
    Cause::new(
        "secret_decoded",
        "the sender decodes the secret, as hex or base64, before it uses it",
        "use the text of the secret as the key, as it is",
    )
}

pub(super) fn secret_case() -> Cause {
    Cause::new("secret_case", "the sender's secret has other case", SECRET)
}

pub(super) fn secret_empty() -> Cause {
    Cause::new(
        "secret_empty",
        "the sender's secret is empty: anyone can make this signature",
        "give the sender the secret; its variable is probably not set",
    )
}

pub(super) fn secret_placeholder(text: &str) -> Cause {
    Cause::new("secret_placeholder", format!("the sender's secret is the text `{text}`"), SECRET)
}

pub(super) fn secret_other() -> Cause {
    Cause::new(
        "other_secret",
        "the signature is of a secret that is known and not live",
        "give the sender the live secret; while secrets change, keep the former one in `KIKET_WEBHOOK_SECRET_PREVIOUS`",
    )
}

// The form of the signature.

pub(super) fn base64() -> Cause {
    Cause::new("signature_base64", "the signature is base64, and not hex", FORMAT)
}

pub(super) fn prefix(prefix: &str) -> Cause {
    Cause::new("signature_prefix", format!("the signature begins with `{prefix}`"), FORMAT)
}

pub(super) fn list() -> Cause {
    Cause::new("signature_list", "the header has a list of signatures", FORMAT)
}

pub(super) fn spaced() -> Cause {
    Cause::new("signature_spaces", "the signature has white space or quotes in it", FORMAT)
}

pub(super) fn truncated() -> Cause {
    Cause::new("signature_truncated", "the signature is cut", FORMAT)
}

pub(super) fn too_long() -> Cause {
    Cause::new("signature_too_long", "the signature has more than 64 hex digits", FORMAT)
}

pub(super) fn algorithm(name: &str) -> Cause {
    Cause::new("signature_algorithm", format!("the signature has the length of {name}"), SCHEME)
}

pub(super) fn damaged() -> Cause {
    Cause::new(
        "signature_damaged",
        "the signature differs from the right one in a few digits: it was copied badly, or changed",
        "copy it by machine",
    )
}

pub(super) fn malformed() -> Cause {
    Cause::new("signature_format", "the signature is not 64 hex digits", FORMAT)
}

// The headers.

pub(super) fn renamed(found: &str, expected: &str) -> Cause {
    Cause::new(
        "header_renamed",
        format!("there is a header `{found}`, and none `{expected}`"),
        "send `X-Kiket-Timestamp` and `X-Kiket-Signature`; many proxies drop or rename headers with `_`",
    )
}

pub(super) fn missing(name: &str) -> Cause {
    Cause::new(
        "header_missing",
        format!("the header `{name}` is not there"),
        "see that the sender sets it, and that no proxy on the way drops it",
    )
}

pub(super) fn repeated(name: &str) -> Cause {
    Cause::new("header_repeated", format!("the header `{name}` is there more than once"), ONCE)
}

// The time.

pub(super) fn time_format(how: &str) -> Cause {
    Cause::new("timestamp_format", format!("the timestamp {how}"), TIME)
}

pub(super) fn time_unit(unit: &str) -> Cause {
    Cause::new("timestamp_unit", format!("the timestamp is in {unit}"), TIME)
}

pub(super) fn old(seconds: u64) -> Cause {
    Cause::new(
        "timestamp_old",
        format!("the timestamp is {seconds} s old, and 300 s are allowed"),
        "set the clocks of both sides (NTP), and sign at the time of sending, also what is sent again; judge a recorded \
         delivery with `--now`",
    )
}

pub(super) fn ahead(seconds: u64) -> Cause {
    Cause::new(
        "timestamp_ahead",
        format!("the timestamp is {seconds} s ahead, and 300 s are allowed"),
        "set the clocks of both sides (NTP); judge a recorded delivery with `--now`",
    )
}

pub(super) fn other_time(seconds: i64) -> Cause {
    let (seconds, direction) = (seconds.unsigned_abs(), if seconds < 0 { "before" } else { "after" });
    Cause::new(
        "timestamp_changed",
        format!("the signature is of another time, {seconds} s {direction} that of the header"),
        "read the clock once, and use that text in the header and in the signature",
    )
}

pub(super) fn time_of_body() -> Cause {
    Cause::new(
        "timestamp_of_body",
        "the signature is of the time in the body, and not of that in the header",
        "read the clock once, and use that text in the header and in the signature",
    )
}

pub(super) fn respelled_time() -> Cause {
    Cause::new(
        "timestamp_respelled",
        "the signature is of the same time in another spelling",
        "read the clock once, and use that text in the header and in the signature",
    )
}
