//! The keys of a derive's helper attributes, like `#[event(alias = "issue_id", flatten)]`.

use crate::{
    diagnostics::{all, mistake},
    parts::split_at_commas,
    spans::site,
};
use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};
use quote::quote_spanned;
use syn::{Attribute, Data, Field, Meta, Result, parse::Parse, parse2};

/// One of the keys, with its value.
pub(crate) struct Key {
    pub(crate) name: Ident,
    pub(crate) value: Value,
}

/// The value of a key.
pub(crate) enum Value {
    /// `flatten`
    None,
    /// `alias = "issue_id"`
    One(TokenStream),
    /// `flatten(key = "project_key")`
    List(TokenStream),
}

const SHAPE: &str = "a key stands alone or has a value, like `name = \"issue.created\"`";

/// The keys of all the `#[helper(..)]` among the attributes; `example` is one of them.
pub(crate) fn keys(helper: &str, example: &str, attributes: &[Attribute]) -> Result<Vec<Key>> {
    let ours = attributes.iter().filter(|attribute| attribute.path().is_ident(helper));
    let lists = ours.map(|attribute| match &attribute.meta {
        Meta::List(list) => split(list.tokens.clone()),
        other => Err(mistake(other, &format!("keys stand in parentheses, like `#[{helper}({example})]`"))),
    });
    Ok(all(lists)?.into_iter().flatten().collect())
}

/// All fields of a type, those of variants too.
pub(crate) fn fields(data: &Data) -> Vec<&Field> {
    match data {
        Data::Struct(data) => data.fields.iter().collect(),
        Data::Enum(data) => data.variants.iter().flat_map(|variant| &variant.fields).collect(),
        Data::Union(data) => data.fields.named.iter().collect(),
    }
}

/// The lints that a derived implementation allows: see [`allowed`].
pub(crate) fn allowed_in(attributes: &[Attribute], data: &Data) -> TokenStream {
    let variants = match data {
        Data::Enum(data) => data.variants.iter().map(|variant| &*variant.attrs).collect(),
        _ => Vec::new(),
    };
    let fields = fields(data).into_iter().map(|field| &*field.attrs);
    allowed([attributes].into_iter().chain(variants).chain(fields).flatten())
}

/// What an expansion allows because it repeats names of an item: what the item allows, and the use of what is deprecated.
pub(crate) fn allowed<'a>(attributes: impl IntoIterator<Item = &'a Attribute>) -> TokenStream {
    let lints = attributes.into_iter().filter_map(|attribute| match &attribute.meta {
        Meta::List(list) if list.path.is_ident("allow") || list.path.is_ident("expect") => {
            let lints = &list.tokens;
            Some(quote_spanned!(site()=> #[allow(#lints)]))
        }
        meta => meta.path().is_ident("deprecated").then(|| quote_spanned!(site()=> #[allow(deprecated)])),
    });
    lints.collect()
}

/// The keys in one pair of parentheses.
pub(crate) fn split(tokens: TokenStream) -> Result<Vec<Key>> {
    all(split_at_commas(tokens).into_iter().map(Key::read))
}

impl Key {
    fn read(part: TokenStream) -> Result<Self> {
        let mut tokens = part.clone().into_iter();
        let (first, second, rest) = (tokens.next(), tokens.next(), tokens.collect::<TokenStream>());
        let value = match second {
            None => Value::None,
            Some(TokenTree::Punct(joint)) if joint.as_char() == '=' && !rest.is_empty() => Value::One(rest),
            Some(TokenTree::Group(group))
                if group.delimiter() == Delimiter::Parenthesis && rest.is_empty() =>
            {
                Value::List(group.stream())
            }
            Some(_) => return Err(mistake(part, SHAPE)),
        };
        match first {
            Some(TokenTree::Ident(name)) => Ok(Self { name, value }),
            _ => Err(mistake(part, SHAPE)),
        }
    }

    /// Checks that the key has no value.
    pub(crate) fn alone(self) -> Result<()> {
        match self.value {
            Value::None => Ok(()),
            _ => Err(mistake(&self.name, &format!("`{}` stands alone, without a value", self.name))),
        }
    }

    /// The single value of the key.
    pub(crate) fn one<T: Parse>(self, rule: &str) -> Result<T> {
        match self.value {
            Value::One(tokens) => parse2(tokens.clone()).map_err(|_| mistake(tokens, rule)),
            _ => Err(mistake(self.name, rule)),
        }
    }

    /// The path of `crate = path`.
    pub(crate) fn krate(self) -> Result<syn::Path> {
        match self.value {
            Value::One(tokens) => crate::krate::read(tokens),
            _ => Err(mistake(self.name, crate::krate::PATH)),
        }
    }
}
