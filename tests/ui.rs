//! What the compiler says where a macro does not accept its input.
//!
//! `TRYBUILD=overwrite cargo test -p kiket --test ui` writes the expected messages anew; read them before they are
//! committed. A case that is to compile is a module of `tests/accepted`: with one here, every case would be linked alone.

use std::{env, fs};

#[test]
fn messages_are_right_and_in_their_place() {
    // The package of the cases, which trybuild makes, has a manifest.
    let program = env::current_exe().unwrap();
    let package = program.ancestors().nth(3).unwrap().join("tests/trybuild/kiket");
    fs::create_dir_all(&package).unwrap();
    let manifest = "hooks:\n  - issue.created\n  - before_transition\n";
    fs::write(package.join("extension.yaml"), manifest).unwrap();
    trybuild::TestCases::new().compile_fail("tests/ui/fail/*.rs");
}
