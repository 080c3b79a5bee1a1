use kiket::Retry;

#[derive(Debug, Retry)]
enum Mail {
    #[retry(after = "30 seconds")]
    Busy,
    #[retry(status = 409)]
    Sent,
}

impl std::fmt::Display for Mail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the mail was not sent")
    }
}

impl std::error::Error for Mail {}

fn main() {}
