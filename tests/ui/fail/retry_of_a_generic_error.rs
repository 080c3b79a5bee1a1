#[derive(Debug, kiket::Retry)]
struct Failed<T>(T);

#[derive(Debug, kiket::Retry)]
enum Mail {
    #[retry(status = 503)]
    Down,
    #[retry(status = 429)]
    Busy,
    Io(#[retry(never)] std::io::Error),
}

fn main() {}
