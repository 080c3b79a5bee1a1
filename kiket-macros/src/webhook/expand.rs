//! The registration of one function.
//!
//! Names are hygienic, places are the user's: the compiler points at the type that is no extractor, the text that is
//! no event name, the answer that is no reply.

use super::{args::Args, event::Event, handler::Handler};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote_spanned};
use syn::{LitStr, ReturnType, Type, TypePath};

/// The item that puts the function into the list from which the extension is built.
pub(super) fn registration(args: &Args, handler: &Handler) -> TokenStream {
    let Handler { conditions, name, arguments, .. } = handler;
    let event = match &args.event {
        Event::Literal(name) => from_static("EventName", name),
        Event::Type(r#type) => name_of(r#type),
    };
    let version = from_static("EventVersion", &args.version);
    let timeout = args.timeout.as_ref().map(|timeout| from_static("Timeout", timeout));
    let timeout = timeout.map(|timeout| quote_spanned!(site()=> .timeout(#timeout)));
    let scopes = args.scopes.as_ref().map(|scopes| scopes.iter().map(|scope| from_static("Scope", scope)));
    let scopes = scopes.map(|scopes| quote_spanned!(site()=> .scopes(const { &[#(#scopes),*] })));
    let dedupe = args.dedupe.as_ref().map(|dedupe| quote_spanned!(site()=> .dedupe(#dedupe)));
    let needs = declaration(arguments);
    let call = call(handler);
    quote_spanned! {site()=>
        #(#conditions)*
        ::kiket::__private::submit! {
            ::kiket::__private::Registration::new(
                #event,
                #version,
                ::core::concat!(::core::module_path!(), "::", ::core::stringify!(#name)),
                #needs,
                #call,
            )
            #timeout
            #scopes
            #dedupe
        }
    }
}

/// A text of the attribute as the value it means; one that means nothing is reported under the text.
fn from_static(r#type: &str, text: &LitStr) -> TokenStream {
    let place = at(text.span());
    let r#type = Ident::new(r#type, place);
    quote_spanned!(place=> ::kiket::__private::#r#type::from_static(#text))
}

/// The name of the event that a type stands for; a type that stands for none is reported.
fn name_of(r#type: &TypePath) -> TokenStream {
    let (first, last) = ends(r#type);
    let open = quote_spanned!(first=> <);
    quote_spanned!(last=> #open #r#type as ::kiket::Event>::NAME)
}

/// What the arguments ask for, known before the first delivery.
fn declaration(arguments: &[Type]) -> TokenStream {
    if arguments.is_empty() {
        return quote_spanned!(site()=> |_| {});
    }
    let declare = arguments.iter().map(|argument| {
        let extractor = extractor(argument);
        quote_spanned!(ends(argument).0=> #extractor::requirements(__requirements);)
    });
    quote_spanned!(site()=> |__requirements| { #(#declare)* })
}

/// Arguments are prepared outside the future: what does not decode fails before anything has an effect.
///
/// The function is named as a value before it is called, so that clippy does not ask for a needless `async` to go
/// (`unused_async` spares functions that are used as values), and a deprecated one can be named without a warning.
fn call(handler: &Handler) -> TokenStream {
    let Handler { name, arguments, answer, deprecated, .. } = handler;
    let deprecated = deprecated.then(|| quote_spanned!(site()=> #[allow(deprecated)]));
    let names: Vec<_> =
        (0..arguments.len()).map(|position| format_ident!("__a{position}", span = site())).collect();
    let delivery =
        if arguments.is_empty() { quote_spanned!(site()=> _) } else { quote_spanned!(site()=> __delivery) };
    let take = arguments.iter().zip(&names).map(|(argument, name)| {
        let extractor = extractor(argument);
        quote_spanned!(ends(argument).0=> let #name = #extractor::prepare(__delivery)?;)
    });
    let (first, last) = match answer {
        ReturnType::Default => (at(name.span()), at(name.span())),
        ReturnType::Type(_, answer) => ends(answer),
    };
    let awaited = quote_spanned!(last=> .await);
    let reply = quote_spanned!(first=> ::kiket::IntoReply::into_reply(__handler(#(#names),*) #awaited));
    let extract = arguments.iter().zip(&names).map(|(argument, name)| {
        quote_spanned! {ends(argument).0=>
            let #name = match #name {
                ::kiket::__private::Prepared::Ready(__value) => __value,
                ::kiket::__private::Prepared::Waiting(__delivery, __extract) => __extract(__delivery).await?,
            };
        }
    });
    let future = quote_spanned! {at(name.span())=>
        ::kiket::__private::spawnable(async move { #(#extract)* #reply })
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

fn extractor(argument: &Type) -> TokenStream {
    let (first, last) = ends(argument);
    let open = quote_spanned!(first=> <);
    quote_spanned!(last=> #open #argument as ::kiket::FromDelivery<'_>>)
}

/// Hygienic, and at the attribute.
fn site() -> Span {
    Span::mixed_site()
}

/// Hygienic, and at a place of the user's.
fn at(place: Span) -> Span {
    site().located_at(place)
}

/// The places of the first and the last token, between which the compiler underlines.
fn ends(tokens: impl ToTokens) -> (Span, Span) {
    let mut spans = tokens.into_token_stream().into_iter().map(|token| at(token.span()));
    let first = spans.next().unwrap_or_else(site);
    (first, spans.last().unwrap_or(first))
}
