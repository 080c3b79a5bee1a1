use kiket::prelude::*;

#[kiket::replay("captures/*.json")]
fn extension() -> ExtensionBuilder {
    Extension::builder()
}

fn main() {}
