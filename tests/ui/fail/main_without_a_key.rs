use kiket::prelude::*;

async fn setup(builder: Builder) -> kiket::Result<Builder> {
    Ok(builder)
}

kiket::main!(setup);
