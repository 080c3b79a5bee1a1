#[kiket::schedule("0 7 * * *")]
async fn remind() -> kiket::Json<u8> {
    kiket::Json(7)
}

fn main() {}
