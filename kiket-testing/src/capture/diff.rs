//! The lines in which two texts differ.

use std::time::Duration;

use similar::{ChangeTag, TextDiff};

/// How many equal lines are shown around a difference.
const AROUND: usize = 3;

/// How long the smallest difference is looked for.
const LONGEST: Duration = Duration::from_secs(5);

/// The difference as lines with `-`, `+`, or two spaces; `…` stands for equal lines that are left out.
pub(super) fn diff(before: &str, after: &str) -> String {
    let (old, new): (Vec<_>, Vec<_>) = (before.lines().collect(), after.lines().collect());
    let diff = TextDiff::configure().timeout(LONGEST).diff_slices(&old, &new);
    let lines: Vec<_> = diff.iter_all_changes().collect();
    let differs: Vec<usize> =
        (0..).zip(&lines).filter(|(_, line)| line.tag() != ChangeTag::Equal).map(|(at, _)| at).collect();
    let is_near = |at: usize| {
        let next = differs.partition_point(|differs| differs + AROUND < at);
        differs.get(next).is_some_and(|differs| *differs <= at + AROUND)
    };
    let (mut shown, mut left_out) = (String::new(), false);
    for (at, line) in lines.iter().enumerate() {
        if is_near(at) {
            shown.extend([line.tag().to_string().as_str(), " ", line.value(), "\n"]);
        } else if !left_out {
            shown += "  …\n";
        }
        left_out = !is_near(at);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_shown_with_lines_around() {
        let before: Vec<_> = (0..20).map(|line| line.to_string()).collect();
        let mut after = before.clone();
        after[9] = "nine".into();
        after.insert(10, "more".into());
        let shown = diff(&before.join("\n"), &after.join("\n"));
        assert_eq!(shown, "  …\n  6\n  7\n  8\n- 9\n+ nine\n+ more\n  10\n  11\n  12\n  …\n");
        assert_eq!(diff("a\nb", "a\nb"), "  …\n");
        assert_eq!(diff("", "a"), "+ a\n");
    }

    #[test]
    fn texts_without_a_common_line_follow_each_other() {
        let text =
            |letter: &str| (0..3_000).map(|line| format!("{letter}{line}")).collect::<Vec<_>>().join("\n");
        let shown = diff(&text("a"), &text("b"));
        assert!(shown.starts_with("- a0\n") && shown.ends_with("+ b2999\n"));
    }
}
