//! `#[kiket::webhook(..)]`: tokens → [`Args`] and [`Handler`], both checked → tokens.

mod args;
mod declared;
mod event;
mod expand;
mod handler;
mod later;
#[cfg(test)]
mod tests;
mod values;

use self::{args::Args, declared::Project};
pub(crate) use self::{
    expand::{around, call, declaration, from_static},
    handler::{Handler, Kind},
    later::{Found as FoundLater, Later, value},
    values::{MIDDLEWARE, TIMEOUT, list, string},
};
use crate::diagnostics::both;
use proc_macro2::TokenStream;
use syn::Error;

/// The unchanged item, followed by the registration or by all mistakes.
///
/// The item is kept with a mistake too, so that code that names it does not fail with `cannot find function`.
pub(crate) fn webhook(args: TokenStream, item: TokenStream) -> TokenStream {
    webhook_of(args, item, Project::of_build)
}

fn webhook_of(args: TokenStream, mut item: TokenStream, project: impl FnOnce() -> Project) -> TokenStream {
    let beside = match both(Args::read(args), Handler::read(item.clone(), Kind::Webhook)) {
        Ok((args, handler)) => {
            let mut beside = expand::registration(&args, &handler);
            beside.extend(declared::check(&args, &handler, project));
            beside
        }
        Err(mistakes) => Error::into_compile_error(mistakes),
    };
    item.extend(beside);
    item
}
