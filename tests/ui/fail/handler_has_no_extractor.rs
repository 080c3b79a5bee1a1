use kiket::Handler;

async fn handler(_: u32) {}

fn main() {
    let _ = Handler::new("issue.created", "v1", handler);
}
