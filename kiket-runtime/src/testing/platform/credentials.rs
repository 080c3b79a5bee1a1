//! Who may call.

use super::{answer::Answer, call::Call, routes::Access};
use crate::types::{Headers, Occurrence, Secret};

/// What the platform gave to the extension.
#[derive(Clone)]
pub(super) struct Credentials {
    pub(super) token: Secret,
    pub(super) api_key: Secret,
    pub(super) webhook_secret: Secret,
    pub(super) ingestion_key: Secret,
    pub(super) organization: String,
}

/// What a call shows of one kind.
#[derive(PartialEq, Eq)]
enum Shown {
    Nothing,
    Right,
    Wrong,
}

impl Credentials {
    /// The workspace token, or a runtime token that was given to a delivery, opens everything but `/api/v1/ext`, where it is the extension's API key, and
    /// `/api/v1/platform`, where it is that of the ingestion with its organisation. A wrong or repeated one of any
    /// kind is refused everywhere, needed or not.
    pub(super) fn admit(
        &self,
        call: &Call,
        access: Access,
        is_runtime_token: impl Fn(&[u8]) -> bool,
    ) -> Result<(), Answer> {
        if access == Access::Open {
            return Ok(());
        }
        let bearer = format!("Bearer {}", self.token.expose());
        let token = shown(call.headers(), "authorization", &bearer);
        let runtime_token = match call.headers().only("x-kiket-runtime-token") {
            Occurrence::Absent => Shown::Nothing,
            Occurrence::Once(token) if is_runtime_token(token) => Shown::Right,
            _ => Shown::Wrong,
        };
        let key = shown(call.headers(), "x-kiket-api-key", self.api_key.expose());
        let ingestion = shown(call.headers(), "x-api-key", self.ingestion_key.expose());
        let organization = shown(call.headers(), "x-organization-id", &self.organization);
        if token == Shown::Wrong {
            Err(refused("the workspace token is not valid"))
        } else if runtime_token == Shown::Wrong {
            Err(refused("the runtime token is not valid"))
        } else if key == Shown::Wrong {
            Err(refused("the extension API key is not valid"))
        } else if access == Access::Token && token == Shown::Nothing && runtime_token == Shown::Nothing {
            Err(refused("a workspace token is required"))
        } else if access == Access::Key && key == Shown::Nothing {
            Err(refused("an extension API key is required"))
        } else if ingestion == Shown::Wrong || access == Access::Ingestion && ingestion == Shown::Nothing {
            Err(refused("the API key of the ingestion is missing or not valid"))
        } else if organization == Shown::Wrong
            || access == Access::Ingestion && organization == Shown::Nothing
        {
            Err(refused("the organisation is missing or another one"))
        } else {
            Ok(())
        }
    }
}

fn shown(headers: &Headers, name: &str, right: &str) -> Shown {
    match headers.only(name) {
        Occurrence::Absent => Shown::Nothing,
        Occurrence::Once(value) if value == right.as_bytes() => Shown::Right,
        _ => Shown::Wrong,
    }
}

fn refused(text: &str) -> Answer {
    Answer::error(401, "unauthorized", text)
}
