//! What stands in the parentheses of the attribute.

use super::{
    event::{EVENT, Event},
    later::{self, Later},
};
use crate::{
    diagnostics::{all, both, fill, mistake},
    krate,
    parts::{setting, split_at_commas},
};
use proc_macro2::{Ident, Span, TokenStream};
use syn::{
    Error, Expr, ExprArray, LitBool, LitStr, Path, Result, bracketed,
    parse::{ParseStream, Parser},
    parse2,
};

/// The arguments of the attribute. What their texts mean is judged by the runtime, where the registration uses them.
///
/// ```text
/// "issue.created", version = "v1"
/// "issue.created", version = "v1", timeout = "5s", scopes = ["issues:read", "issues:write"], dedupe = false
/// events::IssueCreated, version = "v1"
/// "issue.created", version = "v1", declared
/// "issue.created", version = "v1", later, attempts = 8, backoff = "10s..1h", lane = "issue.id", on_dead = "block"
/// "issue.created", version = "v1", middleware = [audit, Limit::new(5)], crate = hooks
/// ```
pub(super) struct Args {
    pub(super) event: Event,
    pub(super) version: LitStr,
    pub(super) timeout: Option<LitStr>,
    pub(super) scopes: Option<Vec<LitStr>>,
    pub(super) dedupe: Option<LitBool>,
    pub(super) middleware: Option<Vec<Expr>>,
    /// Whether its deliveries are acknowledged first, and how they are worked on then.
    pub(super) later: Option<(Ident, Later)>,
    /// The event, where `declared` says that the manifest has it.
    pub(super) declared: Option<(Ident, LitStr)>,
    /// Where `kiket` is.
    pub(super) krate: Path,
}

const EMPTY: &str =
    "a webhook names its event and the event's version, like `\"issue.created\", version = \"v1\"`";
const NO_VERSION: &str = "a webhook names the version of its event, like `version = \"v1\"`";
const VERSION: &str = "the version of an event is a string literal, like `version = \"v1\"`";
pub(crate) const TIMEOUT: &str = "a timeout is a string literal, like `timeout = \"5s\"`";
const SCOPES: &str = "scopes are an array of string literals, like `scopes = [\"issues:read\"]`";
const DEDUPE: &str = "deduplication is `true` or `false`, like `dedupe = false`";
pub(crate) const MIDDLEWARE: &str =
    "middleware is a list of expressions, like `middleware = [audit, Limit::new(5)]`";
const DECLARED: &str =
    "`declared` has no value: it stands alone, like `\"issue.created\", version = \"v1\", declared`";
const WORD: &str = "`later` has no value: it stands alone, like `\"issue.created\", version = \"v1\", later`";
const UNTEXTUAL: &str = "`declared` looks for the text of the event in the manifest: write the event as text, like `\"issue.created\"`";
const KEYS: &str = "the keys of a webhook are `version`, `timeout`, `scopes`, `dedupe`, `middleware`, `declared`, `crate`, \
                    `later` and beside it `attempts`, `backoff`, `lane` and `on_dead`";
/// Without its `=` each is a key still, and not the event.
const KEYS_WITH_VALUES: [&str; 10] = [
    "version",
    "timeout",
    "scopes",
    "dedupe",
    "middleware",
    "attempts",
    "backoff",
    "lane",
    "on_dead",
    "crate",
];
const KEYLESS: &str = "what follows the event has a key, like `version = \"v1\"`";

impl Args {
    pub(crate) fn read(tokens: TokenStream) -> Result<Self> {
        if tokens.is_empty() {
            return Err(Error::new(Span::call_site(), EMPTY));
        }
        let mut found = Found::default();
        let strays =
            all(split_at_commas(tokens).into_iter().enumerate().map(|(at, part)| found.take(at, &part)));
        both(found.complete(), strays).map(|(args, _)| args)
    }
}

/// The arguments found so far, each as it was read first.
#[derive(Default)]
struct Found {
    event: Option<Result<Event>>,
    version: Option<Result<LitStr>>,
    timeout: Option<Result<LitStr>>,
    scopes: Option<Result<Vec<LitStr>>>,
    dedupe: Option<Result<LitBool>>,
    middleware: Option<Result<Vec<Expr>>>,
    later: later::Found,
    declared: Option<Ident>,
    krate: Option<Result<Path>>,
}

