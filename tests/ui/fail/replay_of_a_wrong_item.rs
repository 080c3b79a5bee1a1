#[kiket::replay("*.toml")]
struct Captures;

#[kiket::replay("captures")]
fn handler(_a: u32, _b: u32) {}

fn main() {}
