//! Snapshots of expansions and messages; `UPDATE_EXPECT=1 cargo test -p kiket-macros` rewrites them.

#![allow(clippy::needless_raw_string_hashes, clippy::too_many_lines)] // as snapshots are written, and as long

use super::{event, model};
use expect_test::{Expect, expect};
use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::quote;
use syn::{File, Item, LitStr};

#[track_caller]
fn check(derive: fn(TokenStream) -> TokenStream, item: &str, expected: &Expect) {
    let file: File = syn::parse2(derive(item.parse().unwrap())).unwrap();
    expected.assert_eq(&prettyplease::unparse(&file));
}

#[track_caller]
fn check_mistakes(derive: fn(TokenStream) -> TokenStream, item: &str, expected: &[&str]) {
    let file: File = syn::parse2(derive(item.parse().unwrap())).unwrap();
    let messages = file.items.iter().map(|item| match item {
        Item::Macro(error) => error.mac.parse_body::<LitStr>().unwrap().value(),
        _ => panic!("no mistake: {}", prettyplease::unparse(&file)),
    });
    assert_eq!(messages.collect::<Vec<_>>(), expected);
}

#[test]
fn an_event_is_its_name() {
    check(
        event,
        r#"#[event(name = "ship.arrived")] struct ShipArrived { ship: String }"#,
        &expect![[r##"
        #[automatically_derived]
        impl ::kiket::Event for ShipArrived {
            const NAME: ::kiket::__private::EventName = ::kiket::__private::EventName::from_static(
                "ship.arrived",
            );
        }
    "##]],
    );
    check(
        event,
        r#"#[event(name = "ship.arrived", crate = company::kiket)] enum Arrived<'a, T: Copy> where T: Send { Ship(&'a T) }"#,
        &expect![[r##"
            #[automatically_derived]
            impl<'a, T: Copy> company::kiket::Event for Arrived<'a, T>
            where
                T: Send,
            {
                const NAME: company::kiket::__private::EventName = company::kiket::__private::EventName::from_static(
                    "ship.arrived",
                );
            }
        "##]],
    );
}

#[test]
fn every_key_of_a_model() {
    check(
        model,
        r#"
            #[model(expecting = "a ship, as an object or its id", plain = Self::take_plain)]
            pub struct Ship {
                #[model(new, alias = "ship_id", alias = IDS)]
                pub id: Option<Id>,
                #[model(lenient, alias = ["state", "phase"])]
                r#type: Option<String>,
                pub ports: Vec<Port>,
                pub flags: Map<String, Value>,
                #[model(serde)]
                pub class: Option<Class>,
                #[model(new, flatten)]
                pub hull: Hull,
                #[model(inside = hull, flatten(from = FROM, id = "mast_id"))]
                pub mast: Mast,
                pub extra: Extra,
            }
        "#,
        &expect![[r##"
            #[automatically_derived]
            impl ::kiket::__private::model::Members for Ship {
                const EXPECTED: &'static str = "a ship, as an object or its id";
                fn take<'de, __A: ::kiket::__private::model::serde::de::MapAccess<'de>>(
                    &mut self,
                    name: &str,
                    map: &mut __A,
                ) -> ::core::result::Result<bool, __A::Error> {
                    if name == "id" || name == "ship_id" || <[&str]>::contains(&IDS, &name) {
                        return ::kiket::__private::model::read::<
                            ::kiket::__private::model::Typed,
                            Option<Id>,
                            _,
                        >(&mut self.id, map);
                    }
                    if name == "type" || <[&str]>::contains(&["state", "phase"], &name) {
                        return ::kiket::__private::model::read::<
                            ::kiket::__private::model::Lenient,
                            Option<String>,
                            _,
                        >(&mut self.r#type, map);
                    }
                    if name == "ports" {
                        return ::kiket::__private::model::read::<
                            ::kiket::__private::model::Typed,
                            Vec<Port>,
                            _,
                        >(&mut self.ports, map);
                    }
                    if name == "flags" {
                        return ::kiket::__private::model::read::<
                            ::kiket::__private::model::Typed,
                            Map<String, Value>,
                            _,
                        >(&mut self.flags, map);
                    }
                    if name == "class" {
                        return ::kiket::__private::model::read::<
                            ::kiket::__private::model::Serde,
                            Option<Class>,
                            _,
                        >(&mut self.class, map);
                    }
                    if name == "hull" {
                        return ::kiket::__private::model::read::<
                            ::kiket::__private::model::Typed,
                            _,
                            _,
                        >(
                            &mut ::kiket::__private::model::Within(
                                &mut self.hull,
                                |name| name == "mast",
                                &mut self.mast,
                                ::core::marker::PhantomData::<::kiket::__private::model::Typed>,
                            ),
                            map,
                        );
                    }
                    if name == "mast" {
                        return ::kiket::__private::model::read::<
                            ::kiket::__private::model::Typed,
                            Mast,
                            _,
                        >(&mut self.mast, map);
                    }
                    if <[&str]>::contains(&FROM, &name) {
                        return ::kiket::__private::model::Members::take(&mut self.mast, "from", map);
                    }
                    if name == "mast_id" {
                        return ::kiket::__private::model::Members::take(&mut self.mast, "id", map);
                    }
                    if ::kiket::__private::model::Members::take(&mut self.hull, name, map)? {
                        return ::core::result::Result::Ok(true);
                    }
                    ::core::result::Result::Ok(false)
                }
                fn take_plain(&mut self, plain: ::kiket::__private::model::Id) -> bool {
                    Self::take_plain(self, plain)
                }
                fn keep(
                    &mut self,
                    name: ::std::borrow::Cow<'_, str>,
                    json: ::kiket::__private::model::Json<'_>,
                ) {
                    ::kiket::__private::model::keep(&mut self.extra, name, json);
                }
            }
            #[automatically_derived]
            impl<'de> ::kiket::__private::model::serde::Deserialize<'de> for Ship {
                fn deserialize<__D: ::kiket::__private::model::serde::Deserializer<'de>>(
                    deserializer: __D,
                ) -> ::core::result::Result<Self, __D::Error> {
                    ::kiket::__private::model::whole(deserializer)
                }
            }
            #[automatically_derived]
            impl ::kiket::__private::model::serde::Serialize for Ship {
                fn serialize<__S: ::kiket::__private::model::serde::Serializer>(
                    &self,
                    serializer: __S,
                ) -> ::core::result::Result<__S::Ok, __S::Error> {
                    let mut map = ::kiket::__private::model::serde::Serializer::serialize_map(
                        serializer,
                        ::core::option::Option::None,
                    )?;
                    ::kiket::__private::model::write(&mut map, "id", &self.id)?;
                    ::kiket::__private::model::write(&mut map, "type", &self.r#type)?;
                    ::kiket::__private::model::write(&mut map, "ports", &self.ports)?;
                    ::kiket::__private::model::write(&mut map, "flags", &self.flags)?;
                    ::kiket::__private::model::write(&mut map, "class", &self.class)?;
                    ::kiket::__private::model::write(&mut map, "hull", &self.hull)?;
                    ::kiket::__private::model::write(&mut map, "mast", &self.mast)?;
                    ::kiket::__private::model::finish(
                        map,
                        &self.extra,
                        |__name| match __name {
                            "id" => ::kiket::__private::model::is_written(&self.id),
                            "type" => ::kiket::__private::model::is_written(&self.r#type),
                            "ports" => ::kiket::__private::model::is_written(&self.ports),
                            "flags" => ::kiket::__private::model::is_written(&self.flags),
                            "class" => ::kiket::__private::model::is_written(&self.class),
                            "hull" => ::kiket::__private::model::is_written(&self.hull),
                            "mast" => ::kiket::__private::model::is_written(&self.mast),
                            _ => false,
                        },
                    )
                }
            }
            #[automatically_derived]
            impl Ship {
                /// Creates a value whose other fields are empty; set them with the methods of their names.
                #[must_use]
                pub fn new(
                    id: impl ::core::convert::Into<Id>,
                    hull: impl ::core::convert::Into<Hull>,
                ) -> Self {
                    Self {
                        id: ::core::option::Option::Some(::core::convert::Into::into(id)),
                        hull: ::core::convert::Into::into(hull),
                        ..::core::default::Default::default()
                    }
                }
                ///Sets `id`.
                #[must_use]
                pub fn id<__Given>(
                    mut self,
                    id: impl ::kiket::__private::model::IntoOption<Id, __Given>,
                ) -> Self {
                    self.id = ::kiket::__private::model::IntoOption::into_option(id);
                    self
                }
                ///Sets `type`.
                #[must_use]
                fn r#type<__Given>(
                    mut self,
                    r#type: impl ::kiket::__private::model::IntoOption<String, __Given>,
                ) -> Self {
                    self.r#type = ::kiket::__private::model::IntoOption::into_option(r#type);
                    self
                }
                ///Sets `ports`.
                #[must_use]
                pub fn ports(
                    mut self,
                    ports: impl ::core::iter::IntoIterator<Item = impl ::core::convert::Into<Port>>,
                ) -> Self {
                    self.ports = ::core::iter::Iterator::collect(
                        ::core::iter::Iterator::map(
                            ::core::iter::IntoIterator::into_iter(ports),
                            ::core::convert::Into::into,
                        ),
                    );
                    self
                }
                ///Sets `flags`.
                #[must_use]
                pub fn flags(
                    mut self,
                    flags: impl ::core::iter::IntoIterator<
                        Item = (
                            impl ::core::convert::Into<String>,
                            impl ::core::convert::Into<Value>,
                        ),
                    >,
                ) -> Self {
                    ::core::iter::Extend::extend(
                        &mut self.flags,
                        ::core::iter::Iterator::map(
                            ::core::iter::IntoIterator::into_iter(flags),
                            |(name, value)| (
                                ::core::convert::Into::into(name),
                                ::core::convert::Into::into(value),
                            ),
                        ),
                    );
                    self
                }
                ///Sets `class`.
                #[must_use]
                pub fn class<__Given>(
                    mut self,
                    class: impl ::kiket::__private::model::IntoOption<Class, __Given>,
                ) -> Self {
                    self.class = ::kiket::__private::model::IntoOption::into_option(class);
                    self
                }
                ///Sets `hull`.
                #[must_use]
                pub fn hull(mut self, hull: impl ::core::convert::Into<Hull>) -> Self {
                    self.hull = ::core::convert::Into::into(hull);
                    self
                }
                ///Sets `mast`.
                #[must_use]
                pub fn mast(mut self, mast: impl ::core::convert::Into<Mast>) -> Self {
                    self.mast = ::core::convert::Into::into(mast);
                    self
                }
                /// Adds a member to `extra`. Where a field of that name is set, the field is written.
                #[must_use]
                pub fn extra(
                    mut self,
                    name: impl ::core::convert::Into<::std::string::String>,
                    value: impl ::core::convert::Into<::kiket::__private::model::Value>,
                ) -> Self {
                    ::kiket::__private::model::Extra::insert(&mut self.extra, name, value);
                    self
                }
            }
        "##]],
    );
}

#[test]
fn an_event_that_is_a_model() {
    check(
        event,
        r#"
            #[event(name = "ship.arrived", model, crate = company::kiket)]
            struct ShipArrived {
                id: Option<Id>,
                occurred_at: Option<Timestamp>,
                ship: Option<Ship>,
                extra: Extra,
            }
        "#,
        &expect![[r##"
            #[automatically_derived]
            impl company::kiket::Event for ShipArrived {
                const NAME: company::kiket::__private::EventName = company::kiket::__private::EventName::from_static(
                    "ship.arrived",
                );
            }
            #[automatically_derived]
            impl company::kiket::__private::model::Members for ShipArrived {
                const EXPECTED: &'static str = "the payload of an event, an object";
                fn take<'de, __A: company::kiket::__private::model::serde::de::MapAccess<'de>>(
                    &mut self,
                    name: &str,
                    map: &mut __A,
                ) -> ::core::result::Result<bool, __A::Error> {
                    if name == "ship" {
                        return company::kiket::__private::model::read::<
                            company::kiket::__private::model::Typed,
                            Option<Ship>,
                            _,
                        >(&mut self.ship, map);
                    }
                    if <[&str]>::contains(&company::kiket::__private::model::ENVELOPE, &name) {
                        return company::kiket::__private::model::skip(map);
                    }
                    ::core::result::Result::Ok(false)
                }
                fn keep(
                    &mut self,
                    name: ::std::borrow::Cow<'_, str>,
                    json: company::kiket::__private::model::Json<'_>,
                ) {
                    company::kiket::__private::model::keep(&mut self.extra, name, json);
                }
            }
            #[automatically_derived]
            impl company::kiket::__private::model::EventPayload for ShipArrived {
                const NAME: ::core::option::Option<&'static str> = ::core::option::Option::Some(
                    "ship.arrived",
                );
                fn id(
                    &mut self,
                ) -> &mut ::core::option::Option<company::kiket::__private::model::Id> {
                    &mut self.id
                }
                fn occurred_at(
                    &mut self,
                ) -> &mut ::core::option::Option<company::kiket::__private::model::Timestamp> {
                    &mut self.occurred_at
                }
            }
            #[automatically_derived]
            impl<'de> company::kiket::__private::model::serde::Deserialize<'de> for ShipArrived {
                fn deserialize<__D: company::kiket::__private::model::serde::Deserializer<'de>>(
                    deserializer: __D,
                ) -> ::core::result::Result<Self, __D::Error> {
                    company::kiket::__private::model::payload(deserializer)
                }
            }
            #[automatically_derived]
            impl company::kiket::__private::model::serde::Serialize for ShipArrived {
                fn serialize<__S: company::kiket::__private::model::serde::Serializer>(
                    &self,
                    serializer: __S,
                ) -> ::core::result::Result<__S::Ok, __S::Error> {
                    let mut map = company::kiket::__private::model::serde::Serializer::serialize_map(
                        serializer,
                        ::core::option::Option::None,
                    )?;
                    company::kiket::__private::model::write_name::<Self, _>(&mut map, &self.extra)?;
                    company::kiket::__private::model::write(&mut map, "id", &self.id)?;
                    company::kiket::__private::model::write(
                        &mut map,
                        "timestamp",
                        &self.occurred_at,
                    )?;
                    company::kiket::__private::model::write(&mut map, "ship", &self.ship)?;
                    company::kiket::__private::model::finish(
                        map,
                        &self.extra,
                        |__name| match __name {
                            "id" => company::kiket::__private::model::is_written(&self.id),
                            "timestamp" => {
                                company::kiket::__private::model::is_written(&self.occurred_at)
                            }
                            "ship" => company::kiket::__private::model::is_written(&self.ship),
                            _ => false,
                        },
                    )
                }
            }
            #[automatically_derived]
            impl ShipArrived {
                ///Sets `id`.
                #[must_use]
                fn id<__Given>(
                    mut self,
                    id: impl company::kiket::__private::model::IntoOption<Id, __Given>,
                ) -> Self {
                    self.id = company::kiket::__private::model::IntoOption::into_option(id);
                    self
                }
                ///Sets `occurred_at`.
                #[must_use]
                fn occurred_at<__Given>(
                    mut self,
                    occurred_at: impl company::kiket::__private::model::IntoOption<
                        Timestamp,
                        __Given,
                    >,
                ) -> Self {
                    self.occurred_at = company::kiket::__private::model::IntoOption::into_option(
                        occurred_at,
                    );
                    self
                }
                ///Sets `ship`.
                #[must_use]
                fn ship<__Given>(
                    mut self,
                    ship: impl company::kiket::__private::model::IntoOption<Ship, __Given>,
                ) -> Self {
                    self.ship = company::kiket::__private::model::IntoOption::into_option(ship);
                    self
                }
                /// Adds a member to `extra`. Where a field of that name is set, the field is written.
                #[must_use]
                pub fn extra(
                    mut self,
                    name: impl ::core::convert::Into<::std::string::String>,
                    value: impl ::core::convert::Into<company::kiket::__private::model::Value>,
                ) -> Self {
                    company::kiket::__private::model::Extra::insert(&mut self.extra, name, value);
                    self
                }
            }
        "##]],
    );
}

#[test]
fn mistakes_of_structs_are_reported_together() {
    check_mistakes(
        model,
        r#"
            #[model(expecting = 7, name = "a", plain)]
            #[model(crate = "kiket", crate = kiket)]
            struct Ship { extra: Extra }
        "#,
        &[
            "the keys of a model are `expecting`, `plain` and `crate`, not `name`",
            "a key is given once, and this is `crate` again",
            "what is expected is a string literal, like `expecting = \"an issue, as an object or its id\"`",
            "what stands for the whole is taken by a function, like `plain = Self::take_plain`",
            "the path to `kiket` is written without quotes, like `crate = company::kiket`",
        ],
    );
    check_mistakes(
        model,
        "#[model = 7] struct Ship { extra: Extra }",
        &["keys stand in parentheses, like `#[model(expecting = \"a ship\")]`"],
    );
    check_mistakes(model, "struct Ship<T> { ship: T }", &["a model has no type or lifetime parameters"]);
    check_mistakes(model, "enum Ship { Beagle }", &["a model is a struct with named fields"]);
    check_mistakes(model, "struct Ship(u8);", &["a model is a struct with named fields"]);
    check_mistakes(
        model,
        "struct Ship { id: u8 }",
        &["a model keeps members without a meaning in a field `extra: kiket::model::Extra`"],
    );
}

#[test]
fn mistakes_of_fields_are_reported_together() {
    check_mistakes(
        model,
        r#"
            struct Ship {
                #[model(alias, lenient, serde, rename = "b")]
                id: Option<Id>,
                #[model(new = true, flatten = "a", inside(ship), inside = 7)]
                ports: Vec<Port>,
                #[model(flatten(key))]
                hull: Hull,
                extra: Extra,
            }
        "#,
        &[
            "an alias is a text or an array of texts, like `alias = \"issue_id\"`",
            "a field is `lenient` or read by `serde`, not both",
            "the keys of a field are `alias`, `lenient`, `serde`, `new`, `flatten` and `inside`, not `rename`",
            "a key is given once, and this is `inside` again",
            "`flatten` stands alone or lists members and their names, like `flatten(key = \"project_key\")`",
            "a field stands inside of another one, like `inside = issue`",
            "`new` stands alone, without a value",
            "`flatten` stands alone or lists members and their names, like `flatten(key = \"project_key\")`",
        ],
    );
    check_mistakes(
        model,
        "struct Ship { #[model(inside = hull)] mast: Mast, extra: Extra }",
        &["a field stands inside of another field of the same struct"],
    );
    check_mistakes(
        model,
        r#"struct Ship {
            #[model(inside = hull)] mast: Mast,
            #[model(inside = hull)] keel: Keel,
            hull: Hull,
            #[model(alias = "shipId", alias = ("ship_id"), alias = ["ok", "projectID"])] shipId: Id,
            #[model(flatten(portKey = "port_key", key = "portKey"))] port: Port,
            #[model(lenient, new)] extra: Extra,
        }"#,
        &[
            "names are compared in snake case, in which this is `ship_id`",
            "names are compared in snake case, in which this is `ship_id`",
            "names are compared in snake case, in which this is `project_id`",
            "names are compared in snake case, in which this is `port_key`",
            "names are compared in snake case, in which this is `port_key`",
            "`extra` has all members without a meaning, and no keys",
            "`extra` has all members without a meaning, and no keys",
        ],
    );
    check_mistakes(
        model,
        "struct Ship {
            #[model(inside = hull)] mast: Mast, #[model(inside = hull)] keel: Keel, hull: Hull, extra: Extra
        }",
        &["one field stands inside of another, and there is one inside of this already"],
    );
    check_mistakes(
        model,
        "struct Ship { #[model(7, new 8, alias =, flatten[key])] extra: Extra }",
        &["a key stands alone or has a value, like `name = \"issue.created\"`"; 4],
    );
}

#[test]
fn mistakes_of_events_are_reported() {
    check_mistakes(
        event,
        "struct ShipArrived { ship: String }",
        &["an event has a name, like `#[event(name = \"ship.arrived\")]`"],
    );
    check_mistakes(
        event,
        "#[event(name = ship, tolerant)] struct ShipArrived;",
        &[
            "the keys of an event are `name`, `model`, `complete` and `crate`, not `tolerant`",
            "an event has a name, like `#[event(name = \"ship.arrived\")]`",
        ],
    );
    check_mistakes(
        event,
        r#"#[event(name = "ship.arrived")] struct ShipArrived { #[event(new)] ship: String }"#,
        &[
            "keys of fields are read in a model, so write `#[event(name = \"ship.arrived\", model)]` above the struct, or leave them out",
        ],
    );
    let one = "an event has one name, which stands above the type, like `#[event(name = \"ship.arrived\")]`";
    for enumerated in [
        r#"#[event(name = "ship.arrived")] enum Ship { #[event(name = "ship.left")] Left }"#,
        r#"#[event(name = "ship.arrived")] enum Ship { Left(#[event(alias = "port")] Port) }"#,
    ] {
        check_mistakes(event, enumerated, &[one]);
    }
    check_mistakes(
        event,
        r#"#[event(name = "ship.arrived", model)] struct ShipArrived {
            #[event(new, alias = "ship_id")] id: Option<Id>,
            #[event(lenient)] occurred_at: Option<Timestamp>,
            payload: Option<String>,
            r#type: Option<String>,
            extra: Extra,
        }"#,
        &[
            "`id` and `occurred_at` of an event are those of the delivery, and their one key is `new`",
            "`id` and `occurred_at` of an event are those of the delivery, and their one key is `new`",
            "at the top of a body this is no member of the event: give the field another name, with this one as its `alias` below `data`",
        ],
    );
    check_mistakes(
        event,
        "#[event] struct ShipArrived;",
        &["keys stand in parentheses, like `#[event(name = \"ship.arrived\")]`"],
    );
    check_mistakes(
        event,
        "#[event(model)] struct ShipArrived { extra: Extra }",
        &[
            "the payload of an event has the fields `id: Option<kiket::model::Id>` and `occurred_at: Option<kiket::model::Timestamp>`",
        ],
    );
}

#[test]
fn a_raw_name_beside_its_field_is_read_as_its_word() {
    let item = r##"struct Ship { #[model(flatten(r#type = "hull_type"))] hull: Hull, extra: Extra }"##;
    let expansion = model(item.parse().unwrap()).to_string();
    assert!(expansion.contains("\"type\"") && !expansion.contains("r#type"), "{expansion}");
}

/// A parameter of a `macro_rules!` arrives in a group that is not seen.
#[test]
fn texts_are_compared_whole_however_they_are_written() {
    let group = |tokens: TokenStream| TokenTree::Group(Group::new(Delimiter::None, tokens));
    let text = group(quote!("ship_id"));
    for alias in [quote!("ship_id"), quote!(("ship_id")), quote!(#text), quote!(&"ship_id")] {
        let item = quote!(
            struct Ship {
                #[model(alias = #alias, flatten(key = #alias))]
                ship: Hull,
                extra: Extra,
            }
        );
        let expansion = model(item).to_string();
        assert_eq!(expansion.matches("name == \"ship_id\"").count(), 2, "{expansion}");
        assert!(!expansion.contains("contains"), "{expansion}");
    }
    for alias in [quote!(SHIP), quote!(["ship_id"]), quote!(concat!("ship", "_id"))] {
        let item = quote!(
            struct Ship {
                #[model(alias = #alias)]
                ship: Hull,
                extra: Extra,
            }
        );
        let expansion = model(item).to_string();
        assert!(expansion.contains("< [& str] > :: contains"), "{expansion}");
    }
}

#[test]
fn expansions_allow_what_their_item_allows() {
    let item = r#"
        #[expect(deprecated)]
        struct Ship { #[deprecated] old: Old, #[allow(clippy::mast)] mast: Mast, extra: Extra }
    "#;
    let expansion = model(item.parse().unwrap()).to_string();
    let allowed = "# [automatically_derived] # [allow (deprecated)] # [allow (deprecated)] # [allow (clippy :: mast)] impl";
    assert_eq!(expansion.matches(allowed).count(), 4, "{expansion}");
}
