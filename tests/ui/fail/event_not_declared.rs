#[kiket::webhook("issue.created", version = "v1", declared)]
async fn declared() {}

#[kiket::webhook("workflow.before_transition", version = "v1", declared)]
async fn declared_by_its_short_name() {}

#[kiket::webhook("issue.creatd", version = "v1", declared)]
async fn misspelt() {}

kiket::main!();
