kiket::main!(crates = [handlers_of_nobody]);
