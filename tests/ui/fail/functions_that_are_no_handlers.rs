#![allow(async_fn_in_trait)]

use kiket::prelude::*;
use serde::Deserialize;
use serde::de::DeserializeOwned;

#[kiket::webhook("issue.created", version = "v1")]
async fn function_has_a_where_clause()
where
    String: Clone,
{
}

#[kiket::webhook("issue.created", version = "v1")]
async extern "C" fn function_has_an_abi() {}

#[kiket::webhook("issue.created", version = "v1")]
async fn function_has_const_parameters<const N: usize>(_numbers: Payload<[u8; N]>) {}

#[derive(Deserialize)]
struct Issue<'a> {
    #[allow(dead_code)]
    title: &'a str,
}

#[kiket::webhook("issue.created", version = "v1")]
async fn function_has_lifetime_parameters<'a>(_issue: Payload<Issue<'a>>) {}

#[kiket::webhook("issue.created", version = "v1")]
async fn function_has_type_parameters<T: DeserializeOwned>(_payload: Payload<T>) {}

#[kiket::webhook("issue.created", version = "v1")]
const fn function_is_const() {}

#[kiket::webhook("issue.created", version = "v1")]
async unsafe fn function_is_unsafe() {}

#[kiket::webhook("issue.created", version = "v1")]
fn function_not_async() {}

trait FunctionWithoutBody {
    #[kiket::webhook("issue.created", version = "v1")]
    async fn function_without_body();
}

struct MethodWithSelf;

impl MethodWithSelf {
    #[kiket::webhook("issue.created", version = "v1")]
    async fn method_with_self(&self, _context: Context) {}
}

struct AssociatedFunctionNamesSelf;

impl AssociatedFunctionNamesSelf {
    #[kiket::webhook("issue.created", version = "v1")]
    async fn associated_function_names_self(_hooks: State<Self>) {}
}

#[kiket::webhook("issue.created", version = "v1")]
async fn argument_has_no_name_for_its_type(_payload: Payload<impl DeserializeOwned>) {}

#[kiket::webhook("issue.created", version = "v1")]
async fn argument_of_any_extractor(_argument: impl FromDelivery<'static>) {}

#[kiket::webhook("issue.created", version = "v1")]
async fn argument_under_a_condition(#[cfg(unix)] _context: Context) {}

#[kiket::webhook("issue.created", version = "v1")]
async fn nine_arguments(
    _a: Context,
    _b: Context,
    _c: Context,
    _d: Context,
    _e: Context,
    _f: Context,
    _g: Context,
    _h: Context,
    _i: Context,
) {
}

fn main() {}
