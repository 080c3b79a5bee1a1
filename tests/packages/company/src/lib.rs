//! What every extension of a company depends on, instead of on `kiket`.

pub use kiket;
