//! Names the crate of a handler as `Cargo.toml` does, which is not what it is called: it must not start.

hooks::main!(crates = [handlers], crate = hooks);
