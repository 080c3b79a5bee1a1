#[kiket::schedule(zone = "Europe/Berlin")]
fn remind(&self) {}

fn main() {}
