kiket::main!(crates = [unknown_handlers]);
