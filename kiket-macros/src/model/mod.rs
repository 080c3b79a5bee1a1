//! `#[derive(kiket::Model)]` and `#[derive(kiket::Event)]`: tokens → checked [`Input`] → tokens.

mod builder;
mod field;
mod input;
mod members;
mod serde;
#[cfg(test)]
mod tests;

use self::input::{Container, Input};
use crate::spans::{at, site};
use proc_macro2::TokenStream;
use quote::quote_spanned;
use syn::{Error, Result};

/// The implementations for a struct that derives `Model`, or all mistakes.
pub(crate) fn model(input: TokenStream) -> TokenStream {
    Container::read("model", input)
        .and_then(Input::read)
        .map_or_else(Error::into_compile_error, |input| implementations(&input))
}

/// The implementations for a type that derives `Event`, or all mistakes.
pub(crate) fn event(input: TokenStream) -> TokenStream {
    Container::read("event", input).and_then(event_of).unwrap_or_else(Error::into_compile_error)
}

fn event_of(container: Container) -> Result<TokenStream> {
    let mut tokens = name(&container);
    if container.model {
        tokens.extend(implementations(&Input::read(container)?));
    } else {
        container.refuse_keys_of_fields()?;
    }
    Ok(tokens)
}

/// The implementation of `Event`; none for a model without a name, whose event the attribute of the handler names.
fn name(container: &Container) -> TokenStream {
    let Container { krate, r#type, generics, allowed, name: Some(name), .. } = container else {
        return TokenStream::new();
    };
    let (parameters, arguments, bounds) = generics.split_for_impl();
    let text = quote_spanned!(at(name.span())=> #krate::__private::EventName::from_static(#name));
    quote_spanned! {site()=>
        #[automatically_derived]
        #allowed
        impl #parameters #krate::Event for #r#type #arguments #bounds {
            const NAME: #krate::__private::EventName = #text;
        }
    }
}

fn implementations(input: &Input) -> TokenStream {
    let mut tokens = serde::implementations(input);
    tokens.extend(builder::methods(input));
    tokens
}
