//! The registration of one function.
//!
//! Names are hygienic, and spans are the user's: the compiler points at the type that is no extractor, the text that is
//! no event name, the return type that is no reply.

use super::{args::Args, event::Event, handler::Handler};
use crate::{
    krate,
    spans::{at, ends, site},
};
use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote_spanned};
use syn::{Expr, LitStr, Path, ReturnType, Type, TypePath};

/// The item that registers the function for the extension.
///
/// An attribute cannot see whether it is in an `impl`. Its expansion does not compile there, and the compiler's message
/// names the macro in it: hence the name of that macro.
pub(super) fn registration(args: &Args, handler: &Handler) -> TokenStream {
    let Args { krate, .. } = args;
    let Handler { conditions, allowed, name, arguments, .. } = handler;
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
    let call = call(krate, handler, args.later.is_some());
    let registration = quote_spanned! {site()=>
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
    };
    let later = args.later.as_ref().map(|(word, later)| later.around(word, krate, &registration));
    let registration = later.unwrap_or(registration);
    quote_spanned! {site()=>
        #(#conditions)*
        #krate::__private::a_webhook_handler_is_a_free_function! {
            #allowed
            #registration
        }
    }
}

/// A text of the attribute as its value; an invalid one is reported under the text.
pub(crate) fn from_static(krate: &Path, r#type: &str, text: &LitStr) -> TokenStream {
    let place = at(text.span());
    let (krate, r#type) = (krate::at(place, krate), Ident::new(r#type, place));
    quote_spanned!(place=> #krate::__private::#r#type::from_static(#text))
}

/// The middleware around the function; an expression that is none is reported where it stands.
pub(crate) fn around(middleware: &[Expr]) -> TokenStream {
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

/// The requirements of the extractors, which are checked when the extension starts.
pub(crate) fn declaration(krate: &Path, arguments: &[Type]) -> TokenStream {
    if arguments.is_empty() {
        return quote_spanned!(site()=> |_| {});
    }
    let declare = arguments.iter().map(|argument| {
        let extractor = extractor(krate, argument);
        quote_spanned!(ends(argument).0=> #extractor::requirements(__requirements);)
    });
    quote_spanned!(site()=> |__requirements| { #(#declare)* })
}

/// Arguments are prepared outside the future: a payload that does not decode fails before the handler has any effect.
///
/// The function is used as a value before it is called, because `clippy::unused_async` ignores functions that are.
pub(crate) fn call(krate: &Path, handler: &Handler, is_later: bool) -> TokenStream {
    let Handler { name, arguments, output, .. } = handler;
    let names: Vec<_> =
        (0..arguments.len()).map(|position| format_ident!("__a{position}", span = site())).collect();
    let delivery =
        if arguments.is_empty() { quote_spanned!(site()=> _) } else { quote_spanned!(site()=> __delivery) };
    let take = arguments.iter().zip(&names).map(|(argument, name)| {
        let extractor = extractor(krate, argument);
        quote_spanned!(ends(argument).0=> let #name = #extractor::prepare(__delivery)?;)
    });
    let (first, last) = match output {
        ReturnType::Default => (at(name.span()), at(name.span())),
        ReturnType::Type(_, output) => ends(output),
    };
    let awaited = quote_spanned!(last=> .await);
    let (trait_krate, private) = (krate::at(first, krate), krate::at(at(name.span()), krate));
    let into_reply = if is_later {
        quote_spanned!(first=> #trait_krate::__private::NoReply::into_reply)
    } else {
        quote_spanned!(first=> #trait_krate::IntoReply::into_reply)
    };
    let reply = quote_spanned!(first=> #into_reply(__handler(#(#names),*) #awaited));
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
