//! The signature of the annotated function, checked; its body is not parsed.

use crate::diagnostics::{all, both, mistake, refuse};
use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{
    Attribute, FnArg, LitStr, Result, ReturnType, Safety, Signature, Token, Type, Visibility,
    parse::{Parse, ParseStream},
};

/// The parts of the function that the registration needs.
pub(crate) struct Handler {
    /// The `#[cfg(..)]` attributes, which the registration repeats.
    pub(crate) conditions: Vec<Attribute>,
    /// Whether it is deprecated, so that the registration allows that.
    pub(crate) deprecated: bool,
    pub(crate) name: Ident,
    pub(crate) arguments: Vec<Type>,
    pub(crate) output: ReturnType,
}

/// The maximum number of arguments of a handler.
const ARGUMENTS: usize = 8;

const FUNCTION: &str = "a webhook handler is a function, like `async fn on_issue_created(payload: Payload)`";
const BODY: &str = "a webhook handler has a body, like `async fn on_issue_created(payload: Payload) { .. }`";
const ASYNC: &str = "a webhook handler is an `async fn`, like `async fn on_issue_created(payload: Payload)`";
const CONST: &str = "a webhook handler runs when a delivery arrives, it is an `async fn` without `const`";
const SAFE: &str = "a webhook handler is safe to call, it is an `async fn` without `unsafe`";
const ABI: &str = "a webhook handler is called from Rust, it is an `async fn` without `extern`";
const GENERICS: &str = "a webhook handler is not generic, its arguments name types like `Payload<Issue>` and lifetimes like `'_`";
const WHERE: &str = "a webhook handler is not generic, it is an `async fn` without `where`";
const VARIADIC: &str = "a webhook handler names all its arguments, like `payload: Payload`";
const EIGHT: &str =
    "a webhook handler has at most eight arguments; combine some in a type that implements `FromDelivery`";
const SELF: &str =
    "a webhook handler is a free function, it has arguments like `state: State<Database>` instead of `self`";
const SELF_TYPE: &str = "a webhook handler is a free function, it names a type instead of `Self`";
const NAMED: &str = "an argument of a webhook handler names its type, like `payload: Payload<Issue>`";
const CONDITION: &str =
    "an argument of a webhook handler is always there, a `#[cfg(..)]` stands above the function";

impl Parse for Handler {
    fn parse(input: ParseStream) -> Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        input.parse::<Visibility>()?;
        if !is_function(input) {
            return Err(input.error(FUNCTION));
        }
        let signature: Signature = input.parse()?;
        let body = refuse(input.parse::<Option<Token![;]>>()?, BODY);
        input.parse::<TokenStream>()?;

        let of_a_type = find(&signature.to_token_stream(), "Self");
        let qualities = both(all(qualities(&signature)), refuse(of_a_type, SELF_TYPE));
        let arguments = all(signature.inputs.into_iter().map(argument));
        let ((_, arguments), ()) = both(both(qualities, arguments), body)?;
        let deprecated = attributes.iter().any(|attribute| attribute.path().is_ident("deprecated"));
        let conditions = attributes.into_iter().filter(is_condition).collect();
        Ok(Self { conditions, deprecated, name: signature.ident, arguments, output: signature.output })
    }
}

/// Whether a function begins here, valid or not.
fn is_function(input: ParseStream) -> bool {
    let ahead = input.fork();
    let is_qualifier = |ahead: ParseStream| {
        ahead.peek(Token![const])
            || ahead.peek(Token![async])
            || ahead.peek(Token![unsafe])
            || ahead.peek(Token![extern])
            || ahead.peek(LitStr)
    };
    while is_qualifier(&ahead) && ahead.parse::<TokenTree>().is_ok() {}
    ahead.peek(Token![fn])
}

/// The rules for the function as a whole.
fn qualities(signature: &Signature) -> [Result<()>; 8] {
    let Signature { constness, asyncness, safety, abi, fn_token, generics, inputs, variadic, .. } = signature;
    let sync = asyncness.is_none().then_some(fn_token);
    let unsafety = if let Safety::Unsafe(token) = safety { Some(token) } else { None };
    let parameters = (!generics.params.is_empty()).then_some(generics);
    [
        refuse(constness.as_ref(), CONST),
        refuse(sync, ASYNC),
        refuse(unsafety, SAFE),
        refuse(abi.as_ref(), ABI),
        refuse(parameters, GENERICS),
        refuse(inputs.iter().nth(ARGUMENTS), EIGHT),
        refuse(variadic.as_ref().map(|variadic| &variadic.dots), VARIADIC),
        refuse(generics.where_clause.as_ref(), WHERE),
    ]
}

/// The type of one argument.
fn argument(argument: FnArg) -> Result<Type> {
    let argument = match argument {
        FnArg::Receiver(receiver) => return Err(mistake(receiver.self_token, SELF)),
        FnArg::Typed(argument) => argument,
    };
    let condition = refuse(argument.attrs.iter().find(|attribute| is_condition(attribute)), CONDITION);
    // The registration must name the type.
    let hidden = refuse(find(&argument.ty.to_token_stream(), "impl"), NAMED);
    both(condition, hidden).map(|_| *argument.ty)
}

fn is_condition(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg")
}

/// Finds an identifier at any depth.
fn find(tokens: &TokenStream, word: &str) -> Option<Ident> {
    tokens.clone().into_iter().find_map(|token| match token {
        TokenTree::Ident(found) => (found == word).then_some(found),
        TokenTree::Group(group) => find(&group.stream(), word),
        TokenTree::Punct(_) | TokenTree::Literal(_) => None,
    })
}
