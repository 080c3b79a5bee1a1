//! A delivery as an inbox keeps it: all that its handler needs, as bytes.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{members::without_secrets, request::JsonText};
use crate::{
    auth::{Auth, Authentic, Grant, Token},
    error::Rejection,
    types::{Headers, Secret},
};

/// A delivery without the services of a process.
pub(crate) struct StoredDelivery {
    pub(crate) headers: Headers,
    pub(crate) body: JsonText,
    pub(crate) authentic: Authentic,
}

/// Why bytes are no delivery.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoredError {
    #[error("its head is unreadable")]
    Head(#[from] serde_json::Error),
    #[error("it has no head")]
    NoHead,
    #[error("its body is no delivery: {}", .0.text)]
    Body(Rejection),
}

/// All but the body, which follows it after a line break.
#[derive(Serialize, Deserialize)]
struct Head {
    /// Each byte of a value is a character.
    headers: Vec<(String, String)>,
    signed_at: u64,
    secret: Option<usize>,
    token: Option<StoredToken>,
}

#[derive(Serialize, Deserialize)]
struct StoredToken {
    grant: Grant,
    token_type: Option<String>,
    /// Empty where it was cut out.
    text: String,
}

/// The headers that are credentials.
const CREDENTIALS: [&str; 5] =
    ["authorization", "cookie", "proxy-authorization", "x-kiket-api-key", "x-kiket-signature"];

/// A delivery as bytes. Without secrets, it has neither the values of `secrets`, nor a runtime token, nor headers with credentials.
pub(super) fn write(
    headers: &Headers,
    body: &JsonText,
    authentic: &Authentic,
    with_secrets: bool,
) -> serde_json::Result<Vec<u8>> {
    let headers = headers.iter().filter(|(name, _)| {
        with_secrets || !CREDENTIALS.iter().any(|credential| credential.eq_ignore_ascii_case(name))
    });
    let latin = |value: &[u8]| value.iter().map(|&byte| char::from(byte)).collect();
    let token = authentic.token.as_ref().map(|token| StoredToken {
        grant: token.auth.grant().clone(),
        token_type: token.auth.token_type().map(str::to_owned),
        text: if with_secrets { token.text.expose().to_owned() } else { String::new() },
    });
    let head = Head {
        headers: headers.map(|(name, value)| (name.to_owned(), latin(value))).collect(),
        signed_at: authentic.signed_at,
        secret: authentic.secret,
        token,
    };
    let mut bytes = serde_json::to_vec(&head)?;
    bytes.push(b'\n');
    if with_secrets {
        bytes.extend_from_slice(body.bytes());
    } else {
        bytes.extend_from_slice(without_secrets(body.as_str())?.as_bytes());
    }
    Ok(bytes)
}

impl StoredDelivery {
    /// Reads what [`write`] wrote.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, StoredError> {
        let end = bytes.iter().position(|&byte| byte == b'\n').ok_or(StoredError::NoHead)?;
        let (head, body) = bytes.split_at_checked(end).ok_or(StoredError::NoHead)?;
        let head: Head = serde_json::from_slice(head)?;
        let body = Bytes::copy_from_slice(body.get(1..).unwrap_or_default());
        let mut headers = Headers::default();
        for (name, value) in &head.headers {
            let value: Vec<u8> = value.chars().map(|char| u8::try_from(char).unwrap_or(b'?')).collect();
            headers.push(name, &value);
        }
        let token = head.token.map(|token| Token {
            auth: Auth::new(token.grant).of_type(token.token_type),
            text: Secret::new(token.text),
        });
        let (signed_at, secret) = (head.signed_at, head.secret);
        let authentic = Authentic { token, ..Authentic::restored(signed_at, secret) };
        Ok(Self { headers, body: JsonText::new(body).map_err(StoredError::Body)?, authentic })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authentic(text: &str) -> Authentic {
        let grant = Grant {
            verified: true,
            expires_at: Some(1_700_000_600),
            scopes: vec!["issues:read".to_owned()],
            organization: Some("7".to_owned()),
            ..Grant::default()
        };
        let token = Token { auth: Auth::new(grant).of_type(Some("runtime".to_owned())), text: text.into() };
        Authentic { token: Some(token), ..Authentic::restored(1_700_000_000, Some(1)) }
    }

    fn headers() -> Headers {
        let mut headers = Headers::default();
        headers.push("X-Kiket-Delivery", b"d-1");
        headers.push("X-Odd", b"\xff\x00\n\xe4");
        headers.push("Authorization", b"Bearer canary");
        headers.push("X-KIKET-SIGNATURE", b"canary");
        headers
    }

    const BODY: &str = "\u{feff}{\"event\":\"issue.created\",\n \"secrets\":{\"K\":\"canary\"}}";

    #[test]
    fn a_delivery_comes_back_as_it_was() {
        let body = JsonText::new(BODY.into()).unwrap();
        let bytes = write(&headers(), &body, &authentic("a.b.c"), true).unwrap();
        let read = StoredDelivery::read(&bytes).unwrap();
        assert!(read.headers.iter().eq(headers().iter()));
        assert_eq!(read.body.bytes(), BODY.as_bytes());
        let (token, was) = (read.authentic.token.unwrap(), authentic("a.b.c").token.unwrap());
        assert_eq!((token.auth, token.text.expose()), (was.auth, was.text.expose()));
        assert_eq!((read.authentic.signed_at, read.authentic.secret), (1_700_000_000, Some(1)));
    }

    #[test]
    fn without_secrets_it_has_none() {
        let body = JsonText::new(BODY.into()).unwrap();
        let bytes = write(&headers(), &body, &authentic("canary"), false).unwrap();
        assert!(!bytes.windows(6).any(|window| window == b"canary"));
        let read = StoredDelivery::read(&bytes).unwrap();
        assert_eq!(read.headers.iter().count(), 2);
        assert!(read.authentic.token.is_some_and(|token| token.text.is_blank() && token.auth.is_verified()));
    }

    #[test]
    fn other_bytes_are_no_delivery() {
        for bytes in [&b""[..], b"{}", b"\n{}", b"{}\n{}", b"{\"headers\":[],\"signed_at\":1}\n[]"] {
            assert!(StoredDelivery::read(bytes).is_err(), "{bytes:?}");
        }
    }
}
