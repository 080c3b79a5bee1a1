use kiket::prelude::*;

fn setup(builder: ExtensionBuilder) -> kiket::Result<ExtensionBuilder> {
    Ok(builder)
}

kiket::main!(setup = setup);
