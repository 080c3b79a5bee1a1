//! A test of each file, and one of the files that come later.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{format_ident, quote, quote_spanned};
use syn::ReturnType;

use super::{args::Args, target::Target};
use crate::{
    krate,
    spans::{at, ends, site},
};

/// The item with its tests: in the module, or in one that has the name of the function.
pub(super) fn tests(args: &Args, target: &Target, item: TokenStream, files: &[String]) -> TokenStream {
    let (place, extension) = extension(target);
    let krate = krate::at(place, &args.krate);
    // The tests are in a module, where another path than these means something else.
    let first = args.krate.segments.first().map(|segment| segment.ident.to_string()).unwrap_or_default();
    let is_absolute = args.krate.leading_colon.is_some() || ["crate", "$crate"].contains(&&*first);
    let outside = (!is_absolute).then(|| format_ident!("__kiket_of_{}", target.name(), span = place));
    let path = outside.as_ref().map_or(krate.clone(), |outside| quote_spanned!(place=> super::#outside));
    let private = quote_spanned!(place=> #path::testing::__private);
    let outside = outside.map(|outside| quote_spanned!(place=> #[cfg(test)] use #krate as #outside;));
    let folder = args.folder.trim_end_matches('/');
    let tests = files.iter().zip(names(files, args.pattern.span())).map(|(file, name)| {
        let below = format!("/{}{file}", args.folder);
        quote_spanned! {site()=>
            #[::core::prelude::v1::test]
            fn #name() {
                #private::replay(
                    ::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), #below),
                    ::core::include_str!(::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), #below)),
                    #extension,
                );
            }
        }
    });
    let later = Ident::new(LATER, args.pattern.span());
    let (below, (before, behind)) = (format!("/{folder}"), &args.name);
    let tests = quote_spanned! {site()=>
        #(#tests)*

        #[::core::prelude::v1::test]
        fn #later() {
            #private::replay_new(
                ::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), #below),
                (#before, #behind),
                &[#(#files),*],
                #extension,
            );
        }
    };
    let tested = match target {
        Target::Module { .. } => into_module(item, &tests),
        Target::Function { name, .. } => quote! {
            #item

            #[cfg(test)]
            mod #name { #tests }
        },
    };
    quote!(#tested #outside)
}

/// The test of the files that were not there when the macro was expanded.
const LATER: &str = "captures_since_this_build";

/// A closure that makes the extension of a builder, and the place that mistakes in it have.
fn extension(target: &Target) -> (Span, TokenStream) {
    let Target::Function { name, is_async, takes_builder, output } = target else {
        return (site(), quote_spanned!(site()=> |__builder| async move { __builder }));
    };
    let place = match output {
        ReturnType::Type(_, output) => ends(output).0,
        ReturnType::Default => at(name.span()),
    };
    let (parameter, argument) = if *takes_builder {
        (quote_spanned!(place=> __builder), quote_spanned!(place=> __builder))
    } else {
        (quote_spanned!(place=> _), TokenStream::new())
    };
    let call = quote_spanned!(place=> super::#name(#argument));
    let future = if *is_async { call } else { quote_spanned!(place=> async move { #call }) };
    (place, quote_spanned!(place=> |#parameter| #future))
}

/// Names for the tests, made of those of the files, each once.
fn names(files: &[String], place: Span) -> Vec<Ident> {
    let mut given = vec![LATER.to_owned()];
    let names = files.iter().map(|file| {
        let stem = file.rsplit_once('.').map_or(&**file, |(stem, _)| stem);
        let letters = stem
            .chars()
            .map(|char| if char.is_ascii_alphanumeric() { char.to_ascii_lowercase() } else { '_' });
        let mut base: String = letters.collect();
        if syn::parse_str::<Ident>(&base).is_err() {
            base.insert_str(0, "capture_");
        }
        let numbered = |number: usize| if number == 1 { base.clone() } else { format!("{base}_{number}") };
        // One of so many is free.
        let free = (1..=given.len() + 1).map(numbered).find(|name| !given.contains(name)).unwrap_or_default();
        given.push(free.clone());
        Ident::new(&free, place)
    });
    names.collect()
}

/// Adds tests behind the other items of a module.
fn into_module(item: TokenStream, tests: &TokenStream) -> TokenStream {
    let mut tokens: Vec<_> = item.into_iter().collect();
    if let Some(TokenTree::Group(body)) = tokens.pop() {
        let items = body.stream();
        let mut group = Group::new(Delimiter::Brace, quote!(#items #tests));
        group.set_span(body.span());
        tokens.push(group.into());
    }
    tokens.into_iter().collect()
}
