//! `#[derive(kiket::Retry)]`: tokens → the [`Advice`] of each variant, checked → tokens.

mod advice;
#[cfg(test)]
mod tests;

use self::advice::{Advice, above};
use crate::{
    attributes::{allowed_in, fields, keys},
    diagnostics::{all, both, mistake, refuse},
    spans::site,
};
use proc_macro2::{Ident, TokenStream};
use quote::quote_spanned;
use syn::{Data, DeriveInput, Error, Path, Result, parse2};

const ERROR: &str = "an error is a struct or an enum";
const GENERICS: &str = "an error with parameters cannot be found in a source chain: implement `kiket::Retry` by hand, and name each of its types with `builder.classify::<Failed<Mail>>(..)`";
const CRATE: &str = "the path to `kiket` stands above the enum";
const ENUM: &str = "advice stands above each variant of an enum";
const FIELD: &str = "advice stands above the variant or the struct, like `#[retry(never)] Mail(MailError)`, and not at a field";

/// The implementation for an error that derives `Retry`, or all mistakes.
pub(crate) fn retry(input: TokenStream) -> TokenStream {
    read(input).map_or_else(Error::into_compile_error, |error| error.implementation())
}

/// The error, with its advice.
struct Input {
    name: Ident,
    /// The lints that expansions allow.
    allowed: TokenStream,
    krate: Path,
    shapes: Shapes,
}

/// The advice of a struct, or of each variant of an enum.
enum Shapes {
    One(Option<Advice>),
    Variants(Vec<(Ident, Option<Advice>)>),
}

fn read(input: TokenStream) -> Result<Input> {
    let DeriveInput { attrs, ident, generics, data, .. } = parse2(input)?;
    let parameters = refuse((!generics.params.is_empty()).then_some(&generics.params), GENERICS);
    let at_fields = all(fields(&data).into_iter().map(|field| {
        let keys = keys("retry", "never", &field.attrs)?;
        refuse(keys.into_iter().next().map(|key| key.name), FIELD)
    }));
    let (whole, shapes) = (above(&attrs), shapes(&ident, &data));
    let ((whole, shapes), _) = both(both(whole, shapes), both(at_fields, parameters))?;
    let shapes = match (shapes, whole.advice) {
        (Shapes::One(_), advice) => Shapes::One(advice),
        (Shapes::Variants(_), Some(advice)) => return Err(mistake(advice.key, ENUM)),
        (shapes, None) => shapes,
    };
    let krate = whole.krate.unwrap_or_else(crate::krate::default);
    Ok(Input { name: ident, allowed: allowed_in(&attrs, &data), krate, shapes })
}

fn shapes(name: &Ident, data: &Data) -> Result<Shapes> {
    match data {
        Data::Struct(_) => Ok(Shapes::One(None)),
        Data::Enum(data) => {
            let variants = data.variants.iter().map(|variant| {
                let above = above(&variant.attrs)?;
                refuse(above.krate, CRATE)?;
                Ok((variant.ident.clone(), above.advice))
            });
            all(variants).map(Shapes::Variants)
        }
        Data::Union(_) => Err(mistake(name, ERROR)),
    }
}

impl Input {
    fn implementation(&self) -> TokenStream {
        let Self { name, allowed, krate, shapes } = self;
        let advice = |advice: &Option<Advice>| {
            let advice = advice.as_ref().map(|advice| advice.expand(krate));
            advice.map_or_else(
                || quote_spanned!(site()=> ::core::option::Option::None),
                |advice| quote_spanned!(site()=> ::core::option::Option::Some(#advice)),
            )
        };
        let body = match shapes {
            Shapes::One(one) => advice(one),
            Shapes::Variants(variants) if variants.is_empty() => quote_spanned!(site()=> match *self {}),
            Shapes::Variants(variants) => {
                let arms = variants.iter().map(|(variant, one)| {
                    let advice = advice(one);
                    quote_spanned!(site()=> Self::#variant { .. } => #advice,)
                });
                quote_spanned!(site()=> match self { #(#arms)* })
            }
        };
        let submit = quote_spanned! {site()=>
            #krate::__private::submit! {
                #krate::__private::Classifier::new::<#name>()
            }
        };
        let submit = if allowed.is_empty() {
            submit
        } else {
            quote_spanned!(site()=> #allowed const _: () = { #submit };)
        };
        quote_spanned! {site()=>
            #[automatically_derived]
            #allowed
            impl #krate::Retry for #name {
                fn retry(&self) -> ::core::option::Option<#krate::__private::Advice> {
                    #body
                }
            }

            #submit
        }
    }
}
