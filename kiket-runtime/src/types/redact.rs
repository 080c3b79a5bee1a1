//! Redacts the known secrets in texts for logs and responses.

use base64ct::{Base64Unpadded, Base64UrlUnpadded, Encoding};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::types::{
    secret::Secret,
    shortened::{LONGEST_TEXT, shortened},
};

/// The secrets of an extension: webhook secrets, tokens, secret settings. Each as it is, and in the forms in which texts quote
/// it (wire contract, redaction).
#[derive(Debug, Clone, Default)]
pub(crate) struct Redactor(Vec<Secret>);

/// The shortest secret in bytes: to redact shorter ones would destroy most texts.
const SHORTEST: usize = 4;
/// The largest product of text length and number of forms that is searched: a delivery may bring thousands of secrets,
/// and an error may quote the whole delivery.
const MOST: usize = 64 * 1024 * 1024;

impl Redactor {
    pub(crate) fn new<'s>(secrets: impl IntoIterator<Item = &'s Secret>) -> Self {
        let secrets = secrets.into_iter().filter(|secret| secret.expose().len() >= SHORTEST);
        let mut redactor = Self(secrets.flat_map(|secret| forms(secret.expose())).collect());
        redactor.sort();
        redactor
    }

    /// A redactor that also knows the secrets of a delivery.
    pub(crate) fn with(&self, secrets: &[Secret]) -> Self {
        let mut both = Self::new(secrets);
        both.join(self);
        both
    }

    /// Adds the secrets of another.
    pub(crate) fn join(&mut self, other: &Self) {
        self.0.extend(other.0.iter().cloned());
        self.sort();
    }

    /// The longest first: a secret may contain another.
    fn sort(&mut self) {
        let order = |secret: &Secret| std::cmp::Reverse(secret.expose().len());
        self.0.sort_by(|one, other| {
            order(one).cmp(&order(other)).then_with(|| one.expose().cmp(other.expose()))
        });
        self.0.dedup_by(|one, other| one.expose() == other.expose());
    }

    /// The text with `…` in place of every secret; only `…` if the search would take too long.
    pub(crate) fn redact(&self, text: String) -> String {
        self.replace(text, "…")
    }

    /// The text as a log or a response has it: redacted, and then cut.
    pub(crate) fn shown(&self, text: String) -> String {
        shortened(self.redact(text), LONGEST_TEXT).into_owned()
    }

    /// The text with another one in place of every secret.
    pub(crate) fn replace(&self, text: String, with: &str) -> String {
        if text.len().saturating_mul(self.0.len()) > MOST {
            return "…".to_owned();
        }
        self.0.iter().fold(text, |text, secret| {
            if text.contains(secret.expose()) { text.replace(secret.expose(), with) } else { text }
        })
    }
}

/// The forms of a secret: as it is, as `Debug` and JSON quote it, percent-encoded, and in base64.
fn forms(secret: &str) -> Vec<Secret> {
    let inside = |quoted: &str| quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default().to_owned();
    let encoded = || utf8_percent_encode(secret, RESERVED);
    let form = || form_urlencoded::byte_serialize(secret.as_bytes());
    // Only the pieces of encoded bytes, like `%2F`, begin with `%`.
    let lower =
        |piece: &str| if piece.starts_with('%') { piece.to_ascii_lowercase() } else { piece.to_owned() };
    let mut forms = vec![
        secret.to_owned(),
        inside(&format!("{secret:?}")),
        inside(&serde_json::to_string(secret).unwrap_or_default()),
        encoded().map(lower).collect(),
        form().map(lower).collect(),
        encoded().collect(),
        form().collect(),
    ];
    for before in 0..3 {
        forms.extend([base64::<Base64Unpadded>(secret, before), base64::<Base64UrlUnpadded>(secret, before)]);
    }
    forms.retain(|form| form.len() >= SHORTEST);
    forms.into_iter().map(Secret::from).collect()
}

