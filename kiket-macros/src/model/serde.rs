//! The implementations of serde's traits for a model, and of `EventPayload` for a payload.

use super::{
    field::Field,
    input::Input,
    members::{members, path},
};
use crate::spans::{ends, site};
use proc_macro2::TokenStream;
use quote::quote_spanned;
use syn::LitStr;

pub(super) fn implementations(input: &Input) -> TokenStream {
    let members = members(input);
    let serialize = serialize(input);
    let (path, r#type, allowed) = (path(input), &input.container.r#type, &input.container.allowed);
    let (event, whole) = if input.event {
        (event(input), quote_spanned!(site()=> payload))
    } else {
        (TokenStream::new(), quote_spanned!(site()=> whole))
    };
    quote_spanned! {site()=>
        #members
        #event

        #[automatically_derived]
        #allowed
        impl<'de> #path::serde::Deserialize<'de> for #r#type {
            fn deserialize<__D: #path::serde::Deserializer<'de>>(
                deserializer: __D,
            ) -> ::core::result::Result<Self, __D::Error> {
                #path::#whole(deserializer)
            }
        }

        #serialize
    }
}

/// The implementation of `EventPayload`.
fn event(input: &Input) -> TokenStream {
    let (path, r#type, allowed) = (path(input), &input.container.r#type, &input.container.allowed);
    let name = input.container.name.as_ref().map(|name| {
        quote_spanned! {site()=>
            const NAME: ::core::option::Option<&'static str> = ::core::option::Option::Some(#name);
        }
    });
    let complete = input.container.complete.as_ref().map(|complete| {
        quote_spanned! {site()=>
            fn complete(&mut self) {
                #complete(self);
            }
        }
    });
    quote_spanned! {site()=>
        #[automatically_derived]
        #allowed
        impl #path::EventPayload for #r#type {
            #name

            fn id(&mut self) -> &mut ::core::option::Option<#path::Id> {
                &mut self.id
            }

            fn occurred_at(&mut self) -> &mut ::core::option::Option<#path::Timestamp> {
                &mut self.occurred_at
            }

            #complete
        }
    }
}

/// Writes the fields that are not absent, in their order, then `extra` without the names that were written.
fn serialize(input: &Input) -> TokenStream {
    let (path, r#type, allowed) = (path(input), &input.container.r#type, &input.container.allowed);
    let name =
        input.event.then(|| quote_spanned!(site()=> #path::write_name::<Self, _>(&mut map, &self.extra)?;));
    let fields = input.fields.iter().map(|field| {
        let (name, text) = (&field.name, input.written(field));
        quote_spanned!(ends(&field.r#type).0=> #path::write(&mut map, #text, &self.#name)?;)
    });
    let written = input.fields.iter().map(|field| {
        let (name, text) = (&field.name, input.written(field));
        quote_spanned!(ends(&field.r#type).0=> #text => #path::is_written(&self.#name),)
    });
    quote_spanned! {site()=>
        #[automatically_derived]
        #allowed
        impl #path::serde::Serialize for #r#type {
            fn serialize<__S: #path::serde::Serializer>(
                &self,
                serializer: __S,
            ) -> ::core::result::Result<__S::Ok, __S::Error> {
                let mut map = #path::serde::Serializer::serialize_map(serializer, ::core::option::Option::None)?;
                #name
                #(#fields)*
                #path::finish(map, &self.extra, |__name| match __name {
                    #(#written)*
                    _ => false,
                })
            }
        }
    }
}

impl Input {
    /// The name of a field when it is written.
    fn written(&self, field: &Field) -> LitStr {
        if self.event && field.name == "occurred_at" {
            LitStr::new("timestamp", site())
        } else {
            field.text()
        }
    }
}
