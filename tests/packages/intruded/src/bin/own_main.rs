//! An extension with a `main` of its own, which carries out the commands of the developer tool.

use std::{error::Error, process::ExitCode};

use kiket::prelude::*;

#[kiket::webhook("issue.created", version = "v1")]
async fn on_issue_created() {}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let builder = Extension::builder().webhook_secret("0123456789abcdef");
    let extension = builder.on("crm.sync", "v1", async || {}).build()?;
    if let Some(status) = kiket::cli::run(&extension) {
        return Ok(status);
    }
    println!("serves");
    Ok(ExitCode::SUCCESS)
}
