//! An extension for the tests of the tool.

use kiket::{
    handler::{RequiredSecret, SecretKey},
    prelude::*,
};

#[kiket::webhook("issue.created", version = "v1", timeout = "5s")]
async fn on_issue_created(payload: Payload) -> Reply {
    Reply::json(&payload["issue"]["title"])
}

struct CrmToken;

impl SecretKey for CrmToken {
    const KEY: &'static str = "CRM_TOKEN";
}

#[kiket::webhook("issue.closed", version = "v1")]
async fn on_issue_closed(_token: RequiredSecret<CrmToken>) {}

#[kiket::webhook("crm.sync", version = "v1")]
async fn on_sync() {}

kiket::main!();