impl Found {
    /// Puts one part where it belongs; a part that belongs nowhere is a mistake.
    fn take(&mut self, at: usize, part: &TokenStream) -> Result<()> {
        if let Ok(word) = parse2::<Ident>(part.clone()) {
            match word.to_string().as_str() {
                "declared" => return fill(&mut self.declared, &word.clone(), word),
                "later" => return fill(&mut self.later.word, &word.clone(), word),
                _ => {}
            }
        }
        let Some((key, value)) = setting(part, &KEYS_WITH_VALUES) else { return self.take_keyless(at, part) };
        let name = key.to_string();
        match name.as_str() {
            "version" => fill(&mut self.version, &key, value.and_then(|value| string(&value, VERSION))),
            "timeout" => fill(&mut self.timeout, &key, value.and_then(|value| string(&value, TIMEOUT))),
            "scopes" => fill(&mut self.scopes, &key, value.and_then(|value| strings(&value, SCOPES))),
            "dedupe" => fill(&mut self.dedupe, &key, value.and_then(|value| boolean(&value, DEDUPE))),
            "middleware" => {
                fill(&mut self.middleware, &key, value.and_then(|value| list(&value, MIDDLEWARE)))
            }
            "declared" => Err(mistake(part, DECLARED)),
            "later" => Err(mistake(part, WORD)),
            "crate" => fill(&mut self.krate, &key, value.and_then(krate::read)),
            _ => self
                .later
                .take(&key, value)
                .unwrap_or_else(|| Err(mistake(key, &format!("{KEYS}; not `{name}`")))),
        }
    }

    /// The event comes first. A later text is taken for the version, so that only its key is missed.
    fn take_keyless(&mut self, at: usize, part: &TokenStream) -> Result<()> {
        let keyless = mistake(part, KEYLESS);
        match (&self.event, &self.version) {
            (None, _) if at == 0 => self.event = Some(Event::read(part)),
            (None, _) => self.event = Some(Err(mistake(part, EVENT))),
            (Some(_), None) if string(part, KEYLESS).is_ok() => self.version = Some(Err(keyless)),
            (Some(_), _) => return Err(keyless),
        }
        Ok(())
    }

    fn complete(self) -> Result<Args> {
        let missing = |rule| Error::new(Span::call_site(), rule);
        let event = self.event.unwrap_or_else(|| Err(missing(EVENT)));
        let version = self.version.unwrap_or_else(|| Err(missing(NO_VERSION)));
        let limits = both(self.timeout.transpose(), self.scopes.transpose());
        let dedupe = self.dedupe.transpose();
        let later = self.later.complete(dedupe.as_ref().ok().and_then(Option::as_ref));
        let around = both(both(dedupe, later), self.middleware.transpose());
        let krate = self.krate.unwrap_or_else(|| Ok(krate::default()));
        let ((event, version), ((limits, around), krate)) =
            both(both(event, version), both(both(limits, around), krate))?;
        let ((timeout, scopes), ((dedupe, later), middleware)) = (limits, around);
        let declared = match (self.declared, &event) {
            (None, _) => None,
            (Some(word), Event::Literal(text)) => Some((word, text.clone())),
            (Some(word), Event::Type(_)) => return Err(mistake(word, UNTEXTUAL)),
        };
        Ok(Args { event, version, timeout, scopes, dedupe, middleware, later, declared, krate })
    }
}

pub(crate) fn string(tokens: &TokenStream, rule: &str) -> Result<LitStr> {
    parse2(tokens.clone()).map_err(|_| mistake(tokens, rule))
}

fn boolean(tokens: &TokenStream, rule: &str) -> Result<LitBool> {
    parse2(tokens.clone()).map_err(|_| mistake(tokens, rule))
}

fn strings(tokens: &TokenStream, rule: &str) -> Result<Vec<LitStr>> {
    let elements = |input: ParseStream| {
        let content;
        bracketed!(content in input);
        content.parse::<TokenStream>()
    };
    let elements = elements.parse2(tokens.clone()).map_err(|_| mistake(tokens, rule))?;
    all(split_at_commas(elements).iter().map(|element| string(element, rule)))
}

pub(crate) fn list(tokens: &TokenStream, rule: &str) -> Result<Vec<Expr>> {
    let list: ExprArray = parse2(tokens.clone()).map_err(|_| mistake(tokens, rule))?;
    Ok(list.elems.into_iter().collect())
}
