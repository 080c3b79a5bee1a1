//! The console: through HTTP as attackers and readers use it, and in a real browser.

mod attacks;
mod bounds;
mod browser;
mod leaks;
mod live;
#[path = "../dev/running.rs"]
#[allow(dead_code)] // the tests of `dev` need more of it
mod running;
mod webdriver;
mod world;
