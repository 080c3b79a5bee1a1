kiket::main!(crate = kiket, crate = kiket);
