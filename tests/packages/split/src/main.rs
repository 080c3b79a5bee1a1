//! The program: the library's handlers, served.

use split::setup;

kiket::main!(crates = [split], setup = setup);
