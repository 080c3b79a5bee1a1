//! `#[kiket::schedule(..)]`: tokens → [`Args`] and the function, both checked → tokens.

mod args;
#[cfg(test)]
mod tests;

use self::args::Args;
use crate::{
    diagnostics::both,
    krate,
    spans::{at, site},
    webhook::{Handler, Kind, around, call, declaration, from_static, value},
};
use proc_macro2::TokenStream;
use quote::quote_spanned;
use syn::{Error, LitStr, ext::IdentExt as _};

/// The unchanged item, followed by the registration or by all mistakes.
pub(crate) fn schedule(args: TokenStream, mut item: TokenStream) -> TokenStream {
    item.extend(match both(Args::read(args), Handler::read(item.clone(), Kind::Schedule)) {
        Ok((args, handler)) => registration(&args, &handler),
        Err(mistakes) => Error::into_compile_error(mistakes),
    });
    item
}

/// The item that registers the function: as a handler of `schedule:NAME`, with its times.
fn registration(args: &Args, handler: &Handler) -> TokenStream {
    let Args { krate, later, .. } = args;
    let Handler { conditions, allowed, name, arguments, .. } = handler;
    let function = LitStr::new(&name.unraw().to_string(), name.span());
    let text = args.name.as_ref().unwrap_or(&function);
    let event = {
        let place = at(text.span());
        let krate = krate::at(place, krate);
        quote_spanned!(place=> #krate::__private::schedule::name(::core::concat!("schedule:", #text)))
    };
    let pattern = value(krate, "schedule", "pattern", &args.pattern);
    let zone = args.zone.as_ref().map(|zone| value(krate, "schedule", "zone", zone));
    let zone = zone.unwrap_or_else(|| quote_spanned!(site()=> "UTC"));
    let catches_up = args.catch_up.is_some();
    let timeout = args.timeout.as_ref().map(|timeout| from_static(krate, "Timeout", timeout));
    let timeout = timeout.map(|timeout| quote_spanned!(site()=> .timeout(#timeout)));
    let middleware = args.middleware.as_ref().map(|middleware| around(middleware));
    let later = later.options(krate);
    let needs = declaration(krate, arguments);
    let call = call(krate, handler, true);
    quote_spanned! {site()=>
        #(#conditions)*
        #krate::__private::a_schedule_is_a_free_function! {
            #allowed
            #krate::__private::Registration::new(
                #event,
                #krate::__private::EventVersion::from_static("v1"),
                ::core::concat!(::core::module_path!(), "::", ::core::stringify!(#name)),
                #needs,
                #call,
            )
            #timeout
            #middleware
            .later(#later)
            .schedule(#krate::__private::ScheduleTimes::new(#pattern, #zone, #catches_up))
        }
    }
}
