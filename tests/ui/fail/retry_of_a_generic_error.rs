#[derive(Debug, kiket::Retry)]
struct Failed<T>(T);

#[derive(Debug, kiket::Retry)]
enum Mail {
    #[retry(status = 503)]
    Down,
}

fn main() {}
