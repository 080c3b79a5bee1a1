//! Functions that run at times.

use kiket::prelude::*;

#[kiket::schedule("0 7 * * *")]
async fn remind() {}

#[kiket::schedule("*/15 8-18 * * mon-fri", zone = "Europe/Berlin", catch_up, name = "sync.all", timeout = "5m", attempts = 3,
    backoff = "1s..10m", middleware = [])]
async fn r#async(context: Context, settings: Settings) -> kiket::Result<()> {
    let _ = (context, settings);
    Ok(())
}

// Beside a handler, on one function.
#[kiket::schedule("0 0 L * *", name = "monthly")]
#[kiket::webhook("issue.created", version = "v1", later, lane = "issue.id")]
async fn both() -> Result<(), std::io::Error> {
    Ok(())
}

#[cfg(any())]
#[kiket::schedule("0 7 * * *", name = "remind")]
async fn absent() {}

fn builder() -> ExtensionBuilder {
    let builder =
        Extension::builder().webhook_secret("sh_123").without_manifest().id("com.example.schedules");
    let builder = builder.inbox(|inbox| inbox.url("sqlite::memory:").without_secrets());
    kiket_runtime::internals::only_of_module(builder, module_path!())
}

#[test]
fn schedules_are_registered_apart_from_handlers() {
    let extension = builder().build().unwrap();
    assert_eq!(extension.events(), ["issue.created"]);
    let report = extension.report();
    let schedules: Vec<_> = report
        .schedules
        .iter()
        .map(|schedule| {
            let later = schedule.handler.later.as_ref().unwrap();
            let function = schedule.handler.function.rsplit("::").next().unwrap().to_owned();
            (
                &*schedule.name,
                &*schedule.pattern,
                &*schedule.zone,
                schedule.catches_up,
                later.attempts,
                function,
            )
        })
        .collect();
    assert_eq!(
        schedules,
        [
            ("monthly", "0 0 L * *", "UTC", false, 8, "both".to_owned()),
            ("remind", "0 7 * * *", "UTC", false, 8, "remind".to_owned()),
            ("sync.all", "*/15 8-18 * * mon-fri", "Europe/Berlin", true, 3, "r#async".to_owned()),
        ]
    );
    let later = report.handlers[0].later.as_ref().unwrap();
    assert_eq!((later.attempts, later.lane.as_deref(), later.blocks_lane), (8, Some("issue.id"), false));
    assert!(report.handlers[0].deduplicated);
    let text = report.to_string();
    for line in [
        "later, 8 attempts, lane issue.id\n",
        "  schedule  times                  zone           place\n  monthly   0 0 L * *              UTC            ",
        "  catches up\n",
    ] {
        assert!(text.contains(line), "{text}");
    }
}

#[tokio::test]
async fn no_delivery_finds_a_schedule() {
    let extension = kiket::testing::TestExtension::new(builder()).unwrap();
    for event in ["schedule:remind", "remind"] {
        let delivery = kiket::testing::delivery(event, "v1", &json!({}));
        let status = extension.deliver(delivery).await.status();
        assert!([400, 404].contains(&status.as_u16()), "{event}: {status}");
    }
}
