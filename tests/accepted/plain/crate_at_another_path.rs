use crate::registered;

mod company {
    pub mod framework {
        pub use kiket::*;
    }
}

// What the expansion would find without `crate = path`.
mod kiket {}

#[company::framework::webhook(
    company::framework::events::IssueCreated,
    version = "v1",
    timeout = "5s",
    crate = company::framework
)]
async fn on_issue_created(_event: company::framework::Payload) -> company::framework::Result<()> {
    Ok(())
}

macro_rules! on {
    ($event:literal, $name:ident, $framework:path) => {
        #[company::framework::webhook($event, version = "v1", crate = $framework)]
        async fn $name() {}
    };
}

on!("issue.closed", on_issue_closed, company::framework);

mod program {
    use super::company;

    company::framework::main!(
        crate = company::framework,
        setup = |builder| async { Ok(builder) },
        crates = [serde = "serde", serde_json]
    );

    pub fn run() -> std::process::ExitCode {
        main()
    }
}

use company::framework as here;

/// Its tests are in a module, from which another path would lead to the framework.
#[here::replay("examples/guard/captures/approved.*", crate = here)]
fn guard() -> here::ExtensionBuilder {
    let approved = async || {
        here::Decision::allow().output_field("approved_by", ["ada@example.com", "grace@example.com"])
    };
    let builder = here::Extension::builder().without_collected().without_manifest();
    builder.on("workflow.before_transition", "v1", approved)
}

#[test]
fn kiket_may_be_at_another_path() {
    let _ = program::run;
    let registered = registered::registered(module_path!(), |builder| builder);
    assert_eq!(registered, ["issue.closed v1 on_issue_closed", "issue.created v1 on_issue_created"]);
}
