//! `#[kiket::replay("captures/*.json")]`: tokens → [`Args`] and [`Target`], both checked, and the files → tests.

mod args;
mod expand;
mod files;
mod target;
#[cfg(test)]
mod tests;

use std::path::Path;

use proc_macro2::TokenStream;
use syn::{Error, parse2};

use self::{args::Args, target::Target};
use crate::diagnostics::both;

/// The item with the tests, or with all mistakes. `folder` is that of the package.
pub(crate) fn replay(args: TokenStream, item: TokenStream, folder: &Path) -> TokenStream {
    let read = both(Args::read(args), parse2::<Target>(item.clone()));
    let found = read.and_then(|(args, target)| Ok((files::matching(&args, folder)?, args, target)));
    match found {
        Ok((files, args, target)) => expand::tests(&args, &target, item, &files),
        Err(mistakes) => {
            let mut item = item;
            item.extend(Error::into_compile_error(mistakes));
            item
        }
    }
}
