//! The console: through HTTP as attackers and readers use it, and in a real browser.

mod attacks;
mod bounds;
mod browser;
mod leaks;
mod webdriver;
mod world;
