async fn audit(_: &kiket::Delivery, next: kiket::middleware::Next<'_>) -> kiket::middleware::HandlerOutcome {
    next.run().await
}

#[kiket::webhook("a.b", version = "v1", timeout = "5s", scopes = ["issues:read", "issues:write"])]
async fn in_the_usual_order() {}

#[kiket::webhook(
    "a.b",
    middleware = [audit,],
    scopes = ["issues:read",],
    timeout = "250ms",
    version = "2.0",
)]
async fn in_another_order() {}

#[kiket::webhook("a.b", dedupe = false, scopes = [], version = r"3")]
async fn without_scopes() {}

#[kiket::webhook("a-b_c.D9.e.f.g.h.i.j", version = r#"v1.2.3"#, timeout = "60m")]
async fn at_the_limits() {}
