struct Sent<A, B>(A, B);

#[kiket::webhook(Sent<u8, u16>, version = "v1")]
async fn on_issue_created() {}

fn main() {}
