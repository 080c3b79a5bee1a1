//! The constructor and the setters of a model.

use super::{field::Field, input::Input, members::path};
use crate::spans::{ends, site};
use proc_macro2::TokenStream;
use quote::quote_spanned;
use syn::Type;

pub(super) fn methods(input: &Input) -> TokenStream {
    let (r#type, allowed) = (&input.container.r#type, &input.container.allowed);
    let path = path(input);
    let new = constructor(input);
    let setters = input.fields.iter().map(|field| setter(&path, field));
    quote_spanned! {site()=>
        #[automatically_derived]
        #allowed
        impl #r#type {
            #new
            #(#setters)*

            /// Adds a member to `extra`. Where a field of that name is set, the field is written.
            #[must_use]
            pub fn extra(
                mut self,
                name: impl ::core::convert::Into<::std::string::String>,
                value: impl ::core::convert::Into<#path::Value>,
            ) -> Self {
                #path::Extra::insert(&mut self.extra, name, value);
                self
            }
        }
    }
}

/// The constructor, if some fields are its arguments.
fn constructor(input: &Input) -> TokenStream {
    let fields: Vec<_> = input.fields.iter().filter(|field| field.new).collect();
    if fields.is_empty() {
        return TokenStream::new();
    }
    let arguments = fields.iter().map(|Field { name, .. }| name);
    let values = fields.iter().map(|field| {
        let name = &field.name;
        if field.optional().is_some() {
            quote_spanned!(site()=> #name: ::core::option::Option::Some(::core::convert::Into::into(#name)))
        } else {
            quote_spanned!(site()=> #name: ::core::convert::Into::into(#name))
        }
    });
    let types = fields.iter().map(|field| field.optional().unwrap_or(&field.r#type));
    quote_spanned! {site()=>
        /// Creates a value whose other fields are empty; set them with the methods of their names.
        #[must_use]
        pub fn new(#(#arguments: impl ::core::convert::Into<#types>),*) -> Self {
            Self { #(#values,)* ..::core::default::Default::default() }
        }
    }
}

/// The setter of a field, by the name of the field's type.
fn setter(path: &TokenStream, field: &Field) -> TokenStream {
    let Field { visibility, name, r#type, .. } = field;
    let place = ends(r#type).0;
    let (generics, argument, set) = match field
        .generic()
        .as_ref()
        .map(|(outer, types)| (outer.as_str(), types.as_slice()))
    {
        Some(("Option", [inner])) => (
            Some(quote_spanned!(site()=> <__Given>)),
            quote_spanned!(place=> impl #path::IntoOption<#inner, __Given>),
            quote_spanned!(place=> self.#name = #path::IntoOption::into_option(#name)),
        ),
        Some(("Vec", [inner])) => (
            None,
            quote_spanned!(place=> impl ::core::iter::IntoIterator<Item = impl ::core::convert::Into<#inner>>),
            quote_spanned!(place=> self.#name = ::core::iter::Iterator::collect(::core::iter::Iterator::map(
                ::core::iter::IntoIterator::into_iter(#name),
                ::core::convert::Into::into,
            ))),
        ),
        Some(("Map", [key, value])) => (
            None,
            quote_spanned!(place=> impl ::core::iter::IntoIterator<
                Item = (impl ::core::convert::Into<#key>, impl ::core::convert::Into<#value>),
            >),
            quote_spanned!(place=> ::core::iter::Extend::extend(
                &mut self.#name,
                ::core::iter::Iterator::map(
                    ::core::iter::IntoIterator::into_iter(#name),
                    |(name, value)| (::core::convert::Into::into(name), ::core::convert::Into::into(value)),
                ),
            )),
        ),
        _ => (
            None,
            quote_spanned!(place=> impl ::core::convert::Into<#r#type>),
            quote_spanned!(place=> self.#name = ::core::convert::Into::into(#name)),
        ),
    };
    let about = format!("Sets `{}`.", field.text().value());
    quote_spanned! {site()=>
        #[doc = #about]
        #[must_use]
        #visibility fn #name #generics(mut self, #name: #argument) -> Self {
            #set;
            self
        }
    }
}

impl Field {
    /// The type inside of an `Option`.
    fn optional(&self) -> Option<&Type> {
        match self.generic()? {
            (outer, types) if outer == "Option" => types.first().copied(),
            _ => None,
        }
    }
}
