kiket::main!(crates = serde);
