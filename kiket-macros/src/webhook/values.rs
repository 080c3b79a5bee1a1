//! The values of keys, as the tokens after their `=` have them.

use crate::{
    diagnostics::{all, mistake},
    parts::split_at_commas,
};
use proc_macro2::TokenStream;
use syn::{
    Expr, ExprArray, LitBool, LitStr, Result, bracketed,
    parse::{ParseStream, Parser},
    parse2,
};

pub(crate) const TIMEOUT: &str = "a timeout is a string literal, like `timeout = \"5s\"`";
pub(crate) const MIDDLEWARE: &str =
    "middleware is a list of expressions, like `middleware = [audit, Limit::new(5)]`";

pub(crate) fn string(tokens: &TokenStream, rule: &str) -> Result<LitStr> {
    parse2(tokens.clone()).map_err(|_| mistake(tokens, rule))
}

pub(super) fn boolean(tokens: &TokenStream, rule: &str) -> Result<LitBool> {
    parse2(tokens.clone()).map_err(|_| mistake(tokens, rule))
}

pub(super) fn strings(tokens: &TokenStream, rule: &str) -> Result<Vec<LitStr>> {
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
