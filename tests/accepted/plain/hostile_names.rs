//! Every name that the expansion could mean means something else here.

#![no_implicit_prelude]
#![allow(dead_code, non_camel_case_types, non_snake_case, non_upper_case_globals, unused_macros)]

mod hostile {
    pub mod core {}
    pub mod std {}
    pub mod alloc {}
    pub mod kiket {}
    pub mod inventory {}

    pub struct Result;
    pub struct Option;
    pub struct Registration;
    pub struct EventName;
    pub struct NAME;
    pub struct delivery;
    pub struct needs;
    pub struct handler;
    pub struct MIDDLEWARE;
    pub trait Middleware {}
    pub struct a0;
    pub const a1: u8 = 0;
    pub enum Box {}
    pub enum String {}
    pub trait Send {}
    pub trait Future {}
    pub trait Event {}
    pub trait FromDelivery {}
    pub trait IntoReply {}
    pub fn Ok() {}
    pub fn Err() {}
    pub fn Some() {}
    pub fn None() {}

    pub trait Iterator {}
    pub trait Extend {}
    pub trait Members {}
    pub struct A;
    pub struct D;
    pub struct S;
    pub struct Within;

    /// Every value has the methods that the expansion calls.
    pub trait Methods: ::core::marker::Sized {
        fn map(self) {}
        fn collect(self) {}
        fn extend(self) {}
        fn contains(self) {}
        fn insert(self) {}
        fn timeout(self) {}
        fn scopes(self) {}
        fn middleware(self) {}
        fn new() {}
        fn from_static() {}
        fn declare() {}
        fn from_delivery() {}
        fn into_reply(self) {}
    }

    impl<T> Methods for T {}
}

#[allow(unused_imports)]
use hostile::*;

macro_rules! submit {
    ($($tokens:tt)*) => {
        ::core::compile_error!("not this one");
    };
}
macro_rules! concat {
    ($($tokens:tt)*) => {
        ::core::compile_error!("not this one")
    };
}
macro_rules! stringify {
    ($($tokens:tt)*) => {
        ::core::compile_error!("not this one")
    };
}
macro_rules! module_path {
    ($($tokens:tt)*) => {
        ::core::compile_error!("not this one")
    };
}

#[::kiket::webhook("issue.created", version = "v1", timeout = "5s", scopes = ["issues:read"])]
async fn on_issue_created(
    payload: ::kiket::Payload,
    context: ::kiket::Context,
) -> ::kiket::Result<::kiket::Reply> {
    let _ = (payload, context);
    ::core::result::Result::Ok(::kiket::Reply::ok())
}

#[::kiket::webhook("issue.updated", version = "v1")]
async fn submit(::kiket::Payload(Registration { .. }): ::kiket::Payload<Registered>) {}

type Registered = Registration;

#[derive(
    ::core::fmt::Debug, ::core::clone::Clone, ::core::default::Default, ::core::cmp::PartialEq, ::kiket::Event,
)]
#[event(name = "ship.arrived", model)]
pub struct ShipArrived {
    #[event(new, inside = hull, alias = NAMES)]
    ports: ::std::vec::Vec<::std::string::String>,
    flags: ::serde_json::Map<::std::string::String, ::serde_json::Value>,
    hull: Hull,
    id: ::core::option::Option<::kiket::model::Id>,
    occurred_at: ::core::option::Option<::kiket::model::Timestamp>,
    extra: ::kiket::model::Extra,
}

const NAMES: &[&str] = &["port_names"];

#[derive(
    ::core::fmt::Debug, ::core::clone::Clone, ::core::default::Default, ::core::cmp::PartialEq, ::kiket::Model,
)]
pub struct Hull {
    extra: ::kiket::model::Extra,
}

impl<'de> ::serde::Deserialize<'de> for Registration {
    fn deserialize<D: ::serde::Deserializer<'de>>(_: D) -> ::core::result::Result<Self, D::Error> {
        ::core::result::Result::Ok(Self)
    }
}

async fn middleware(
    _: &::kiket::Delivery,
    next: ::kiket::middleware::Next<'_>,
) -> ::kiket::middleware::HandlerOutcome {
    next.run().await
}

#[::kiket::webhook("issue.deleted", version = "v1", middleware = [middleware])]
async fn __handler() {}

#[::kiket::webhook(::kiket::events::CaseCreated, version = "v1")]
async fn from_static() {}
