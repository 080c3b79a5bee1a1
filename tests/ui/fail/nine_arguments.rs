use kiket::prelude::*;

#[kiket::webhook("issue.created", version = "v1")]
async fn on_issue_created(
    _a: Context,
    _b: Context,
    _c: Context,
    _d: Context,
    _e: Context,
    _f: Context,
    _g: Context,
    _h: Context,
    _i: Context,
) {
}

fn main() {}
