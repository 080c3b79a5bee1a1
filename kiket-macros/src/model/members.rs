//! The `Members` implementation: reads the members of an object into the fields of a model.

use super::{
    field::{Field, Flatten, is_named},
    input::Input,
};
use crate::spans::{at, ends, site};
use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{LitStr, ext::IdentExt as _};

const PAYLOAD: &str = "the payload of an event, an object";
const MODEL: &str = "an object";

/// The runtime's module of the items that expansions name.
pub(super) fn path(input: &Input) -> TokenStream {
    let krate = &input.container.krate;
    quote_spanned!(site()=> #krate::__private::model)
}

/// The implementation of `Members`.
pub(super) fn members(input: &Input) -> TokenStream {
    let (path, container) = (path(input), &input.container);
    let (r#type, allowed) = (&container.r#type, &container.allowed);
    let expected = container.expecting.clone();
    let expected = expected.unwrap_or_else(|| LitStr::new(if input.event { PAYLOAD } else { MODEL }, site()));
    let fields = input.read_by_name().map(|field| take(input, field));
    let beside = input.fields.iter().map(|field| beside(&path, field));
    let envelope = input.event.then(|| {
        quote_spanned! {site()=>
            if <[&str]>::contains(&#path::ENVELOPE, &name) {
                return #path::skip(map);
            }
        }
    });
    let flattened = input.fields.iter().filter(|field| matches!(field.flatten, Some(Flatten::All)));
    let flattened = flattened.map(|Field { name, .. }| {
        quote_spanned! {site()=>
            if #path::Members::take(&mut self.#name, name, map)? {
                return ::core::result::Result::Ok(true);
            }
        }
    });
    let plain = container.plain.as_ref().map(|plain| {
        quote_spanned! {site()=>
            fn take_plain(&mut self, plain: #path::Id) -> bool {
                #plain(self, plain)
            }
        }
    });
    quote_spanned! {site()=>
        #[automatically_derived]
        #allowed
        impl #path::Members for #r#type {
            const EXPECTED: &'static str = #expected;

            fn take<'de, __A: #path::serde::de::MapAccess<'de>>(
                &mut self,
                name: &str,
                map: &mut __A,
            ) -> ::core::result::Result<bool, __A::Error> {
                #(#fields)*
                #(#beside)*
                #envelope
                #(#flattened)*
                ::core::result::Result::Ok(false)
            }

            #plain

            fn keep(&mut self, name: ::std::borrow::Cow<'_, str>, json: #path::Json<'_>) {
                #path::keep(&mut self.extra, name, json);
            }
        }
    }
}

/// Reads a member that is a field, and the member that may be inside of it.
fn take(input: &Input, field: &Field) -> TokenStream {
    let path = path(input);
    let Field { name, r#type, reading, .. } = field;
    let place = ends(r#type).0;
    let inner = input.fields.iter().find(|inner| inner.inside.as_ref() == Some(name));
    let read = match inner {
        None => quote_spanned!(place=> #path::read::<#path::#reading, #r#type, _>(&mut self.#name, map)),
        Some(inner) => {
            let (is_inner, Field { name: inner, reading: inner_reading, .. }) = (names(inner), inner);
            let way = quote_spanned!(site()=> ::core::marker::PhantomData::<#path::#inner_reading>);
            let within = quote_spanned!(place=> #path::Within(&mut self.#name, |name| #is_inner, &mut self.#inner, #way));
            quote_spanned!(place=> #path::read::<#path::#reading, _, _>(&mut #within, map))
        }
    };
    let is_field = names(field);
    quote_spanned! {site()=>
        if #is_field {
            return #read;
        }
    }
}

/// The condition that `name` is one of the names of a field.
fn names(field: &Field) -> TokenStream {
    let (text, aliases) = (field.text(), &field.aliases);
    let aliases = (!aliases.is_empty()).then(|| is_named(aliases)).map(|aliases| quote!(|| #aliases));
    quote_spanned!(site()=> name == #text #aliases)
}

/// Reads the listed members of a field from beside it.
fn beside(path: &TokenStream, field: &Field) -> TokenStream {
    let Some(Flatten::Some(members)) = &field.flatten else { return TokenStream::new() };
    let name = &field.name;
    members
        .iter()
        .map(|(member, names)| {
            let text = member.unraw().to_string();
            let (named, member) = (is_named([names]), LitStr::new(&text, at(member.span())));
            quote_spanned! {site()=>
                if #named {
                    return #path::Members::take(&mut self.#name, #member, map);
                }
            }
        })
        .collect()
}

impl Input {
    /// The fields that are read at every level: the id and the time of an event are read at the top only.
    fn read_by_name(&self) -> impl Iterator<Item = &Field> {
        self.fields
            .iter()
            .filter(|field| !(self.event && (field.name == "id" || field.name == "occurred_at")))
    }
}
