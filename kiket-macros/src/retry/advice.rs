//! The keys of `#[retry(..)]` above a type or a variant.

use crate::{
    attributes::keys,
    diagnostics::{all, both, fill, mistake, refuse},
    krate,
    spans::{at, site},
};
use proc_macro2::{Ident, TokenStream};
use quote::quote_spanned;
use syn::{Attribute, LitInt, LitStr, Path, Result};

/// One piece of advice, and its key.
pub(super) struct Advice {
    pub(super) key: Ident,
    kind: Kind,
}

enum Kind {
    Never,
    After(LitStr),
    Status(LitInt),
}

/// The keys above a type or a variant.
pub(super) struct Above {
    pub(super) krate: Option<Path>,
    pub(super) advice: Option<Advice>,
}

const KEYS: &str = "the keys of `retry` are `never`, `after`, `status` and `crate`";
const AFTER: &str = "a delay is a string literal, like `after = \"30s\"`";
const STATUS: &str = "a status that is not retried is a number from 400 to 499, like `status = 409`";
const BUSY: &str = "Kiket sends a delivery again after a 429, and this status is one that is not retried: write `after = \"30s\"`";
const ONE: &str = "one of `never`, `after` and `status` is given";

pub(super) fn above(attributes: &[Attribute]) -> Result<Above> {
    let (mut krate, mut advice) = (None, Vec::new());
    let found = keys("retry", "never", attributes)?.into_iter().map(|key| {
        let name = key.name.clone();
        let kind = match name.to_string().as_str() {
            "crate" => return fill(&mut krate, &name, key.krate()),
            "never" => key.alone().map(|()| Kind::Never),
            "after" => key.one(AFTER).map(Kind::After),
            "status" => key.one(STATUS).and_then(status).map(Kind::Status),
            other => return Err(mistake(&name, &format!("{KEYS}, not `{other}`"))),
        };
        advice.push(kind.map(|kind| Advice { key: name, kind }));
        Ok(())
    });
    let found = all(found);
    let ((_, krate), advice) = both(both(found, krate.transpose()), all(advice))?;
    let mut advice = advice.into_iter();
    let first = advice.next();
    refuse(advice.next().map(|second| second.key), ONE)?;
    Ok(Above { krate, advice: first })
}

fn status(number: LitInt) -> Result<LitInt> {
    match number.base10_parse::<u16>() {
        Ok(429) => Err(mistake(number, BUSY)),
        Ok(400..=499) => Ok(number),
        _ => Err(mistake(number, STATUS)),
    }
}

impl Advice {
    /// The value of the advice. An invalid delay is reported under its text.
    pub(super) fn expand(&self, krate: &Path) -> TokenStream {
        match &self.kind {
            Kind::Never => quote_spanned!(site()=> #krate::__private::Advice::never()),
            Kind::After(text) => {
                let place = at(text.span());
                let there = krate::at(place, krate);
                let delay = quote_spanned!(place=> #there::__private::Timeout::from_static(#text));
                // A constant of its own, which `cargo check` evaluates; it skips a `const` block in a function.
                quote_spanned!(site()=> {
                    const DELAY: ::core::time::Duration = #delay.duration();
                    #krate::__private::Advice::after(DELAY)
                })
            }
            Kind::Status(number) => quote_spanned!(site()=> #krate::__private::Advice::status(#number)),
        }
    }
}
