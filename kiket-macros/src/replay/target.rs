//! The item below the attribute: a function that makes the extension, or a module for the tests.

use proc_macro2::{Ident, TokenStream};
use syn::{
    Attribute, FnArg, Result, ReturnType, Signature, Token, Visibility,
    parse::{Parse, ParseStream},
    token::Brace,
};

use crate::diagnostics::{both, mistake, refuse};

/// The parts of the item that the tests need.
pub(super) enum Target {
    /// A function that returns an `ExtensionBuilder`, of nothing or of another one.
    Function { name: Ident, is_async: bool, takes_builder: bool, output: ReturnType },
    /// A module with a body: the tests are added, of the extension with all annotated functions.
    Module { name: Ident },
}

impl Target {
    pub(super) fn name(&self) -> &Ident {
        match self {
            Self::Function { name, .. } | Self::Module { name } => name,
        }
    }
}

const ITEM: &str = "captures are replayed with a function that returns an `ExtensionBuilder`, or, without one, in a module like `mod captures {}`";
const BODY: &str = "the module has a body, which the tests go into, like `mod captures {}`";
const ARGUMENTS: &str = "the function has no arguments, or an `ExtensionBuilder` alone, like `fn extension(builder: ExtensionBuilder) -> ExtensionBuilder`";
const GENERICS: &str = "the function is not generic, like `fn extension() -> ExtensionBuilder`";
const OUTPUT: &str = "the function returns an `ExtensionBuilder`, like `fn extension() -> ExtensionBuilder`";

impl Parse for Target {
    fn parse(input: ParseStream) -> Result<Self> {
        input.call(Attribute::parse_outer)?;
        input.parse::<Visibility>()?;
        if input.peek(Token![mod]) {
            input.parse::<Token![mod]>()?;
            let name = input.parse::<Ident>()?;
            let is_empty = !input.peek(Brace);
            let rest = input.parse::<TokenStream>()?;
            return if is_empty { Err(mistake(rest, BODY)) } else { Ok(Self::Module { name }) };
        }
        let item = input.fork();
        let Ok(signature) = input.parse::<Signature>() else {
            return Err(mistake(item.parse::<TokenStream>()?, ITEM));
        };
        input.parse::<TokenStream>()?;
        let Signature { asyncness, generics, inputs, ident, output, .. } = signature;
        let more = inputs
            .iter()
            .enumerate()
            .find(|(at, argument)| *at > 0 || matches!(argument, FnArg::Receiver(_)));
        let none = matches!(output, ReturnType::Default).then_some(&ident);
        let checked = both(
            refuse(more.map(|(_, argument)| argument), ARGUMENTS),
            both(refuse((!generics.params.is_empty()).then_some(&generics), GENERICS), refuse(none, OUTPUT)),
        );
        checked.map(|_| Self::Function {
            is_async: asyncness.is_some(),
            takes_builder: !inputs.is_empty(),
            name: ident.clone(),
            output: output.clone(),
        })
    }
}
