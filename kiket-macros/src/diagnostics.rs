//! Collects the mistakes of one macro input, so that one build shows them all.

use proc_macro2::Ident;
use quote::ToTokens;
use syn::{Error, Result};

/// A mistake: the smallest tokens that must change, and the rule in one sentence that shows the spelling.
pub(crate) fn mistake(tokens: impl ToTokens, rule: &str) -> Error {
    Error::new_spanned(tokens, rule)
}

/// Fails if something was found that `rule` forbids.
pub(crate) fn refuse(found: Option<impl ToTokens>, rule: &str) -> Result<()> {
    found.map_or(Ok(()), |tokens| Err(mistake(tokens, rule)))
}

/// Both values, or the mistakes of both.
pub(crate) fn both<A, B>(a: Result<A>, b: Result<B>) -> Result<(A, B)> {
    match (a, b) {
        (Ok(a), Ok(b)) => Ok((a, b)),
        (Err(mut mistakes), Err(more)) => {
            mistakes.combine(more);
            Err(mistakes)
        }
        (Err(mistakes), Ok(_)) | (Ok(_), Err(mistakes)) => Err(mistakes),
    }
}

/// Every value, or the mistakes of all of them.
pub(crate) fn all<T>(results: impl IntoIterator<Item = Result<T>>) -> Result<Vec<T>> {
    let mut values = Ok(Vec::new());
    for result in results {
        values = both(values, result).map(|(mut values, value)| {
            values.push(value);
            values
        });
    }
    values
}

/// Fills an empty slot; a repeated key is a mistake.
pub(crate) fn fill<T>(slot: &mut Option<T>, key: &Ident, value: T) -> Result<()> {
    if slot.is_some() {
        return Err(mistake(key, &format!("a key is given once, and this is `{key}` again")));
    }
    *slot = Some(value);
    Ok(())
}
