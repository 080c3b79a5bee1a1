use kiket::{extension::Shutdown, prelude::*};
use std::{process::ExitCode, sync::Arc};

async fn page() -> &'static str {
    "page"
}

async fn work(extension: Extension, shutdown: Shutdown) {
    let _: Result<serde_json::Value, _> = extension.client().get("/api/v1/x").await;
    shutdown.requested().await;
}

/// Ends the program before it serves.
async fn setup(builder: ExtensionBuilder) -> kiket::Result<ExtensionBuilder> {
    let shared = Arc::new(7);
    let _complete = builder
        .routes(|config: &mut actix_web::web::ServiceConfig| {
            config.route("/page", actix_web::web::get().to(page));
        })
        .routes(move |config| {
            config.app_data(actix_web::web::Data::from(shared.clone()));
        })
        .background(work)
        .background(async |_, _| {})
        .background(|_, shutdown| async move {
            loop {
                shutdown.requested().await;
            }
        });
    Err(kiket::HandlerError::permanent("not today"))
}

mod program {
    kiket::main!(setup = super::setup);

    pub fn run() -> std::process::ExitCode {
        main()
    }
}

#[test]
fn a_setup_adds_routes_and_tasks() {
    assert_eq!(program::run(), ExitCode::FAILURE);
}
