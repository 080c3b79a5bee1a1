//! A program without `main!` returns the errors of kiket from any `main`.

use kiket::{Extension, ExtensionBuilder};

async fn on_issue_created() {}

/// Has no secret, so that none of the programs starts.
fn builder() -> ExtensionBuilder {
    Extension::builder().without_collected().without_manifest().on("issue.created", "v1", on_issue_created)
}

mod with_boxes {
    #[tokio::main]
    pub async fn main() -> Result<(), Box<dyn std::error::Error>> {
        super::builder().build()?.serve().await?;
        Ok(())
    }
}

mod with_sendable_boxes {
    #[tokio::main]
    pub async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        super::builder().build()?.serve().await?;
        Ok(())
    }
}

mod with_anyhow {
    #[tokio::main]
    pub async fn main() -> anyhow::Result<()> {
        super::builder().build()?.serve().await?;
        Ok(())
    }
}

mod with_eyre {
    #[tokio::main]
    pub async fn main() -> eyre::Result<()> {
        super::builder().build()?.serve().await?;
        Ok(())
    }
}

mod with_kiket {
    #[tokio::main]
    pub async fn main() -> kiket::Result<()> {
        super::builder().build()?.serve().await?;
        Ok(())
    }
}

#[test]
fn any_main_returns_the_errors_of_kiket() {
    let errors = [
        with_boxes::main().unwrap_err().to_string(),
        with_sendable_boxes::main().unwrap_err().to_string(),
        with_anyhow::main().unwrap_err().to_string(),
        with_eyre::main().unwrap_err().to_string(),
        with_kiket::main().unwrap_err().into_error().to_string(),
    ];
    for error in errors {
        assert!(error.contains("secret"), "{error}");
    }
}
