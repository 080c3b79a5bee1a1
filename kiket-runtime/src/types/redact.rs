//! Redacts the known secrets in texts for logs and responses.

use crate::types::secret::Secret;

/// The secrets of an extension: webhook secrets, tokens, secret settings.
#[derive(Debug, Clone, Default)]
pub(crate) struct Redactor(Vec<Secret>);

/// The shortest secret in bytes: to redact shorter ones would destroy most texts.
const SHORTEST: usize = 4;
/// The largest product of text length and number of secrets that is searched: a delivery may bring thousands of secrets,
/// and an error may quote the whole delivery.
const MOST: usize = 16 * 1024 * 1024;

impl Redactor {
    pub(crate) fn new<'s>(secrets: impl IntoIterator<Item = &'s Secret>) -> Self {
        let secrets = secrets.into_iter().filter(|secret| secret.expose().len() >= SHORTEST);
        let mut secrets: Vec<_> =
            secrets.flat_map(|secret| [Some(secret.clone()), quoted(secret)]).flatten().collect();
        // The longest first: a secret may contain another.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.expose().len()));
        Self(secrets)
    }

    /// A redactor that also knows the secrets of a delivery.
    pub(crate) fn with(&self, secrets: &[Secret]) -> Self {
        Self::new(self.0.iter().chain(secrets))
    }

    /// The text with `…` in place of every secret; only `…` if the search would take too long.
    pub(crate) fn redact(&self, text: String) -> String {
        if text.len().saturating_mul(self.0.len()) > MOST {
            return "…".to_owned();
        }
        self.0.iter().fold(text, |text, secret| {
            if text.contains(secret.expose()) { text.replace(secret.expose(), "…") } else { text }
        })
    }
}

/// A secret as `Debug` quotes it, which differs if it has quotes, backslashes or line breaks.
fn quoted(secret: &Secret) -> Option<Secret> {
    let quoted = format!("{:?}", secret.expose());
    let inside = quoted.strip_prefix('"')?.strip_suffix('"')?;
    (inside != secret.expose()).then(|| Secret::from(inside))
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_text_that_is_too_long_to_search_is_not_shown() {
        let redactor = |secrets: usize| {
            Redactor::new(&(0..secrets).map(|number| Secret::new(format!("{number:08}"))).collect::<Vec<_>>())
        };
        let text = "x".repeat(1 << 20);
        assert_eq!(redactor(16).redact(text.clone()), text);
        assert_eq!(redactor(17).redact(text), "…");
        assert_eq!(redactor(20_000).redact("00000007".into()), "…");
        assert_eq!(redactor(20_000).redact("seven".into()), "seven");
    }
}
