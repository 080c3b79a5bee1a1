//! What stands in the parentheses of the attribute.

use crate::{
    diagnostics::{all, both, fill, mistake},
    krate,
    parts::{setting, split_at_commas},
    webhook::{FoundLater, Later, MIDDLEWARE, TIMEOUT, list, string},
};
use proc_macro2::{Ident, Span, TokenStream};
use syn::{Error, Expr, LitStr, Path, Result, parse2};

/// The arguments of the attribute. What their texts mean is judged by the runtime, where the registration uses them.
///
/// ```text
/// "0 7 * * *"
/// "0 7 * * mon-fri", zone = "Europe/Berlin", catch_up, name = "remind"
/// "*/15 * * * *", timeout = "5m", attempts = 3, backoff = "10s..10m", middleware = [audit], crate = hooks
/// ```
pub(super) struct Args {
    pub(super) pattern: LitStr,
    pub(super) zone: Option<LitStr>,
    pub(super) catch_up: Option<Ident>,
    pub(super) name: Option<LitStr>,
    pub(super) timeout: Option<LitStr>,
    pub(super) middleware: Option<Vec<Expr>>,
    pub(super) later: Later,
    /// Where `kiket` is.
    pub(super) krate: Path,
}

const PATTERN: &str = "a schedule begins with its times as a string literal, like `\"0 7 * * *\"`: minute, hour, day, month and weekday";
const ZONE: &str = "a time zone is a string literal, like `zone = \"Europe/Berlin\"`";
const NAME: &str = "the name of a schedule is a string literal, like `name = \"remind\"`";
const CATCH_UP: &str = "`catch_up` has no value: it stands alone, like `\"0 7 * * *\", catch_up`";
const KEYS: &str = "the keys of a schedule are `zone`, `catch_up`, `name`, `timeout`, `attempts`, `backoff`, `middleware` and `crate`";
const KEYLESS: &str = "what follows the times has a key, like `zone = \"Europe/Berlin\"`";

/// The keys; without its `=` each is a key still, and not the times.
const VALUED: &[&str] = &["zone", "name", "timeout", "attempts", "backoff", "middleware", "crate"];

impl Args {
    pub(super) fn read(tokens: TokenStream) -> Result<Self> {
        let mut found = Found::default();
        let parts = split_at_commas(tokens).into_iter().enumerate();
        let strays = all(parts.map(|(position, part)| found.take(position, &part)));
        both(found.complete(), strays).map(|(args, _)| args)
    }
}

/// The arguments found so far, each as it was read first.
#[derive(Default)]
struct Found {
    pattern: Option<Result<LitStr>>,
    zone: Option<Result<LitStr>>,
    catch_up: Option<Ident>,
    name: Option<Result<LitStr>>,
    timeout: Option<Result<LitStr>>,
    middleware: Option<Result<Vec<Expr>>>,
    later: FoundLater,
    krate: Option<Result<Path>>,
}

impl Found {
    fn take(&mut self, position: usize, part: &TokenStream) -> Result<()> {
        if let Ok(word) = parse2::<Ident>(part.clone())
            && word == "catch_up"
        {
            return fill(&mut self.catch_up, &word.clone(), word);
        }
        let Some((key, value)) = setting(part, VALUED) else {
            if position > 0 {
                return Err(mistake(part, KEYLESS));
            }
            self.pattern = Some(string(part, PATTERN));
            return Ok(());
        };
        let text = |rule| value.clone().and_then(|value| string(&value, rule));
        let name = key.to_string();
        match name.as_str() {
            "zone" => fill(&mut self.zone, &key, text(ZONE)),
            "name" => fill(&mut self.name, &key, text(NAME)),
            "timeout" => fill(&mut self.timeout, &key, text(TIMEOUT)),
            "middleware" => {
                fill(&mut self.middleware, &key, value.and_then(|value| list(&value, MIDDLEWARE)))
            }
            "catch_up" => Err(mistake(part, CATCH_UP)),
            "crate" => fill(&mut self.krate, &key, value.and_then(krate::read)),
            "attempts" | "backoff" => self.later.take(&key, value).unwrap_or(Ok(())),
            _ => Err(mistake(key, &format!("{KEYS}; not `{name}`"))),
        }
    }

    fn complete(self) -> Result<Args> {
        let pattern = self.pattern.unwrap_or_else(|| Err(Error::new(Span::call_site(), PATTERN)));
        let names = both(self.zone.transpose(), self.name.transpose());
        let limits = both(self.timeout.transpose(), self.middleware.transpose());
        let krate = self.krate.unwrap_or_else(|| Ok(krate::default()));
        let ((pattern, (zone, name)), ((timeout, middleware), (later, krate))) =
            both(both(pattern, names), both(limits, both(self.later.of_a_schedule(), krate)))?;
        Ok(Args { pattern, zone, catch_up: self.catch_up, name, timeout, middleware, later, krate })
    }
}
