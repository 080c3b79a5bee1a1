#[kiket::webhook("issue.created", version("v1"))]
async fn version_in_parentheses() {}

#[kiket::webhook("issue.created", version = 1)]
async fn version_is_a_number() {}

#[kiket::webhook("issue.created")]
async fn version_missing() {}

#[kiket::webhook("issue.created", "v1")]
async fn version_without_key() {}

#[kiket::webhook("issue.created", version)]
async fn version_without_value() {}

fn main() {}
