#[kiket::schedule("0 25 * * *")]
async fn at_25() {}

#[kiket::schedule("0 7 30 2 *")]
async fn never() {}

#[kiket::schedule("0 7 * * *", zone = "Europe / Berlin")]
async fn in_no_zone() {}

#[kiket::schedule("0 7 * * *", name = "at seven")]
async fn without_a_name() {}

fn main() {}
