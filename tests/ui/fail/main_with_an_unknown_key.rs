use kiket::prelude::*;

async fn setup(builder: ExtensionBuilder) -> kiket::Result<ExtensionBuilder> {
    Ok(builder)
}

kiket::main!(set_up = setup);
