//! One field of a model, and the keys of its attributes.

use crate::{
    attributes::{Key, Value, keys, split},
    diagnostics::{all, both, fill, mistake, refuse},
    spans::{at, ends, site},
};
use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::{
    Expr, ExprArray, ExprGroup, ExprLit, ExprParen, ExprReference, GenericArgument, Lit, LitStr,
    PathArguments, Result, Type, Visibility, ext::IdentExt,
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
const EXTRA: &str = "`extra` has all members without a meaning, and no keys";
const DELIVERY: &str =
    "`id` and `occurred_at` of an event are those of the delivery, and their one key is `new`";
const ENVELOPE: &str = "at the top of a body this is no member of the event: give the field another name, with this one as its `alias` below `data`";
const KEYS: &str = "the keys of a field are `alias`, `lenient`, `serde`, `new`, `flatten` and `inside`";

impl Field {
    pub(super) fn read(helper: &str, field: &syn::Field) -> Result<Self> {
        let name = field.ident.clone().ok_or_else(|| mistake(field, NAMED))?;
        let is_of_event = |names: &[&str]| helper == "event" && names.iter().any(|reserved| name == reserved);
        let named = both(
            snake_case(&name, &name.unraw().to_string()),
            refuse(
                is_of_event(&["data", "payload", "event", "timestamp", "received_at"]).then_some(&name),
                ENVELOPE,
            ),
        );
        let (mut aliases, mut reading, mut new, mut flatten, mut inside) =
            (Vec::new(), None, None, None, None);
        let found = keys(helper, "alias = \"ship_id\"", &field.attrs)?.into_iter().map(|key| {
            let at = key.name.clone();
            match at.to_string().as_str() {
                _ if name == "extra" => Err(mistake(&at, EXTRA)),
                other if other != "new" && is_of_event(&["id", "occurred_at"]) => Err(mistake(&at, DELIVERY)),
                "alias" => {
                    let alias = key.one(ALIAS).and_then(|alias| in_snake_case(&alias).map(|()| alias));
                    alias.map(|alias| aliases.push(alias))
                }
                "lenient" => fill(&mut reading, &at, key.alone().map(|()| "Lenient")),
                "serde" if matches!(reading, Some(Ok("Lenient"))) => Err(mistake(&at, ONE)),
                "serde" => fill(&mut reading, &at, key.alone().map(|()| "Serde")),
                "new" => fill(&mut new, &at, key.alone()),
                "flatten" => fill(&mut flatten, &at, Flatten::read(key)),
                "inside" => fill(&mut inside, &at, key.one(INSIDE)),
                other => Err(mistake(&at, &format!("{KEYS}, not `{other}`"))),
            }
        });
        let found = both(named, all(found));
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
                let members = members.map(|member| {
                    let name = member.name.clone();
                    let names: Expr = member.one(FLATTEN)?;
                    both(snake_case(&name, &name.unraw().to_string()), in_snake_case(&names))?;
                    Ok((name, names))
                });
                all(members).map(Self::Some)
            }
        }
    }
}

/// Refuses a name that is not as names are compared.
fn snake_case(place: &impl ToTokens, name: &str) -> Result<()> {
    let (mut snake, mut within) = (String::new(), false);
    for letter in name.chars() {
        if within && letter.is_ascii_uppercase() {
            snake.push('_');
        }
        within = letter.is_ascii_lowercase() || letter.is_ascii_digit();
        snake.push(letter.to_ascii_lowercase());
    }
    let rule = format!("names are compared in snake case, in which this is `{snake}`");
    refuse((snake != name).then_some(place), &rule)
}

/// The same for the texts that are written out in other names of a member.
fn in_snake_case(names: &Expr) -> Result<()> {
    match inner(names) {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => snake_case(text, &text.value()),
        Expr::Array(ExprArray { elems, .. }) => all(elems.iter().map(in_snake_case)).map(|_: Vec<()>| ()),
        _ => Ok(()),
    }
}

/// An expression without what surrounds it: parentheses, or the group that a `macro_rules!` puts its parameters in.
fn inner(names: &Expr) -> &Expr {
    match names {
        Expr::Group(ExprGroup { expr, .. })
        | Expr::Paren(ExprParen { expr, .. })
        | Expr::Reference(ExprReference { expr, .. }) => inner(expr),
        names => names,
    }
}

/// The condition that `name` is one of these: texts, or arrays of texts.
pub(super) fn is_named<'n>(aliases: impl IntoIterator<Item = &'n Expr>) -> TokenStream {
    let conditions = aliases.into_iter().map(|alias| match inner(alias) {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => quote_spanned!(site()=> name == #text),
        // Not a method: a text has one of this name, too, which looks for a part of it.
        texts => quote_spanned!(ends(texts).0=> <[&str]>::contains(&#texts, &name)),
    });
    quote_spanned!(site()=> #(#conditions)||*)
}
