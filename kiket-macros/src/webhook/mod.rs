//! `#[kiket::webhook(..)]`: tokens → [`Args`] and [`Handler`], both checked → tokens.

mod args;
mod event;
mod expand;
mod handler;
mod parts;
#[cfg(test)]
mod tests;

use self::{args::Args, handler::Handler};
use crate::diagnostics::both;
use proc_macro2::TokenStream;
use syn::{Error, parse2};

/// The unchanged item, followed by the registration or by all mistakes.
///
/// The item is kept with a mistake too, so that code that names it does not fail with `cannot find function`.
pub(crate) fn webhook(args: TokenStream, mut item: TokenStream) -> TokenStream {
    let beside = match both(Args::read(args), parse2::<Handler>(item.clone())) {
        Ok((args, handler)) => expand::registration(&args, &handler),
        Err(mistakes) => Error::into_compile_error(mistakes),
    };
    item.extend(beside);
    item
}
