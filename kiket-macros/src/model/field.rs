//! One field of a model, and the keys of its attributes.

use crate::{
    attributes::{Key, Value, keys, split},
    diagnostics::{all, both, fill, mistake},
    spans::{at, site},
};
use proc_macro2::{Ident, TokenStream};
use quote::quote_spanned;
use syn::{
    Expr, ExprLit, GenericArgument, Lit, LitStr, PathArguments, Result, Type, Visibility, ext::IdentExt,
};

/// A field.
pub(super) struct Field {
    pub(super) visibility: Visibility,
    pub(super) name: Ident,
    pub(super) r#type: Type,
    /// The way to read it: `Typed`, `Lenient` or `Serde`.
    pub(super) reading: Ident,
    /// The other names of the member.
    pub(super) aliases: Vec<Expr>,
    /// Whether it is an argument of `new`.
    pub(super) new: bool,
    /// The members of it that may also be beside it.
    pub(super) flatten: Option<Flatten>,
    /// The field that may also contain it.
    pub(super) inside: Option<Ident>,
}

/// The members of a field that may be beside it.
pub(super) enum Flatten {
    All,
    /// These, each under its own names.
    Some(Vec<(Ident, Expr)>),
}

const NAMED: &str = "a model is a struct with named fields";
const ALIAS: &str = "an alias is a text or an array of texts, like `alias = \"issue_id\"`";
const ONE: &str = "a field is `lenient` or read by `serde`, not both";
const INSIDE: &str = "a field stands inside of another one, like `inside = issue`";
const FLATTEN: &str =
    "`flatten` stands alone or lists members and their names, like `flatten(key = \"project_key\")`";
const KEYS: &str = "the keys of a field are `alias`, `lenient`, `serde`, `new`, `flatten` and `inside`";

impl Field {
    pub(super) fn read(helper: &str, field: &syn::Field) -> Result<Self> {
        let name = field.ident.clone().ok_or_else(|| mistake(field, NAMED))?;
        let (mut aliases, mut reading, mut new, mut flatten, mut inside) =
            (Vec::new(), None, None, None, None);
        let found = keys(helper, &field.attrs)?.into_iter().map(|key| {
            let at = key.name.clone();
            match at.to_string().as_str() {
                "alias" => key.one(ALIAS).map(|alias| aliases.push(alias)),
                "lenient" => fill(&mut reading, &at, key.alone().map(|()| "Lenient")),
                "serde" if matches!(reading, Some(Ok("Lenient"))) => Err(mistake(&at, ONE)),
                "serde" => fill(&mut reading, &at, key.alone().map(|()| "Serde")),
                "new" => fill(&mut new, &at, key.alone()),
                "flatten" => fill(&mut flatten, &at, Flatten::read(key)),
                "inside" => fill(&mut inside, &at, key.one(INSIDE)),
                other => Err(mistake(&at, &format!("{KEYS}, not `{other}`"))),
            }
        });
        let found = all(found);
        let places = both(flatten.transpose(), inside.transpose());
        let (_, ((flatten, inside), (reading, new))) =
            both(found, both(places, both(reading.transpose(), new.transpose())))?;
        let reading = Ident::new(reading.unwrap_or("Typed"), site());
        let (visibility, r#type) = (field.vis.clone(), field.ty.clone());
        Ok(Self { visibility, name, r#type, reading, aliases, new: new.is_some(), flatten, inside })
    }

    /// The name of the member, when it is written and, with few exceptions, when it is read.
    pub(super) fn text(&self) -> LitStr {
        LitStr::new(&self.name.unraw().to_string(), at(self.name.span()))
    }

    /// The name of a generic type and its arguments: `Option` and `String`.
    pub(super) fn generic(&self) -> Option<(String, Vec<&Type>)> {
        let Type::Path(path) = &self.r#type else { return None };
        let last = path.path.segments.last()?;
        let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
        let types = arguments.args.iter().map(|argument| match argument {
            GenericArgument::Type(r#type) => Some(r#type),
            _ => None,
        });
        Some((last.ident.to_string(), types.collect::<Option<_>>()?))
    }
}

impl Flatten {
    fn read(key: Key) -> Result<Self> {
        match key.value {
            Value::None => Ok(Self::All),
            Value::One(_) => Err(mistake(key.name, FLATTEN)),
            Value::List(members) => {
                let members = split(members)?.into_iter();
                all(members.map(|member| Ok((member.name.clone(), member.one(FLATTEN)?)))).map(Self::Some)
            }
        }
    }
}

/// The condition that `name` is one of these: texts, or arrays of texts.
pub(super) fn is_named<'n>(aliases: impl IntoIterator<Item = &'n Expr>) -> TokenStream {
    let conditions = aliases.into_iter().map(|alias| match alias {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => quote_spanned!(site()=> name == #text),
        texts => quote_spanned!(site()=> #texts.contains(&name)),
    });
    quote_spanned!(site()=> #(#conditions)||*)
}
