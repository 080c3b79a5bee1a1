//! Prints an error with its source chain, on one line.

use std::{error::Error as StdError, fmt};

/// Prints an error and its sources, outermost first, joined by `: `. A level that repeats the text of the level above
/// is left out.
pub(crate) struct Chain<'e>(pub(crate) &'e (dyn StdError + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut above = self.0.to_string();
        f.write_str(&above)?;
        let mut next = self.0.source();
        while let Some(level) = next {
            let text = level.to_string();
            if text != above {
                write!(f, ": {text}")?;
            }
            (above, next) = (text, level.source());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Level(&'static str, #[source] Option<Box<Level>>);

    #[test]
    fn every_level_is_printed_once() {
        let level = |text, source| Level(text, Some(Box::new(source)));
        let error = level("a", level("b", level("b", Level("c", None))));
        assert_eq!(Chain(&error).to_string(), "a: b: c");
        assert_eq!(Chain(&Level("a", None)).to_string(), "a");
    }
}
