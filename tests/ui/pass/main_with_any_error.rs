//! A program without `main!` returns the errors of kiket from any `main`.

use kiket::Extension;

async fn on_issue_created() {}

mod with_boxes {
    #[tokio::main]
    pub async fn main() -> Result<(), Box<dyn std::error::Error>> {
        super::Extension::builder().on("issue.created", "v1", super::on_issue_created).build()?.serve().await?;
        Ok(())
    }
}

mod with_sendable_boxes {
    #[tokio::main]
    pub async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        super::Extension::builder().on("issue.created", "v1", super::on_issue_created).build()?.serve().await?;
        Ok(())
    }
}

mod with_anyhow {
    #[tokio::main]
    pub async fn main() -> anyhow::Result<()> {
        super::Extension::builder().on("issue.created", "v1", super::on_issue_created).build()?.serve().await?;
        Ok(())
    }
}

mod with_eyre {
    #[tokio::main]
    pub async fn main() -> eyre::Result<()> {
        super::Extension::builder().on("issue.created", "v1", super::on_issue_created).build()?.serve().await?;
        Ok(())
    }
}

mod with_kiket {
    #[tokio::main]
    pub async fn main() -> kiket::Result<()> {
        super::Extension::builder().on("issue.created", "v1", super::on_issue_created).build()?.serve().await?;
        Ok(())
    }
}

fn main() {
    // There is no secret, so that none of them starts.
    assert!(with_boxes::main().is_err());
    assert!(with_sendable_boxes::main().is_err());
    assert!(with_anyhow::main().is_err());
    assert!(with_eyre::main().is_err());
    assert!(with_kiket::main().is_err());
}
