//! `later`, and the keys that stand beside it.

use super::args::string;
use crate::{
    diagnostics::{all, both, fill, mistake},
    krate,
    spans::{at, ends, site},
};
use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::{LitBool, LitInt, LitStr, Path, Result, parse2};

/// How the deliveries of the handler are worked on after they were acknowledged.
pub(crate) struct Later {
    attempts: Option<LitInt>,
    backoff: Option<LitStr>,
    lane: Option<LitStr>,
    on_dead: Option<LitStr>,
}

const ATTEMPTS: &str = "attempts are a number, like `attempts = 8`";
const BACKOFF: &str = "a backoff is a string literal, like `backoff = \"10s..1h\"`";
const LANE: &str = "a lane is a string literal, like `lane = \"issue.id\"`";
const ON_DEAD: &str = "what a dead delivery does to its lane is a string literal, like `on_dead = \"block\"`";
const NO_LATER: &str =
    "is for handlers that run after the response: write `later` beside it, like `later, attempts = 8`";
const NO_LANE: &str = "`on_dead` is about a lane: write its path beside it, like `lane = \"issue.id\"`";
const DEDUPE: &str = "a `later` handler is always deduplicated, by its inbox: it has no `dedupe`";

/// The keys found so far, each as it was read first.
#[derive(Default)]
pub(crate) struct Found {
    /// The word itself, under which the missing feature is reported.
    pub(super) word: Option<Ident>,
    keys: Vec<Ident>,
    attempts: Option<Result<LitInt>>,
    backoff: Option<Result<LitStr>>,
    lane: Option<Result<LitStr>>,
    on_dead: Option<Result<LitStr>>,
}

impl Found {
    /// Takes one of the keys beside `later`; `None` for another key.
    pub(crate) fn take(&mut self, key: &Ident, value: Result<TokenStream>) -> Option<Result<()>> {
        let filled = match key.to_string().as_str() {
            "attempts" => fill(&mut self.attempts, key, value.and_then(|value| number(&value))),
            "backoff" => fill(&mut self.backoff, key, value.and_then(|value| string(&value, BACKOFF))),
            "lane" => fill(&mut self.lane, key, value.and_then(|value| string(&value, LANE))),
            "on_dead" => fill(&mut self.on_dead, key, value.and_then(|value| string(&value, ON_DEAD))),
            _ => return None,
        };
        self.keys.push(key.clone());
        Some(filled)
    }

    /// The options of a schedule, which is worked on later in any case.
    pub(crate) fn of_a_schedule(self) -> Result<Later> {
        let (attempts, backoff) = both(self.attempts.transpose(), self.backoff.transpose())?;
        Ok(Later { attempts, backoff, lane: None, on_dead: None })
    }

    pub(super) fn complete(self, dedupe: Option<&LitBool>) -> Result<Option<(Ident, Later)>> {
        let Self { word, keys, attempts, backoff, lane, on_dead } = self;
        let stray =
            on_dead.as_ref().filter(|_| lane.is_none()).and(keys.iter().find(|key| *key == "on_dead"));
        let stray = stray.map_or(Ok(()), |key| Err(mistake(key, NO_LANE)));
        let times = both(attempts.transpose(), backoff.transpose());
        let lanes = both(both(lane.transpose(), on_dead.transpose()), stray);
        let (((attempts, backoff), ((lane, on_dead), ())), word) = both(
            both(times, lanes),
            match word {
                None => all(keys.iter().map(|key| Err(mistake(key, &format!("`{key}` {NO_LATER}")))))
                    .map(|_: Vec<()>| None),
                Some(word) => dedupe.map_or(Ok(Some(word)), |dedupe| Err(mistake(dedupe, DEDUPE))),
            },
        )?;
        Ok(word.map(|word| (word, Later { attempts, backoff, lane, on_dead })))
    }
}

fn number(tokens: &TokenStream) -> Result<LitInt> {
    let number = parse2::<LitInt>(tokens.clone()).ok();
    number.filter(|number| number.base10_parse::<u32>().is_ok()).ok_or_else(|| mistake(tokens, ATTEMPTS))
}

impl Later {
    /// The options as a value. What a text means is judged by the runtime, which reports it under the text.
    pub(crate) fn options(&self, krate: &Path) -> TokenStream {
        let attempts = option(self.attempts.as_ref().map(|text| value(krate, "later", "attempts", text)));
        let backoff = option(self.backoff.as_ref().map(|text| value(krate, "later", "backoff", text)));
        let lane = option(self.lane.as_ref().map(|text| value(krate, "later", "lane", text)));
        let blocks = self.on_dead.as_ref().map(|text| value(krate, "later", "on_dead", text));
        let blocks = blocks.unwrap_or_else(|| quote_spanned!(site()=> false));
        quote_spanned!(site()=> #krate::__private::Later::declared(#attempts, #backoff, #lane, #blocks))
    }

    /// The registration with the options; a missing feature is reported under `word`.
    pub(super) fn around(&self, word: &Ident, krate: &Path, registration: &TokenStream) -> TokenStream {
        let later = self.options(krate);
        let place = at(word.span());
        let krate = krate::at(place, krate);
        quote_spanned!(place=> #krate::__private::later! { [#registration] [#later] })
    }
}

/// A literal as the value that a grammar of the runtime gives it; an invalid one is reported under the literal.
pub(crate) fn value(krate: &Path, grammar: &str, function: &str, literal: &impl ToTokens) -> TokenStream {
    let place = ends(literal).0;
    let (grammar, function) = (Ident::new(grammar, place), Ident::new(function, place));
    let krate = krate::at(place, krate);
    quote_spanned!(place=> #krate::__private::#grammar::#function(#literal))
}

fn option(value: Option<TokenStream>) -> TokenStream {
    let value = value.map(|value| quote_spanned!(site()=> ::core::option::Option::Some(#value)));
    value.unwrap_or_else(|| quote_spanned!(site()=> ::core::option::Option::None))
}
