//! The registration of one function.
//!
//! Names are hygienic, places are the user's: the compiler points at the type that is no extractor, the text that is
//! no event name, the answer that is no reply.

use super::{args::Args, event::Event, handler::Handler};
use crate::{
    krate,
    spans::{at, ends, site},
};
use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote_spanned};
use syn::{Expr, LitStr, Path, ReturnType, Type, TypePath};

/// The item that puts the function into the list from which the extension is built.
///
/// An attribute cannot see whether it stands in an `impl`. What it writes does not compile there, and the compiler names
/// the macro that is at fault: hence its name.
pub(super) fn registration(args: &Args, handler: &Handler) -> TokenStream {
    let Args { krate, .. } = args;
    let Handler { conditions, name, arguments, .. } = handler;
    let event = match &args.event {
        Event::Literal(name) => from_static(krate, "EventName", name),
        Event::Type(r#type) => name_of(krate, r#type),
    };
    let version = from_static(krate, "EventVersion", &args.version);
    let timeout = args.timeout.as_ref().map(|timeout| from_static(krate, "Timeout", timeout));
    let timeout = timeout.map(|timeout| quote_spanned!(site()=> .timeout(#timeout)));
    let scopes = args.scopes.as_ref();
    let scopes = scopes.map(|scopes| scopes.iter().map(|scope| from_static(krate, "Scope", scope)));
    let scopes = scopes.map(|scopes| quote_spanned!(site()=> .scopes(const { &[#(#scopes),*] })));
    let dedupe = args.dedupe.as_ref().map(|dedupe| quote_spanned!(site()=> .dedupe(#dedupe)));
    let middleware = args.middleware.as_ref().map(|middleware| around(middleware));
    let needs = declaration(krate, arguments);
    let call = call(krate, handler);
    quote_spanned! {site()=>
        #(#conditions)*
        #krate::__private::a_webhook_handler_is_a_free_function! {
            #krate::__private::Registration::new(
                #event,
                #version,
                ::core::concat!(::core::module_path!(), "::", ::core::stringify!(#name)),
                #needs,
                #call,
            )
            #timeout
            #scopes
            #dedupe
            #middleware
        }
    }
}

/// A text of the attribute as the value it means; one that means nothing is reported under the text.
fn from_static(krate: &Path, r#type: &str, text: &LitStr) -> TokenStream {
    let place = at(text.span());
    let (krate, r#type) = (krate::at(place, krate), Ident::new(r#type, place));
    quote_spanned!(place=> #krate::__private::#r#type::from_static(#text))
}

/// The middleware around the function; an expression that is none is reported where it stands.
fn around(middleware: &[Expr]) -> TokenStream {
    let middleware = middleware.iter().map(|middleware| {
        let place = ends(middleware).0;
        quote_spanned!(place=> .middleware(#middleware))
    });
    quote_spanned!(site()=> .middleware(|__handler| __handler #(#middleware)*))
}

/// The name of the event that a type stands for; a type that stands for none is reported.
fn name_of(krate: &Path, r#type: &TypePath) -> TokenStream {
    let (first, last) = ends(r#type);
    let krate = krate::at(last, krate);
    let open = quote_spanned!(first=> <);
    quote_spanned!(last=> #open #r#type as #krate::Event>::NAME)
}

/// What the arguments ask for, known before the first delivery.
fn declaration(krate: &Path, arguments: &[Type]) -> TokenStream {
    if arguments.is_empty() {
        return quote_spanned!(site()=> |_| {});
    }
    let declare = arguments.iter().map(|argument| {
        let extractor = extractor(krate, argument);
        quote_spanned!(ends(argument).0=> #extractor::requirements(__requirements);)
    });
    quote_spanned!(site()=> |__requirements| { #(#declare)* })
}

/// Arguments are prepared outside the future: what does not decode fails before anything has an effect.
///
/// The function is named as a value before it is called, so that clippy does not ask for a needless `async` to go
/// (`unused_async` spares functions that are used as values), and a deprecated one can be named without a warning.
fn call(krate: &Path, handler: &Handler) -> TokenStream {
    let Handler { name, arguments, answer, deprecated, .. } = handler;
    let deprecated = deprecated.then(|| quote_spanned!(site()=> #[allow(deprecated)]));
    let names: Vec<_> =
        (0..arguments.len()).map(|position| format_ident!("__a{position}", span = site())).collect();
    let delivery =
        if arguments.is_empty() { quote_spanned!(site()=> _) } else { quote_spanned!(site()=> __delivery) };
    let take = arguments.iter().zip(&names).map(|(argument, name)| {
        let extractor = extractor(krate, argument);
        quote_spanned!(ends(argument).0=> let #name = #extractor::prepare(__delivery)?;)
    });
    let (first, last) = match answer {
        ReturnType::Default => (at(name.span()), at(name.span())),
        ReturnType::Type(_, answer) => ends(answer),
    };
    let awaited = quote_spanned!(last=> .await);
    let (trait_krate, private) = (krate::at(first, krate), krate::at(at(name.span()), krate));
    let reply = quote_spanned!(first=> #trait_krate::IntoReply::into_reply(__handler(#(#names),*) #awaited));
    let extract = arguments.iter().zip(&names).map(|(argument, name)| {
        let krate = krate::at(ends(argument).0, krate);
        quote_spanned! {ends(argument).0=>
            let #name = match #name {
                #krate::__private::Prepared::Ready(__value) => __value,
                #krate::__private::Prepared::Waiting(__delivery, __extract) => __extract(__delivery).await?,
            };
        }
    });
    let future = quote_spanned! {at(name.span())=>
        #private::__private::spawnable(async move { #(#extract)* #reply })
    };
    quote_spanned! {site()=>
        |#delivery| {
            #(#take)*
            #deprecated
            let __handler = #name;
            ::core::result::Result::Ok(#future)
        }
    }
}

fn extractor(krate: &Path, argument: &Type) -> TokenStream {
    let (first, last) = ends(argument);
    let krate = krate::at(last, krate);
    let open = quote_spanned!(first=> <);
    quote_spanned!(last=> #open #argument as #krate::FromDelivery<'_>>)
}
