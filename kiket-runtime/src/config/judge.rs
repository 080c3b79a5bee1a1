//! The one rule for texts that kiket puts into a header, a URL or a MAC, and the further rules of webhook secrets.

use crate::{
    error::{Findings, Place, Problem, ProblemId},
    manifest::Setting,
    types::{BaseUrl, Secret},
};

/// A value, or the problem of its text.
pub(crate) type Read<T> = Result<T, Problem>;

/// A text that was given, judged: it is a problem, or a value, perhaps with warnings. The messages never show it.
pub(crate) struct Given {
    value: Read<Secret>,
    warnings: Vec<Problem>,
}

/// What a text is for.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Use {
    /// A header, which carries printable ASCII only.
    Header,
    /// A URL, or another text that is read further.
    Text,
    /// The webhook secret, as the builder has it.
    Key,
    /// The webhook secret of a file or a variable, where placeholders are left by mistake.
    WrittenKey,
}

impl Given {
    /// Judges `text`; `source` is where it comes from, like the name of its variable in backticks (wire contract,
    /// variable-rule).
    pub(crate) fn new(text: Secret, source: &str, place: Option<&Place>, usage: Use) -> Self {
        let about = |id, what: &str, mend: &str| {
            Problem::new(id, format!("{what}; it comes from {source}")).at(place.cloned()).mend(mend)
        };
        let key = matches!(usage, Use::Key | Use::WrittenKey);
        let name = if key { "the webhook secret" } else { "the value" };
        let exposed = text.expose();
        let public = || (usage == Use::WrittenKey).then(|| public(exposed)).flatten();
        let unusable = unusable(exposed, usage == Use::Header).map(|why| (ProblemId::UnusableValue, why));
        if let Some((id, (reason, mend))) = unusable.or_else(|| Some((ProblemId::PublicSecret, public()?))) {
            return Self::from(Err(about(id, &format!("{name} {reason}"), mend)));
        }
        let mut warnings = Vec::new();
        let mut doubt = |what: &str, mend| {
            warnings.push(about(ProblemId::DoubtfulValue, &format!("{name} {what}"), mend));
        };
        if is_quoted(exposed) {
            let mend = "set it without quotes; some tools keep those of an env file";
            doubt("has quotes around it, which count", mend);
        }
        if exposed.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("bearer ")) {
            doubt("begins with `Bearer `, which kiket adds itself", "set it to the token alone");
        }
        if usage == Use::WrittenKey && exposed.len() < 16 {
            let mend = "take a long one, like `openssl rand -hex 32` prints";
            doubt("has fewer than 16 bytes, and can be guessed", mend);
        }
        Self { value: Ok(text), warnings }
    }

    /// The value; its problem or warnings are kept.
    pub(crate) fn take(self, found: &mut Findings) -> Option<Secret> {
        found.warnings.extend(self.warnings);
        found.take(self.value.map(Some))
    }
}

impl From<Read<Secret>> for Given {
    fn from(value: Read<Secret>) -> Self {
        Self { value, warnings: Vec::new() }
    }
}

/// Why a text cannot be used at all, and what to give.
fn unusable(text: &str, ascii: bool) -> Option<(&'static str, &'static str)> {
    let reason = match text.trim() {
        "" => "is blank",
        trimmed if has_invisible(trimmed) => "has an invisible character",
        trimmed if trimmed.len() != text.len() => "has white space at an end",
        _ if text.chars().any(char::is_control) => "has a line break or another control character",
        _ if ascii && !text.is_ascii() => "has a character that a header cannot carry",
        _ => return None,
    };
    Some((reason, "give exactly the text that Kiket shows, without white space at its ends"))
}

/// Whether a text has characters without width at its ends, where editors and web pages leave them, or a byte order mark.
fn has_invisible(text: &str) -> bool {
    let seen = text.trim_matches(
        |c| matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}'),
    );
    seen.len() != text.len() || text.contains('\u{feff}')
}

fn is_quoted(text: &str) -> bool {
    ['"', '\''].iter().any(|quote| text.len() > 1 && text.starts_with(*quote) && text.ends_with(*quote))
}

/// Why a text is no secret: it stands in documents, or names one (wire contract, signature-key-public).
fn public(text: &str) -> Option<(&'static str, &'static str)> {
    const WRITE: &str = "write `env:KIKET_WEBHOOK_SECRET` in the manifest, and set that variable to the text that Kiket shows";
    let text = text.trim_matches(['"', '\'']);
    let plain = text.to_ascii_lowercase().replace(['_', ' '], "-");
    let between = |open: &str, close: &str| text.starts_with(open) && text.ends_with(close);
    let reference = between("${", "}")
        || between("$(", ")")
        || between("{{", "}}")
        || ["env:", "env."].iter().any(|prefix| plain.starts_with(prefix));
    let begins = [
        "your-",
        "changeme",
        "change-me",
        "change-this",
        "replace-me",
        "replaceme",
        "replace-with",
        "placeholder",
    ];
    let placeholder = between("<", ">")
        || begins.iter().any(|begin| plain.starts_with(begin))
        || plain.bytes().all(|byte| b"x*.-".contains(&byte));
    if reference {
        Some(("is a reference that nothing replaced", WRITE))
    } else if placeholder {
        Some(("is a placeholder, and public", "set it to the text that Kiket shows"))
    } else {
        None
    }
}

/// Whether a text reads like the name of a variable: capitals, digits, and `_` (wire contract, signature-key-public).
pub(super) fn is_like_a_variable(text: &str) -> bool {
    text.contains('_')
        && text.starts_with(|c: char| c.is_ascii_uppercase())
        && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

/// The warning for a secret setting whose default is a placeholder, or the name of a variable without `env:`.
pub(super) fn doubtful_default(setting: &Setting) -> Option<Problem> {
    let default = setting.secret_default.as_ref()?.resolve(&|_| None)?;
    let text = default.expose();
    let (what, mend) = match public(text) {
        Some(public) => public,
        None if is_like_a_variable(text) => {
            ("reads like the name of a variable", "write it with `env:` before it")
        }
        None => return None,
    };
    let what = format!("the default of the secret `{}` {what}", setting.key);
    Some(
        Problem::new(ProblemId::PublicSecret, what)
            .at(setting.secret_default.as_ref()?.place().cloned())
            .mend(mend),
    )
}

/// The warning for a URL that takes tokens in clear.
pub(super) fn clear_text(url: &BaseUrl) -> Option<Problem> {
    let what = format!("tokens go to `{url}` in clear, where anyone on the way can read them");
    url.is_in_clear().then(|| {
        Problem::new(ProblemId::ClearText, what).mend("write `https://`; only this machine needs no TLS")
    })
}