/// What a URL encodes: all but the unreserved characters of RFC 3986, section 2.3.
pub(crate) const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What the base64 of any text has of a secret that stands in it behind `before` bytes, or three times as many more: the digits
/// that depend on the secret alone, as in the credentials `user:secret`.
fn base64<E: Encoding>(secret: &str, before: usize) -> String {
    let bytes: Vec<u8> = std::iter::repeat_n(0, before).chain(secret.bytes()).collect();
    // A digit has six bits. The first ones have bits of what is before, the last one may have bits of what follows.
    let (first, whole) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
    E::encode_string(&bytes).get(first..whole).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lower_hex(encoded: &str) -> String {
        let mut pieces = encoded.split('%');
        let first = pieces.next().unwrap().to_owned();
        pieces.fold(first, |text, piece| text + "%" + &piece[..2].to_lowercase() + &piece[2..])
    }

    #[test]
    fn the_longest_secrets_are_redacted_first() {
        let redactor = Redactor::new(&["sh_1", "sh_123", "", "a"].map(Secret::from));
        assert_eq!(redactor.redact("a sh_123 and sh_1 and sh_12".into()), "a … and … and …2");
    }

    #[test]
    fn a_quoted_secret_is_redacted_too() {
        let key = "-----BEGIN-----\n\"é\" \\\t\u{7f}";
        let redactor = Redactor::new(&[Secret::from(key)]);
        assert_eq!(redactor.redact(format!("{key} {key:?}")), "… \"…\"");
    }

    #[test]
    fn a_secret_is_redacted_in_every_form() {
        use base64ct::{Base64, Base64Url};

        for secret in [
            "sh_123",
            "a b+c/d?e=f&\u{e9}",
            "-----BEGIN-----\n\"x\"\u{7f}",
            "p%40ss~w.rd-1_",
            "\u{1}\u{2028}ab",
        ] {
            let redactor = Redactor::new(&[Secret::from("unrelated")]).with(&[Secret::from(secret)]);
            let quoted = serde_json::to_string(secret).unwrap();
            let percent = utf8_percent_encode(secret, RESERVED).to_string();
            let form: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
            for text in [secret.to_owned(), format!("{secret:?}"), quoted, lower_hex(&percent), percent, form]
            {
                let redacted = redactor.redact(format!("<{text}>"));
                assert!(["<…>", "<\"…\">"].contains(&&*redacted), "{text}: {redacted}");
            }
            for before in ["", "u", "me", "you", "user", "me:"] {
                for after in ["", "!", "!!", "!!!"] {
                    let text = format!("{before}{secret}{after}");
                    for encoded in
                        [Base64::encode_string(text.as_bytes()), Base64Url::encode_string(text.as_bytes())]
                    {
                        let redacted = redactor.redact(encoded.clone());
                        // A digit at each end has bits of something else; the rest of the secret is gone.
                        let rest = before.len().div_ceil(3) * 4 + after.len().div_ceil(3) * 4 + 6;
                        assert!(
                            redacted.contains('…') && redacted.len() <= rest,
                            "{text}: {encoded}: {redacted}"
                        );
                    }
                }
            }
        }
        assert_eq!(Redactor::new(&[Secret::from("sh_123")]).redact("sh_12 c2hfM".into()), "sh_12 c2hfM");
    }

    #[test]
    fn a_text_that_is_too_long_to_search_is_not_shown() {
        let redactor = |secrets: usize| {
            Redactor::new(
                &(0..secrets).map(|number| Secret::new(format!("{number:05}abc"))).collect::<Vec<_>>(),
            )
        };
        // These have four forms: as they are, and in base64 behind 0, 1 and 2 bytes.
        let text = "x".repeat(1 << 20);
        assert_eq!(redactor(16).redact(text.clone()), text);
        assert_eq!(redactor(17).redact(text), "…");
        assert_eq!(redactor(20_000).redact("00007abc".into()), "…");
        assert_eq!(redactor(20_000).redact("seven".into()), "seven");
    }
}
