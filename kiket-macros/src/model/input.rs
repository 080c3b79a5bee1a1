//! The struct that derives `Model` or `Event`, with its attributes, checked.

use super::field::Field;
use crate::{
    attributes::{Key, allowed_in, fields, keys},
    diagnostics::{all, both, fill, mistake, refuse},
    krate,
};
use proc_macro2::{Ident, TokenStream};
use syn::{Data, DeriveInput, Expr, Generics, LitStr, Path, Result, parse2};

/// The type, and the keys of the attributes above it.
pub(super) struct Container {
    /// `model` or `event`.
    helper: &'static str,
    pub(super) r#type: Ident,
    pub(super) generics: Generics,
    pub(super) krate: Path,
    /// The name of the event.
    pub(super) name: Option<LitStr>,
    /// Whether deserialization, serialization and setters are derived too.
    pub(super) model: bool,
    /// The expected value, for error messages.
    pub(super) expecting: Option<LitStr>,
    /// The function that takes a number or a text in place of an object.
    pub(super) plain: Option<Expr>,
    /// The function that completes an event once it is read.
    pub(super) complete: Option<Expr>,
    /// The lints that expansions allow.
    pub(super) allowed: TokenStream,
    data: Data,
}

/// A model, with its fields except `extra`.
pub(super) struct Input {
    pub(super) container: Container,
    /// Whether it is the payload of an event.
    pub(super) event: bool,
    pub(super) fields: Vec<Field>,
}

const NAME: &str = "an event has a name, like `#[event(name = \"ship.arrived\")]`";
const EVENT_KEYS: &str = "the keys of an event are `name`, `model`, `complete` and `crate`";
const MODEL_KEYS: &str = "the keys of a model are `expecting`, `plain` and `crate`";
const EXPECTING: &str =
    "what is expected is a string literal, like `expecting = \"an issue, as an object or its id\"`";
const PLAIN: &str = "what stands for the whole is taken by a function, like `plain = Self::take_plain`";
const COMPLETE: &str = "an event is completed by a function, like `complete = Self::complete`";
const STRUCT: &str = "a model is a struct with named fields";
const GENERICS: &str = "a model has no type or lifetime parameters";
const EXTRA: &str = "a model keeps members without a meaning in a field `extra: kiket::model::Extra`";
const INSIDE: &str = "a field stands inside of another field of the same struct";
const ONE_INSIDE: &str = "one field stands inside of another, and there is one inside of this already";
const EVENT: &str = "the payload of an event has the fields `id: Option<kiket::model::Id>` and `occurred_at: Option<kiket::model::Timestamp>`";
const FIELDS: &str = "keys of fields are read in a model, so write `#[event(name = \"ship.arrived\", model)]` above the struct, or leave them out";
const VARIANTS: &str =
    "an event has one name, which stands above the type, like `#[event(name = \"ship.arrived\")]`";

impl Container {
    pub(super) fn read(helper: &'static str, input: TokenStream) -> Result<Self> {
        let DeriveInput { attrs, ident, generics, data, .. } = parse2(input)?;
        let (mut krate, mut name, mut model, mut expecting, mut plain, mut complete) =
            (None, None, None, None, None, None);
        let example = if helper == "event" { "name = \"ship.arrived\"" } else { "expecting = \"a ship\"" };
        let found = keys(helper, example, &attrs)?.into_iter().map(|key| {
            let at = key.name.clone();
            match (helper, at.to_string().as_str()) {
                (_, "crate") => fill(&mut krate, &at, key.krate()),
                ("event", "name") => fill(&mut name, &at, key.one(NAME)),
                ("event", "model") => fill(&mut model, &at, key.alone()),
                ("event", "complete") => fill(&mut complete, &at, key.one(COMPLETE)),
                ("model", "expecting") => fill(&mut expecting, &at, key.one(EXPECTING)),
                ("model", "plain") => fill(&mut plain, &at, key.one(PLAIN)),
                ("event", other) => Err(mistake(&at, &format!("{EVENT_KEYS}, not `{other}`"))),
                (_, other) => Err(mistake(&at, &format!("{MODEL_KEYS}, not `{other}`"))),
            }
        });
        let found = all(found);
        let texts = both(name.transpose(), expecting.transpose());
        let functions = both(plain.transpose(), complete.transpose());
        let others = both(both(functions, model.transpose()), krate.unwrap_or_else(|| Ok(krate::default())));
        let (_, ((name, expecting), (((plain, complete), model), krate))) = both(found, both(texts, others))?;
        let model = helper == "model" || model.is_some();
        refuse((name.is_none() && !model).then_some(&ident), NAME)?;
        let allowed = allowed_in(&attrs, &data);
        Ok(Self {
            helper,
            r#type: ident,
            generics,
            krate,
            name,
            model,
            expecting,
            plain,
            complete,
            allowed,
            data,
        })
    }

    /// Refuses keys at fields and variants, which nothing would read.
    pub(super) fn refuse_keys_of_fields(&self) -> Result<()> {
        let (variants, rule) = match &self.data {
            Data::Enum(data) => (data.variants.iter().map(|variant| &variant.attrs).collect(), VARIANTS),
            _ => (Vec::new(), FIELDS),
        };
        let places = variants.into_iter().chain(fields(&self.data).into_iter().map(|field| &field.attrs));
        let keys = all(places.map(|attributes| keys(self.helper, "name = \"ship.arrived\"", attributes)))?;
        refuse(keys.into_iter().flatten().next().map(|key: Key| key.name), rule)
    }
}

impl Input {
    pub(super) fn read(container: Container) -> Result<Self> {
        let generics = (!container.generics.params.is_empty()).then_some(&container.generics.params);
        let generics = refuse(generics, GENERICS);
        let fields = match &container.data {
            Data::Struct(data) if data.fields.iter().any(|field| field.ident.is_some()) => {
                all(data.fields.iter().map(|field| Field::read(container.helper, field)))
            }
            _ => Err(mistake(&container.r#type, STRUCT)),
        };
        let (mut fields, ()) = both(fields, generics)?;
        let event = container.helper == "event";
        let has = |name| has_field(&fields, &name);
        let extra = refuse((!has("extra")).then_some(&container.r#type), EXTRA);
        let delivery =
            refuse((event && !(has("id") && has("occurred_at"))).then_some(&container.r#type), EVENT);
        let inside: Vec<_> = fields.iter().filter_map(|field| field.inside.as_ref()).collect();
        let inside = all(inside.iter().enumerate().map(|(position, outer)| {
            refuse((!has_field(&fields, *outer)).then_some(outer), INSIDE)?;
            refuse(inside.iter().take(position).any(|earlier| earlier == outer).then_some(outer), ONE_INSIDE)
        }));
        both(both(extra, delivery), inside)?;
        fields.retain(|field| field.name != "extra");
        Ok(Self { container, event, fields })
    }
}

fn has_field<N: ?Sized>(fields: &[Field], name: &N) -> bool
where
    Ident: PartialEq<N>,
{
    fields.iter().any(|field| field.name == *name)
}
