//! The signature of the annotated function, checked; its body is not parsed.

use crate::{
    attributes::allowed,
    diagnostics::{all, both, mistake, refuse},
    spans::site,
};
use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::{
    Attribute, FnArg, LitStr, Result, ReturnType, Safety, Signature, Token, Type, Visibility,
    parse::{ParseStream, Parser},
};

/// The parts of the function that the registration needs.
pub(crate) struct Handler {
    /// The `#[cfg(..)]` attributes, which the registration repeats.
    pub(crate) conditions: Vec<Attribute>,
    /// The lints that the registration allows, in brackets, if there are any.
    pub(crate) allowed: Option<TokenStream>,
    pub(crate) name: Ident,
    pub(crate) arguments: Vec<Type>,
    pub(crate) output: ReturnType,
}

/// What the function is, for messages.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Webhook,
    Schedule,
}

impl Kind {
    /// One of the rules below, as it is said of this kind.
    fn rule(self, rule: &str) -> String {
        let Self::Schedule = self else { return rule.to_owned() };
        let words = [
            ("webhook handler", "schedule"),
            ("when a delivery arrives", "at its times"),
            ("on_issue_created(payload: Payload)", "remind(context: Context)"),
            ("payload: Payload<Issue>", "context: Context"),
            ("payload: Payload", "context: Context"),
            ("Payload<Issue>", "State<Database>"),
        ];
        words.into_iter().fold(rule.to_owned(), |rule, (of_webhook, own)| rule.replace(of_webhook, own))
    }
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

impl Handler {
    pub(crate) fn read(item: TokenStream, kind: Kind) -> Result<Self> {
        (|input: ParseStream| Self::parse(input, kind)).parse2(item)
    }

    fn parse(input: ParseStream, kind: Kind) -> Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        input.parse::<Visibility>()?;
        if !is_function(input) {
            return Err(input.error(kind.rule(FUNCTION)));
        }
        let signature: Signature = input.parse()?;
        let body = refuse(input.parse::<Option<Token![;]>>()?, &kind.rule(BODY));
        input.parse::<TokenStream>()?;

        let of_a_type = find(&signature.to_token_stream(), "Self");
        let qualities = both(all(qualities(&signature, kind)), refuse(of_a_type, &kind.rule(SELF_TYPE)));
        let arguments = all(signature.inputs.into_iter().map(|input| argument(input, kind)));
        let ((_, arguments), ()) = both(both(qualities, arguments), body)?;
        let allowed = Some(allowed(&attributes)).filter(|allowed| !allowed.is_empty());
        let allowed = allowed.map(|allowed| quote_spanned!(site()=> [#allowed]));
        let conditions = attributes.into_iter().filter(is_condition).collect();
        Ok(Self { conditions, allowed, name: signature.ident, arguments, output: signature.output })
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
fn qualities(signature: &Signature, kind: Kind) -> [Result<()>; 8] {
    let Signature { constness, asyncness, safety, abi, fn_token, generics, inputs, variadic, .. } = signature;
    let sync = asyncness.is_none().then_some(fn_token);
    let unsafety = if let Safety::Unsafe(token) = safety { Some(token) } else { None };
    let parameters = (!generics.params.is_empty()).then_some(generics);
    [
        refuse(constness.as_ref(), &kind.rule(CONST)),
        refuse(sync, &kind.rule(ASYNC)),
        refuse(unsafety, &kind.rule(SAFE)),
        refuse(abi.as_ref(), &kind.rule(ABI)),
        refuse(parameters, &kind.rule(GENERICS)),
        refuse(inputs.iter().nth(ARGUMENTS), &kind.rule(EIGHT)),
        refuse(variadic.as_ref().map(|variadic| &variadic.dots), &kind.rule(VARIADIC)),
        refuse(generics.where_clause.as_ref(), &kind.rule(WHERE)),
    ]
}

/// The type of one argument.
fn argument(argument: FnArg, kind: Kind) -> Result<Type> {
    let argument = match argument {
        FnArg::Receiver(receiver) => return Err(mistake(receiver.self_token, &kind.rule(SELF))),
        FnArg::Typed(argument) => argument,
    };
    let condition = argument.attrs.iter().find(|attribute| is_condition(attribute));
    let condition = refuse(condition, &kind.rule(CONDITION));
    // The registration must name the type.
    let hidden = refuse(find(&argument.ty.to_token_stream(), "impl"), &kind.rule(NAMED));
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
