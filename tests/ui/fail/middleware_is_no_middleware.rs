use kiket::{Delivery, Extension, middleware::HandlerOutcome};

async fn without_next(_: &Delivery) -> HandlerOutcome {
    Ok(kiket::Reply::ok())
}

fn main() {
    let _ = Extension::builder().middleware(without_next);
}
