//! A runtime token of the fake platform that the extension calls.

use std::{env, str::FromStr, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, header};
use kiket_runtime::Secret;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    exit::{Error, Exit, Result},
    http::{Client, is_loopback, url},
};

/// The scopes of a token: `scopes=issues:read,issues:write`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scopes(Vec<String>);

impl FromStr for Scopes {
    type Err = &'static str;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        let list =
            text.strip_prefix("scopes=").ok_or("expected scopes, like `scopes=issues:read,issues:write`")?;
        Ok(Self(list.split(',').filter(|scope| !scope.is_empty()).map(str::to_owned).collect()))
    }
}

/// A token, and its scopes.
pub(crate) struct Token {
    text: Secret,
    scopes: Vec<String>,
}

impl Token {
    /// Puts it where Kiket puts it.
    pub(crate) fn put_into(&self, json: &mut Value) {
        if let Some(members) = json.as_object_mut() {
            let claims = json!({ "runtime_token": self.text.expose(), "token_type": "runtime", "scopes": self.scopes });
            members.insert("authentication".to_owned(), claims);
        }
    }
}

/// How long the fake platform may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks the fake platform for a token.
pub(crate) fn ask(Scopes(scopes): &Scopes) -> Result<Token> {
    let missing = |name: &str| {
        Error::input(format!("`--token` needs a fake platform, and `{name}` names none"))
            .help("start one, `cargo run --example platform` or `FakePlatform::builder()`, and set the variables that it prints for the extension and for this command")
    };
    let variable = |name| env::var(name).ok().filter(|value| !value.is_empty()).ok_or_else(|| missing(name));
    let base = variable("KIKET_BASE_URL")?;
    let token = variable("KIKET_WORKSPACE_TOKEN")?;
    let address = format!("{}/runtime_tokens", base.trim_end_matches('/'));
    let address =
        url(&address).map_err(|why| Error::input(format!("`KIKET_BASE_URL` is no address: {why}")))?;
    if !is_loopback(&address) {
        return Err(Error::input("`KIKET_BASE_URL` is not of this machine, so that it is no fake platform"));
    }
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let mut bearer = HeaderValue::try_from(format!("Bearer {token}"))
        .map_err(|_| Error::input("`KIKET_WORKSPACE_TOKEN` cannot be in a header"))?;
    bearer.set_sensitive(true);
    headers.insert(HeaderName::from_static("authorization"), bearer);
    let body = json!({ "scopes": scopes }).to_string();
    let client = Client::new(&address)?;
    let response = client.send(Method::POST, address, headers, body, PATIENCE).map_err(Error::from)?;
    let issued: Option<Value> = serde_json::from_slice(&response.body).ok();
    let text = issued.as_ref().and_then(|issued| issued.get("runtime_token")?.as_str());
    match text {
        Some(text) if response.status == 201 => Ok(Token { text: text.into(), scopes: scopes.clone() }),
        _ => Err(Error::new(
            Exit::Input,
            format!("the fake platform issued no token: its response is {}", response.status),
        )
        .help("see that `KIKET_WORKSPACE_TOKEN` is the token that it prints")),
    }
}
