//! Which credentials a call needs, by the access of its endpoint.

use kiket_runtime::{Headers, Secret};

use super::{call::Call, response::Response, table::Access};
use crate::extension::SECRET;

/// What the fake platform has given to the extension.
#[derive(Clone)]
pub(super) struct Credentials {
    pub(super) token: Secret,
    pub(super) api_key: Secret,
    pub(super) webhook_secret: Secret,
    pub(super) ingestion_key: Secret,
    pub(super) organization: String,
}

impl Default for Credentials {
    fn default() -> Self {
        Self {
            token: Secret::from("kiket_test_token"),
            api_key: Secret::from("kiket_test_api_key"),
            webhook_secret: Secret::from(SECRET),
            ingestion_key: Secret::from("kiket_test_ingestion_key"),
            organization: "org_test".to_owned(),
        }
    }
}

impl Credentials {
    /// Checks a call against the access of its endpoint. A credential that is wrong or repeated is refused everywhere,
    /// needed or not.
    pub(super) fn admit(
        &self,
        call: &Call,
        access: Access,
        is_runtime_token: impl Fn(&[u8]) -> bool,
    ) -> Result<(), Response> {
        let bearer = format!("Bearer {}", self.token.expose());
        let shown = |name, right: &str| Shown::of(call.headers(), name, |shown| shown == right.as_bytes());
        let token = shown("authorization", &bearer);
        let runtime_token = Shown::of(call.headers(), "x-kiket-runtime-token", is_runtime_token);
        let key = shown("x-kiket-api-key", self.api_key.expose());
        let ingestion = shown("x-api-key", self.ingestion_key.expose());
        let organization = shown("x-organization-id", &self.organization);
        let lacks = |needed, shown: &Shown| access == needed && *shown == Shown::Nothing;
        let lacks_token = lacks(Access::Workspace, &token) && runtime_token == Shown::Nothing;
        let lacks_organization = lacks(Access::Ingestion, &organization);
        let refusals = [
            (token == Shown::Wrong, "the workspace token is not valid"),
            (runtime_token == Shown::Wrong, "the runtime token is not valid"),
            (key == Shown::Wrong, "the extension API key is not valid"),
            (lacks_token, "a workspace token is required"),
            (lacks(Access::Extension, &key), "an extension API key is required"),
            (ingestion == Shown::Wrong, "the API key for ingestion is not valid"),
            (lacks(Access::Ingestion, &ingestion), "an API key for ingestion is required"),
            (
                lacks_organization || organization == Shown::Wrong,
                "the organization is missing or another one",
            ),
        ];
        match refusals.into_iter().find(|(refused, _)| *refused && access != Access::Open) {
            Some((_, text)) => Err(Response::error(401, "unauthorized", text)),
            None => Ok(()),
        }
    }
}

/// What a call shows of one kind.
#[derive(PartialEq, Eq)]
enum Shown {
    Nothing,
    Right,
    Wrong,
}

impl Shown {
    fn of(headers: &Headers, name: &str, is_right: impl Fn(&[u8]) -> bool) -> Self {
        let mut shown = headers.all(name);
        match (shown.next(), shown.next()) {
            (None, _) => Self::Nothing,
            (Some(value), None) if is_right(value) => Self::Right,
            _ => Self::Wrong,
        }
    }
}
