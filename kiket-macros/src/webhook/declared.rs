//! `declared`: the manifest has the event.
//!
//! The macro asks only whether the name stands in the file as a word. Where it does not, the expansion asks the runtime, which
//! knows the other names of events; the compiler reports under the text of the event.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use super::{args::Args, handler::Handler};
use crate::{
    diagnostics::mistake,
    krate,
    spans::{at, site},
};
use proc_macro2::TokenStream;
use quote::quote_spanned;
use syn::Error;

/// The names of the manifest, in order. The runtime has the list, too: `tests/tidy` holds them equal.
const NAMES: [&str; 6] = [
    "extension.yaml",
    "manifest.yaml",
    "extension.yml",
    "manifest.yml",
    ".kiket/manifest.yaml",
    "kiket-extension.yaml",
];

const NONE: &str = "`declared` looks for the event in the manifest, and the folder of the package has none, like `extension.yaml`; \
                    `KIKET_MANIFEST_CHECK=0` turns this off";
const NO_FILE: &str = "`declared` looks for the event in the manifest, which is no regular file";

/// The package that is compiled.
pub(super) struct Project {
    /// Its folder; `None` where `KIKET_MANIFEST_CHECK` is `0`.
    pub(super) folder: Option<PathBuf>,
}

impl Project {
    pub(super) fn of_build() -> Self {
        let is_off = env::var_os("KIKET_MANIFEST_CHECK").is_some_and(|value| value == "0");
        let folder = env::var_os("CARGO_MANIFEST_DIR").filter(|_| !is_off);
        Self { folder: folder.map(PathBuf::from) }
    }
}

/// What stands beside the registration of a handler with `declared`. It names the file and the variable, so that a change of
/// them compiles the crate again.
pub(super) fn check(
    args: &Args,
    handler: &Handler,
    project: impl FnOnce() -> Project,
) -> Option<TokenStream> {
    let (word, event) = args.declared.as_ref()?;
    let conditions = &handler.conditions;
    let switch = quote_spanned!(site()=> ::core::option_env!("KIKET_MANIFEST_CHECK"));
    let Some(folder) = project().folder else {
        return Some(
            quote_spanned!(site()=> #(#conditions)* const _: ::core::option::Option<&str> = #switch;),
        );
    };
    let Some((name, path)) = search(&folder) else {
        return Some(Error::into_compile_error(mistake(word, NONE)));
    };
    if !path.is_file() {
        return Some(Error::into_compile_error(mistake(word, NO_FILE)));
    }
    let below = format!("/{name}");
    let text = quote_spanned!(site()=> ::core::include_str!(::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), #below)));
    let manifest = fs::read_to_string(path).unwrap_or_default();
    if has_word(&manifest, &event.value()) {
        return Some(quote_spanned! {site()=>
            #(#conditions)* const _: (::core::option::Option<&str>, &str) = (#switch, #text);
        });
    }
    let place = at(event.span());
    let krate = krate::at(place, &args.krate);
    let what = format!("`{}` is not in `{name}`: add it to the `hooks`, or correct it", event.value());
    let what = what.replace('{', "{{").replace('}', "}}");
    let stands = quote_spanned!(place=> #krate::__private::is_declared(#event, __manifest));
    Some(quote_spanned! {place=>
        #(#conditions)* const _: ::core::option::Option<&str> = {
            let __manifest = #text;
            ::core::assert!(#stands, #what);
            #switch
        };
    })
}

/// The first of the names that exists, of any file type, as the runtime takes it.
fn search(folder: &Path) -> Option<(&'static str, PathBuf)> {
    let mut paths = NAMES.iter().map(|name| (*name, folder.join(name)));
    paths.find(|(_, path)| fs::symlink_metadata(path).is_ok())
}

/// Whether `word` stands in `text`, not as a part of a longer name.
fn has_word(text: &str, word: &str) -> bool {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    text.split(|letter| !is_part(letter)).any(|found| found == word)
}
