use kiket::prelude::*;

fn setup(builder: Builder) -> kiket::Result<Builder> {
    Ok(builder)
}

kiket::main!(setup = setup);
