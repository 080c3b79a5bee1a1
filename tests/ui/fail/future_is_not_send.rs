use kiket::prelude::*;
use std::rc::Rc;

#[kiket::webhook("issue.created", version = "v1")]
async fn on_issue_created(context: Context) {
    let counter = Rc::new(1);
    context.clone();
    std::future::ready(()).await;
    drop(counter);
}

fn main() {}
