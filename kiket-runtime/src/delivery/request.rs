//! A request that is not verified yet, and a body that may be JSON.

use bytes::Bytes;
use bytestring::ByteString;

use super::target::Target;
use crate::{error::Rejection, types::Headers};

/// A request whose body has arrived.
pub(crate) struct Request<'r> {
    pub(crate) target: Target<'r>,
    pub(crate) headers: Headers,
    pub(crate) body: Bytes,
}

/// A body that may be a JSON object: it is UTF-8 and begins with `{`, perhaps after a byte order mark (wire
/// contract, byte-order-mark). Decoding checks the rest.
#[derive(Clone)]
pub(crate) struct JsonText(ByteString);

impl JsonText {
    pub(crate) fn new(body: Bytes) -> Result<Self, Rejection> {
        let text = ByteString::try_from(body).map_err(|invalid| {
            Rejection::not_json(format_args!("not UTF-8 after byte {}", invalid.valid_up_to()))
        })?;
        let json = without_mark(&text);
        match json.trim_ascii_start().as_bytes().first() {
            Some(b'{') => Ok(Self(text)),
            None => Err(Rejection::not_json("it is empty")),
            Some(_) => match serde_json::from_str::<serde::de::IgnoredAny>(json) {
                Ok(_) => Err(Rejection::NOT_AN_OBJECT),
                Err(error) => Err(Rejection::not_json(error)),
            },
        }
    }

    /// The text without a byte order mark.
    pub(crate) fn as_str(&self) -> &str {
        without_mark(&self.0)
    }

    /// The body as it was sent.
    pub(crate) fn bytes(&self) -> &Bytes {
        self.0.as_bytes()
    }
}

/// A text without the byte order mark that some senders put before it.
pub(crate) fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_an_object_or_rejected() {
        #[track_caller]
        fn check(body: &'static [u8], code: Option<&str>) {
            let rejected = JsonText::new(Bytes::from_static(body)).err();
            assert_eq!(rejected.and_then(|rejection| rejection.code), code);
        }
        check(b"{}", None);
        check(b"\xef\xbb\xbf{}", None);
        check(b"\xef\xbb\xbf \n{}", None);
        check(b"\xef\xbb\xbf", Some("not_json"));
        check(b"\xef\xbb\xbf\xef\xbb\xbf{}", Some("not_json"));
        check(b"\xef\xbb\xbf[]", Some("not_an_object"));
        check(b" \xef\xbb\xbf{}", Some("not_json"));
        check(b" \r\n\t{\"a\":1}", None);
        check(b"", Some("not_json"));
        check(b"  ", Some("not_json"));
        check(b"[]", Some("not_an_object"));
        check(b"null", Some("not_an_object"));
        check(b"\"{}\"", Some("not_an_object"));
        check(b"[[[", Some("not_json"));
        check(b"hello", Some("not_json"));
        check(b"{\"a\":\"\xff\"}", Some("not_json"));
    }
}
